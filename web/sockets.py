"""One open socket from accept to close: it is seated, told what is, and listened to."""

from collections.abc import AsyncIterator, Callable, Hashable
from dataclasses import dataclass

from starlette.types import Receive, Scope, Send

from daemons.clock import Clock
from web.context import viewer_of
from web.listener import Backlog, Listener
from web.live import Audience, Hub

ABORT = "daemondeck.abort"
"""Key in the scope's extensions under which server.py puts the way to cut a connection that does not drain."""
MESSAGES_A_SECOND = 20
FLOOD_SECONDS = 5.0
FLOOD = 1008


@dataclass(frozen=True, slots=True)
class Seat:
    """Where a socket belongs: with whom it hears, what it is told first, and what is kept while it is slow."""

    key: Hashable
    make_audience: Callable[[], Audience]
    backlog: Backlog
    opening: AsyncIterator[str]


async def serve_socket(hub: Hub, seat: Seat, scope: Scope, receive: Receive, send: Send) -> None:
    """Accept the socket and return when it is closed."""
    if (await receive())["type"] != "websocket.connect":
        return
    await send({"type": "websocket.accept"})
    identity = viewer_of(scope)
    abort = scope.get("extensions", {}).get(ABORT, _nothing)
    listener = Listener(send, abort, hub.clock, seat.backlog, identity.id if identity else None)
    # Seated before the first word is said: a change meanwhile arrives twice, never zero times.
    with hub.seat(seat.key, seat.make_audience, listener):
        listener.begin(seat.opening)
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
