"""One open socket from accept to close: it is seated, told what is, and listened to."""

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable

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


async def serve_socket(
    hub: Hub,
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    key: Hashable,
    audience: Audience,
    backlog: Backlog,
    opening: Callable[[], AsyncIterator[str]],
) -> None:
    """Accept the socket and return when it is closed."""
    message = await receive()
    if message["type"] != "websocket.connect":
        return
    await send({"type": "websocket.accept"})
    abort = scope.get("extensions", {}).get(ABORT, _nothing)
    identity = viewer_of(scope)
    listener = Listener(send, abort, hub.clock, backlog, identity.id if identity else None)
    # Seated before the first word is said: a change meanwhile arrives twice, never zero times.
    with hub.seat(key, audience, listener):
        speaking = asyncio.create_task(listener.begin(opening()), name="opening of a socket")
        try:
            # Without this loop the client's pongs and its close would never be read.
            await _hear(receive, listener, hub.clock)
        finally:
            speaking.cancel()
            await asyncio.wait({speaking})
    if not speaking.cancelled() and (error := speaking.exception()) is not None:
        raise error


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
