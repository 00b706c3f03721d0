"""The server: uvicorn with every limit set, its signals left to the caller, and connections that can be cut.

By default it would wait for ever for a stalled client at shutdown, take messages of 16 MiB, compress each frame,
and let a client take all day to say what it wants.
"""

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import Iterator
from typing import Any, ClassVar, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

from daemons.settings import Settings, is_loopback
from web.sockets import ABORT

REQUEST_SECONDS = 10.0
"""Time for the head of a request, and for the rest of a message that was begun."""
MESSAGE_BYTES = 64 * 1024
CONNECTIONS = 4_000
CONNECTIONS_A_GUEST = 200
"""Connections of one address, unless it is this machine's own."""
CLOSING_SECONDS = 2


class HttpProtocol(H11Protocol):
    """HTTP that gives up on who connects and does not ask, and on who connects too often."""

    guests: ClassVar[Counter[str]] = Counter()
    _deadline: asyncio.TimerHandle | None = None
    _guest = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # asyncio does this for sockets that name their protocol, which those of socket.create_server do not: without
        # it every second small frame waits 40 ms for the acknowledgement of the first.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        host = self.client[0] if self.client else ""
        if host and not is_loopback(host):
            self._guest = host
            self.guests[host] += 1
        if self.guests[host] > CONNECTIONS_A_GUEST or len(self.connections) > CONNECTIONS:
            transport.abort()
            return
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_expecting()
        leave(self.guests, self._guest)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        asked_before = self.cycle
        super().data_received(data)
        if self.cycle is not asked_before or self.transport.get_protocol() is not self:
            self._stop_expecting()
        elif self._deadline is None and (self.cycle is None or self.cycle.response_complete):
            self._expect()

    def handle_websocket_upgrade(self, event: Any) -> None:
        self._stop_expecting()
        super().handle_websocket_upgrade(event)
        protocol = self.transport.get_protocol()
        # The socket's protocol takes over the connection, and with it the place that this one held.
        if isinstance(protocol, SocketProtocol):
            protocol.guest = self._guest

    def _expect(self) -> None:
        self._deadline = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)

    def _stop_expecting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class SocketProtocol(WebSocketsSansIOProtocol):
    """A socket whose connection the application may cut, and whose messages have to end once begun."""

    guest = ""
    _deadline: asyncio.TimerHandle | None = None

    async def run_asgi(self) -> None:
        # Closing waits until everything is sent, which a client that does not read prevents; ASGI has no other word.
        extensions: dict[str, object] = cast("dict[str, object]", self.scope["extensions"])
        extensions[ABORT] = self.transport.abort
        await super().run_asgi()

    def connection_lost(self, exc: Exception | None) -> None:
        self._watch(is_whole=True)
        leave(HttpProtocol.guests, self.guest)
        super().connection_lost(exc)

    def handle_text(self, event: Frame) -> None:
        super().handle_text(event)
        self._watch(is_whole=event.fin)

    def handle_bytes(self, event: Frame) -> None:
        super().handle_bytes(event)
        self._watch(is_whole=event.fin)

    def handle_cont(self, event: Frame) -> None:
        super().handle_cont(event)
        self._watch(is_whole=event.fin)

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text" and not _is_text(b"".join(self.frames)):
            # uvicorn would write a traceback for each.
            self.logger.info("A socket sent what is not text.")
            self.conn.send_close(CloseCode.INVALID_DATA)
            self.handle_parser_exception()
            return
        super().send_receive_event_to_app()

    def _watch(self, *, is_whole: bool) -> None:
        if is_whole and self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        elif not is_whole and self._deadline is None:
            self._deadline = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)


class Server(uvicorn.Server):
    """Serves until `should_exit` is set, then closes sockets with 1012 and cuts whoever does not take even that."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to who runs the process: uvicorn's own handlers end it with the signal's number."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def make_server(app: ASGIApp, settings: Settings) -> Server:
    """Return the server for `app`; run it with `await server.serve(sockets=[…])`."""
    config = uvicorn.Config(
        app,
        http=HttpProtocol,
        ws=SocketProtocol,
        ws_max_size=MESSAGE_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=20.0,
        ws_ping_timeout=20.0,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=CLOSING_SECONDS,
        h11_max_incomplete_event_size=64 * 1024,
        # web/proxies.py does it: it has to know who connected, not only for whom.
        proxy_headers=False,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
    )
    return Server(config)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def leave(guests: "Counter[str]", guest: str) -> None:
    """Give back one place of `guest`."""
    if guest:
        guests[guest] -= 1
        if guests[guest] <= 0:
            del guests[guest]
