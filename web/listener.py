"""The sending side of one socket. Nobody waits for it: what it cannot take yet is kept, merged, and bounded.

A send is first stepped by hand. It nearly always finishes at once, so an idle socket needs no queue and no task; only
the rest of a send that has to wait becomes one.
"""

import asyncio
import types
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from typing import Any, Protocol

import structlog
from starlette.types import Send

from daemons.clock import Clock
from daemons.errors import DaemonError
from web.frames import Frame

LINES_HELD = 500
PAGES_HELD = 20
CLOSE_SECONDS = 1.0
INTERNAL_ERROR = 1011
TRY_AGAIN_LATER = 1013
SESSION_ENDED = 4401
"""Close code of a socket whose session or token does not stand; pages then ask to sign in."""
# What servers raise when the peer is gone or the socket is closed already.
_GONE = (OSError, RuntimeError)

log = structlog.get_logger("daemondeck.web")


class Backlog(Protocol):
    """What waits for a slow socket."""

    def put(self, frame: Frame) -> None: ...

    def pop(self) -> str | None:
        """Return the next text to send, or None."""
        ...


class LatestWins:
    """Keeps the newest frame of each entity, and the newest log lines, in the order of their numbers."""

    def __init__(self, say_dropped: Callable[[int, int], str]) -> None:
        self._say_dropped = say_dropped
        self._frames: dict[object, Frame] = {}
        # Their numbers, oldest first; a dictionary because an empty one is a tenth of an empty deque.
        self._lines: dict[int, None] = {}
        self._dropped = 0

    def put(self, frame: Frame) -> None:
        if frame.key is None:
            self._put_line(frame)
            return
        # Re-inserted at the end: a client that has seen number n has seen everything before it.
        self._frames.pop(frame.key, None)
        self._frames[frame.key] = frame

    def _put_line(self, frame: Frame) -> None:
        if len(self._lines) == LINES_HELD:
            oldest = next(iter(self._lines))
            del self._lines[oldest], self._frames[oldest]
            self._dropped += 1
        self._lines[frame.seq] = None
        self._frames[frame.seq] = frame

    def pop(self) -> str | None:
        if not self._frames:
            return None
        first = next(iter(self._frames))
        if self._dropped:
            count, self._dropped = self._dropped, 0
            return self._say_dropped(self._frames[first].seq - 1, count)
        frame = self._frames.pop(first)
        self._lines.pop(frame.seq, None)
        return frame.text


class ReadAgain:
    """Keeps a few frames of page content; when there are more, one `resync` has the page read itself again."""

    def __init__(self, say_resync: Callable[[], str]) -> None:
        self._say_resync = say_resync
        self._texts: deque[str] = deque()

    def put(self, frame: Frame) -> None:
        if len(self._texts) == PAGES_HELD:
            self._texts.clear()
            self._texts.append(self._say_resync())
        self._texts.append(frame.text)

    def pop(self) -> str | None:
        return self._texts.popleft() if self._texts else None


class Listener:
    """One accepted socket. Until `begin` has returned, everything offered is kept."""

    __slots__ = ("_abort", "_backlog", "_clock", "_closing", "_send", "_since", "_task", "is_gone", "session_id")

    def __init__(
        self, send: Send, abort: Callable[[], None], clock: Clock, backlog: Backlog, session_id: str | None
    ) -> None:
        self.session_id = session_id
        self.is_gone = False
        self._send = send
        self._abort = abort
        self._clock = clock
        self._backlog = backlog
        # Since when the send in hand has been waiting for the client; None when there is none.
        self._since: float | None = clock.monotonic()
        self._task: asyncio.Task[None] | None = None
        self._closing: tuple[int, str, float] | None = None

    def begin(self, opening: AsyncIterator[str]) -> None:
        """Send the opening frames at the client's pace, then what was offered meanwhile; returns at once."""
        self._run(self._begin(opening), "opening of a socket")

    async def _begin(self, opening: AsyncIterator[str]) -> None:
        try:
            async for text in opening:
                await self._tell(text)
            await self._catch_up()
        except _GONE:
            self.is_gone = True
        except DaemonError as error:
            log.warning("A socket could not be opened.", error=error.message)
            await self._say_close(TRY_AGAIN_LATER, error.message)

    def offer(self, frame: Frame) -> None:
        """Send `frame`, now or when the client has taken what it has."""
        if self._since is not None:
            self._backlog.put(frame)
        elif not self.is_gone:
            self._step(self._send({"type": "websocket.send", "text": frame.text}))

    def close(self, code: int, reason: str) -> None:
        """Close the socket; a client that does not take even that is cut off a second later."""
        if self._closing is None:
            self._closing = (code, reason, self._clock.monotonic())
            if self._since is None and not self.is_gone:
                self._step(self._say_close(code, reason))

    def check(self, patience: float) -> bool:
        """Cut the connection and return True if the client has taken nothing for `patience` seconds."""
        if self.is_gone:
            return False
        now = self._clock.monotonic()
        is_stalled = self._since is not None and now - self._since > patience
        is_late = self._closing is not None and now - self._closing[2] > CLOSE_SECONDS
        if is_stalled or is_late:
            self.is_gone = True
            self._abort()
        return is_stalled

    @property
    def is_waiting(self) -> bool:
        """Whether the client has not taken yet what it was sent."""
        return self._since is not None

    def stop(self) -> None:
        """Send nothing any more."""
        self.is_gone = True
        if self._task is not None:
            self._task.cancel()

    def _run(self, sending: Coroutine[Any, Any, None], name: str) -> None:
        self._task = asyncio.create_task(sending, name=name)
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("What a socket is told could not be written.", exc_info=error)
            self.close(INTERNAL_ERROR, "Something went wrong inside.")

    def _step(self, sending: Awaitable[None]) -> None:
        assert isinstance(sending, Coroutine)
        try:
            waited_for = sending.send(None)
        except StopIteration:
            return
        except _GONE:
            self.is_gone = True
            return
        self._since = self._clock.monotonic()
        self._run(self._finish(sending, waited_for), "slow socket")

    async def _finish(self, sending: Coroutine[Any, Any, None], waited_for: object) -> None:
        try:
            await _resume(sending, waited_for)
            await self._catch_up()
        except _GONE:
            self.is_gone = True

    async def _catch_up(self) -> None:
        while self._closing is None and (text := self._backlog.pop()) is not None:
            await self._tell(text)
        if self._closing is not None and not self.is_gone:
            await self._say_close(*self._closing[:2])
        # No await between the last look and this: what is offered from here on is sent directly.
        self._since = None

    async def _tell(self, text: str) -> None:
        self._since = self._clock.monotonic()
        await self._send({"type": "websocket.send", "text": text})

    async def _say_close(self, code: int, reason: str) -> None:
        await self._send({"type": "websocket.close", "code": code, "reason": reason[:100]})
        self.is_gone = True


@types.coroutine
def _resume(sending: Coroutine[Any, Any, None], waited_for: object) -> Generator[Any, Any, None]:
    """Go on with a coroutine that was stepped once: hand its first future to the task that awaits this."""
    try:
        yield waited_for
    except BaseException:
        sending.close()
        raise
    yield from sending
