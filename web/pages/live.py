"""WS /live: what changes, as pieces of page drawn once for all viewers."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import datetime

import structlog
from starlette.types import Receive, Scope, Send

from daemons.clock import Clock
from daemons.events import DaemonRemoved, ItemChanged, JobRemoved, LogWritten
from web.backlog import FewPages
from web.context import Context, context_of
from web.fragments import data_frame, fragments_of, rows_frames
from web.frames import Change, Frame
from web.listener import Listener, Telling
from web.live import Hub
from web.signals import Signals
from web.sockets import Seat, serve_socket
from web.templating import Templates

logger = structlog.get_logger(__name__)

PACE_SECONDS = 1 / 3
"""The time between two frames of rows when there is always something to tell."""
SAVED_SECONDS = 3.0
"""Of that, what a quiet while saves up: nine frames go out at once, so that a few changes a second do not wait."""
CHANGES_AT_ONCE = 100
"""More changes than this in one frame's time are one `resync`: reading the page again costs less than drawing them."""
RESYNC_SECONDS = 1.0


class PageAudience:
    """All viewers of pages."""

    def __init__(self, templates: Templates, clock: Clock, version: str, signals: Signals) -> None:
        self.listeners: set[Listener] = set()
        self._templates = templates
        self._clock = clock
        self._version = version
        self._signals = signals
        self._told = signals.now()
        self._waiting: dict[object, Change] = {}
        self._not_before = clock.monotonic()
        self._flushing: asyncio.Task[None] | None = None

    def take(self, change: Change) -> None:
        self._waiting[change.event.key or change.seq] = change
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush(), name="frames for pages")

    def tell_heartbeat(self, seq: int, at: datetime) -> None:
        self._offer(seq, data_frame("heartbeat", seq=seq, at=at, version=self._version, signals=self._signals.now()))

    def tell_dropped(self, seq: int, at: datetime, count: int) -> None:
        self._offer(seq, data_frame("resync", seq=seq, at=at))

    async def _flush(self) -> None:
        await self._clock.sleep(max(0.0, self._not_before - self._clock.monotonic()))
        changes = list(self._waiting.values())
        self._waiting.clear()
        last = changes[-1]
        is_much = len(changes) > CHANGES_AT_ONCE
        now = self._clock.monotonic()
        paced = max(self._not_before, now - SAVED_SECONDS) + PACE_SECONDS
        self._not_before = now + RESYNC_SECONDS if is_much else paced
        self._tell_signals(last.seq, last.at)
        if is_much:
            self._offer(last.seq, data_frame("resync", seq=last.seq, at=last.at))
            return
        try:
            frames = list(self._draw(changes, last.seq, last.at))
        except Exception as error:  # noqa: BLE001 - one change that cannot be drawn must not leave pages behind
            logger.error("A change could not be drawn.", error=repr(error))
            frames = [data_frame("resync", seq=last.seq, at=last.at)]
        for text in frames:
            self._offer(last.seq, text)

    def _tell_signals(self, seq: int, at: datetime) -> None:
        signals = self._signals.now()
        if signals != self._told:
            self._told = signals
            self._offer(seq, data_frame("signals", seq=seq, at=at, signals=signals))

    def _draw(self, changes: list[Change], seq: int, at: datetime) -> Iterator[str]:
        yield from rows_frames(
            (piece for change in changes for piece in fragments_of(self._templates, change.event)), seq=seq, at=at
        )
        for change in changes:
            match change.event:
                case LogWritten(line):
                    yield data_frame("log", seq=change.seq, at=change.at, data=line.as_dict())
                case ItemChanged("schedules"):
                    # Rare, and what came of a run is beside it: the page reads itself again.
                    yield data_frame("resync", seq=change.seq, at=change.at)
                case DaemonRemoved(id) | JobRemoved(id):
                    yield data_frame("removed", seq=change.seq, at=change.at, data={"id": id})

    def _offer(self, seq: int, text: str) -> None:
        frame = Frame(seq, None, text)
        for listener in self.listeners:
            listener.offer(frame)


async def live_socket(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one viewer."""
    context = context_of(scope)
    await serve_socket(context.hub, _seat(context), scope, receive, send)


def _seat(context: Context) -> Seat:
    hub = context.hub
    return Seat(
        "pages",
        lambda: PageAudience(context.templates, hub.clock, hub.version, context.signals),
        lambda: Telling(hub.seq, _one(_hello(hub, context.signals))),
        FewPages(),
        lambda seq: Telling(hub.seq, _one(data_frame("resync", seq=hub.seq, at=hub.clock.now()))),
    )


def _hello(hub: Hub, signals: Signals) -> str:
    return data_frame(
        "hello", seq=hub.seq, at=hub.clock.now(), boot=hub.boot, version=hub.version, signals=signals.now()
    )


async def _one(text: str) -> AsyncIterator[str]:
    yield text
