"""One open socket from accept to close: it is seated, told what is, and listened to."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from daemons.clock import Clock
from daemons.errors import NotFound
from web.backlog import Backlog
from web.context import own_path, viewer_of
from web.listener import Listener, Telling
from web.live import Audience, Hub

ABORT = "daemondeck.abort"
"""Key in the scope's extensions under which server.py puts the way to cut a connection that does not drain."""
MESSAGES_A_SECOND = 20
FLOOD_SECONDS = 5.0
FLOOD = 1008


class Sockets:
    """Leads sockets to their applications, past the router: what stands around a socket costs each of its frames."""

    def __init__(self, app: ASGIApp, by_path: Mapping[str, ASGIApp]) -> None:
        self._app = app
        self._by_path = by_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            return await self._app(scope, receive, send)
        app = self._by_path.get(own_path(scope))
        if app is None:
            raise NotFound("There is no socket behind that path.")
        return await app(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Seat:
    """Where a socket belongs: with whom it hears, what it is told first, and what while or after it was slow."""

    key: Hashable
    make_audience: Callable[[], Audience]
    opening: Callable[[], Telling]
    backlog: Backlog
    again: Callable[[int], Telling]


async def serve_socket(hub: Hub, seat: Seat, scope: Scope, receive: Receive, send: Send) -> None:
    """Accept the socket and return when it is closed."""
    if (await receive())["type"] != "websocket.connect":
        return
    await send({"type": "websocket.accept"})
    identity = viewer_of(scope)
    abort = scope.get("extensions", {}).get(ABORT, _nothing)
    session_id = identity.id if identity else None
    listener = Listener(send, abort, hub.clock, seat.backlog, again=seat.again, session_id=session_id)
    # Seated before it is decided what to say first: a change meanwhile arrives twice, never zero times.
    with hub.seat(seat.key, seat.make_audience, listener):
        listener.begin(seat.opening())
        # A thousand idle sockets would each keep what they were told first.
        del seat
        # Without this loop the client's pongs and its close would never be read.
        await _hear(receive, listener, hub.clock)


async def _hear(receive: Receive, listener: Listener, clock: Clock) -> None:
    """Take what the client says, which is nothing we need, until it goes or talks too much."""
    count, began = 0, clock.monotonic()
    while (await receive())["type"] != "websocket.disconnect":
        count += 1
        if clock.monotonic() - began >= FLOOD_SECONDS:
            count, began = 1, clock.monotonic()
        elif count > MESSAGES_A_SECOND * FLOOD_SECONDS:
            listener.close(FLOOD, "Too many messages.")


def _nothing() -> None:
    """A server without a way to abort closes slow sockets by its own keepalive."""
