"""The sending side of one socket. Nobody waits for it: what it cannot take yet is kept, merged, and bounded.

A send is first stepped by hand. It nearly always finishes at once, so an idle socket needs no queue and no task; only
the rest of a send that has to wait becomes one.
"""

import asyncio
import types
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from typing import Any, NamedTuple, cast

import structlog
from starlette.types import Message, Send

from daemons.clock import Clock
from daemons.errors import DaemonError
from web.backlog import Backlog
from web.frames import Frame

CLOSE_SECONDS = 1.0
INTERNAL_ERROR = 1011
TRY_AGAIN_LATER = 1013
SESSION_ENDED = 4401
"""Close code of a socket whose session or token does not stand; pages then ask to sign in."""
# What servers raise when the peer is gone or the socket is closed already.
_GONE = (OSError, RuntimeError)

log = structlog.get_logger("daemondeck.web")


class Telling(NamedTuple):
    """Frames that bring a client up to `seq`."""

    seq: int
    texts: AsyncIterator[str]


class Listener:
    """One accepted socket. Until `begin` has returned, everything offered is kept."""

    __slots__ = (
        "_abort",
        "_again",
        "_backlog",
        "_clock",
        "_closing",
        "_send",
        "_seq",
        "_since",
        "_task",
        "is_gone",
        "session_id",
    )

    def __init__(
        self,
        send: Send,
        abort: Callable[[], None],
        clock: Clock,
        backlog: Backlog,
        *,
        again: Callable[[int], Telling],
        session_id: str | None,
    ) -> None:
        self.session_id = session_id
        self.is_gone = False
        # ASGI promises an awaitable; servers and our middleware give what only coroutines have, a first step.
        self._send = cast("Callable[[Message], Coroutine[Any, Any, None]]", send)
        self._abort = abort
        self._clock = clock
        self._backlog = backlog
        # What to tell a client that has seen everything up to a number, after its backlog overflowed.
        self._again = again
        self._seq = 0
        # Since when the send in hand has been waiting for the client; None when there is none.
        self._since: float | None = clock.monotonic()
        self._task: asyncio.Task[None] | None = None
        self._closing: tuple[int, str, float] | None = None

    def begin(self, opening: Telling) -> None:
        """Send the opening frames at the client's pace, then what was offered meanwhile; returns at once."""
        self._run(self._begin(opening), "opening of a socket")

    async def _begin(self, opening: Telling) -> None:
        try:
            await self._tell_all(opening)
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
            self._seq = frame.seq
            self._step(self._send(frame.message))

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

    def _step(self, sending: Coroutine[Any, Any, None]) -> None:
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
        while self._closing is None:
            if (frame := self._backlog.pop()) is not None:
                await self._tell(frame.text)
                self._seq = frame.seq
            elif self._backlog.has_overflowed:
                # Both at once: what changes from here on is kept again, what changed before is in the telling.
                self._backlog.has_overflowed = False
                await self._tell_all(self._again(self._seq))
            else:
                break
        if self._closing is not None and not self.is_gone:
            await self._say_close(*self._closing[:2])
        # No await between the last look and this: what is offered from here on is sent directly.
        self._since = None

    async def _tell_all(self, telling: Telling) -> None:
        async for text in telling.texts:
            await self._tell(text)
        self._seq = telling.seq

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
