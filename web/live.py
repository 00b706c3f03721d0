"""From the bus to every open socket: changes are numbered, paced, written down once, and handed to all who listen.

    Bus ──▶ Hub: first change of an entity at once, later ones every 100 ms, always the last
             ├─▶ EventAudience: one JSON frame a change, the same text for all      (/api/events)
             └─▶ PageAudience: one frame of page fragments for all, 20 times a second (/live)

Missed events cannot exist: a socket is seated first, then told what is, then what changed meanwhile.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

import structlog

from daemons.access import Access
from daemons.bus import Bus, Mailbox
from daemons.clock import Clock
from daemons.errors import Unavailable
from daemons.events import (
    DaemonChanged,
    DaemonRemoved,
    Event,
    ItemChanged,
    JobChanged,
    JobRemoved,
    LogWritten,
    SessionEnded,
)
from daemons.tasks import beside
from web.frames import HUB, LOGS, Change, Frame, frame_text
from web.listener import SESSION_ENDED, Listener

PACE_SECONDS = 0.1
"""The least time between two frames of one entity."""
RING_ENTRIES = 10_000
RING_BYTES = 8 * 1024 * 1024
ITEM_BYTES = 8_000
"""What one item of a workflow is taken to weigh in the ring, facts and all."""
TICK_SECONDS = 1.0
HEARTBEAT_TICKS = 5
STALLED_SECONDS = 30.0
SESSION_CHECK_TICKS = 30

_TOLD = (DaemonChanged, DaemonRemoved, JobChanged, JobRemoved, ItemChanged, LogWritten, SessionEnded)
Pointer = tuple[str, str] | LogWritten | ItemChanged

log = structlog.get_logger("daemondeck.web")


class Audience(Protocol):
    """Sockets that are told the same."""

    listeners: set[Listener]

    def take(self, change: Change) -> None:
        """Tell the listeners of `change`, now or soon; never waits."""
        ...

    def tell_heartbeat(self, seq: int, at: datetime) -> None: ...

    def tell_dropped(self, seq: int, at: datetime, count: int) -> None: ...


class Hub:
    """Numbers what happens and tells it to sockets, from enter to exit."""

    def __init__(self, bus: Bus, clock: Clock, access: Access, *, boot: str, version: str) -> None:
        self.clock = clock
        self.boot = boot
        self.version = version
        self.seq = 0
        self.lag = 0.0
        """Seconds by which the event loop was last late."""
        self.stalled_listeners = 0
        self.dropped_lines = 0
        self._bus = bus
        self._access = access
        self._audiences: dict[Hashable, Audience] = {}
        self._ring: deque[tuple[int, Pointer]] = deque()
        self._ring_bytes = 0
        # When each entity was last told of, oldest first; and the newest change of those that were just told of.
        self._told: dict[tuple[str, str], float] = {}
        self._held: dict[tuple[str, str], Event] = {}
        self._holding = asyncio.Event()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            mailbox = stack.enter_context(self._bus.subscribe(lambda event: isinstance(event, _TOLD)))
            for part in (self._listen(mailbox), self._release(), self._tick()):
                await stack.enter_async_context(beside(part, "what pages are told"))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    # Sockets come and go.

    @contextmanager
    def seat(self, key: Hashable, make: Callable[[], Audience], listener: Listener) -> Iterator[Audience]:
        """Let `listener` hear with the others of `key`; for the first the audience is made."""
        audience = self._audiences.get(key) or self._audiences.setdefault(key, make())
        del make
        audience.listeners.add(listener)
        try:
            yield audience
        finally:
            listener.stop()
            audience.listeners.discard(listener)
            if not audience.listeners:
                del self._audiences[key]

    def say_dropped(self, seq: int, count: int) -> str:
        """Write the frame that tells a slow client how many log lines it was not told."""
        return dropped(seq, self.clock.now(), count)

    @property
    def listeners(self) -> list[Listener]:
        return [listener for audience in self._audiences.values() for listener in audience.listeners]

    def since(self, seq: int, boot: str) -> list[tuple[int, Pointer]] | None:
        """Return what changed after `seq`, each entity once, or None if that is not known any more."""
        oldest = self._ring[0][0] if self._ring else self.seq + 1
        if boot != self.boot or not 0 < seq <= self.seq or seq < oldest - 1:
            return None
        newest: dict[object, tuple[int, Pointer]] = {}
        for number, pointer in self._ring:
            if number > seq:
                key = number if isinstance(pointer, LogWritten) else _key_of(pointer)
                newest.pop(key, None)
                newest[key] = (number, pointer)
        return list(newest.values())

    # From the bus to the audiences.

    async def _listen(self, mailbox: Mailbox) -> None:
        while True:
            ready = [event for event in await mailbox.take() if self._is_due(event)]
            self._tell(ready)
            if mailbox.dropped:
                self._tell_dropped(mailbox.dropped)
                mailbox.dropped = 0

    def _is_due(self, event: Event) -> bool:
        if isinstance(event, SessionEnded):
            self._end_session(event.id)
            return False
        key = event.key
        if key is None:
            return True
        if key in self._held or self.clock.monotonic() - self._told.get(key, -PACE_SECONDS) < PACE_SECONDS:
            self._held[key] = event
            self._holding.set()
            return False
        return True

    async def _release(self) -> None:
        while True:
            await self._holding.wait()
            earliest = min(self._told.get(key, 0.0) for key in self._held) + PACE_SECONDS
            # Not each for itself: what is due within the same few milliseconds goes out together.
            await self.clock.sleep(max(0.01, earliest - self.clock.monotonic()))
            limit = self.clock.monotonic() - PACE_SECONDS
            due = [key for key in self._held if self._told.get(key, 0.0) <= limit]
            self._tell([self._held.pop(key) for key in due])
            if not self._held:
                self._holding.clear()

    def _tell(self, events: list[Event]) -> None:
        at, now = self.clock.now(), self.clock.monotonic()
        for event in events:
            self.seq += 1
            self._remember(event)
            if event.key is not None:
                self._told.pop(event.key, None)
                self._told[event.key] = now
            change = Change(self.seq, at, event)
            for audience in self._audiences.values():
                try:
                    audience.take(change)
                except Exception:  # What cannot be told must not silence everything after it
                    log.exception("A change could not be told.", kind=type(event).__name__)
        self._forget_told(now)

    def _forget_told(self, now: float) -> None:
        while self._told:
            key, told = next(iter(self._told.items()))
            if now - told < PACE_SECONDS or key in self._held:
                return
            del self._told[key]

    def _remember(self, event: Event) -> None:
        pointer: Pointer
        if isinstance(event, LogWritten | ItemChanged):
            pointer = event
        else:
            assert event.key is not None
            pointer = event.key
        self._ring.append((self.seq, pointer))
        self._ring_bytes += _size_of(pointer)
        while len(self._ring) > RING_ENTRIES or self._ring_bytes > RING_BYTES:
            self._ring_bytes -= _size_of(self._ring.popleft()[1])

    def _tell_dropped(self, count: int) -> None:
        self.dropped_lines += count
        for audience in self._audiences.values():
            audience.tell_dropped(self.seq, self.clock.now(), count)

    # Once a second.

    async def _tick(self) -> None:
        ticks = 0
        while True:
            before = self.clock.monotonic()
            await self.clock.sleep(TICK_SECONDS)
            self.lag = max(0.0, self.clock.monotonic() - before - TICK_SECONDS)
            ticks += 1
            self.stalled_listeners += sum(listener.check(STALLED_SECONDS) for listener in self.listeners)
            if ticks % HEARTBEAT_TICKS == 0:
                for audience in self._audiences.values():
                    audience.tell_heartbeat(self.seq, self.clock.now())
            if ticks % SESSION_CHECK_TICKS == 0:
                await self._check_sessions()

    async def _check_sessions(self) -> None:
        """Find the sessions that ran out, or that another process ended."""
        ids = {listener.session_id for listener in self.listeners if listener.session_id}
        if not ids:
            return
        try:
            for ended in await self._access.ended(ids):
                self._end_session(ended)
        except Unavailable:
            # Nobody is put out because the database is away; requests are refused meanwhile anyway.
            return

    def _end_session(self, session_id: str) -> None:
        for listener in self.listeners:
            if listener.session_id == session_id:
                listener.close(SESSION_ENDED, "The session ended.")


def heartbeat(seq: int, at: datetime, version: str) -> Frame:
    """Return the frame that shows the socket and the deck behind it are alive."""
    return Frame(seq, (HUB, "heartbeat"), frame_text(seq, HUB, "heartbeat", at, {"version": version}))


def dropped(seq: int, at: datetime, count: int) -> str:
    """Return the frame that tells how many log lines were left out."""
    return frame_text(seq, LOGS, "dropped", at, {"count": count})


def _key_of(pointer: tuple[str, str] | ItemChanged) -> tuple[str, str]:
    return pointer if isinstance(pointer, tuple) else pointer.key


def _size_of(pointer: Pointer) -> int:
    match pointer:
        case ItemChanged():
            # Items are kept whole: there is no one place to read them again.
            return ITEM_BYTES
        case LogWritten(line):
            return 200 + len(line.message)
        case _:
            return 200
