"""A deck behind a real server on a real port, and clients that keep to the protocol or do not."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from websockets.asyncio.client import ClientConnection, connect

from daemons.events import DaemonChanged
from daemons.service import Service
from web.server import Server, make_server

SECONDS = 10.0
"""Real seconds that anything here may take."""

Frame = dict[str, Any]


@dataclass
class Served:
    """A running server."""

    server: Server
    service: Service
    port: int
    token: str

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def client(self, path: str, **headers: str) -> connect:
        """Return the client of a socket; without headers it is a program with this machine's token."""
        given = {name.replace("_", "-"): value for name, value in headers.items()} or self.bearer
        return connect(f"ws://{self.host}{path}", additional_headers=given, proxy=None, compression=None)

    async def raw(self, request: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection and send `request` as it stands."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request.encode())
        await writer.drain()
        return reader, writer

    def deaf(self, path: str) -> socket.socket:
        """Open a socket whose client reads its handshake and nothing more, with the smallest of buffers."""
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", self.port))
        deaf.sendall(handshake(self.host, path, self.bearer).encode())
        return deaf


def handshake(host: str, path: str, headers: dict[str, str]) -> str:
    """Return the bytes by which a client asks for a socket."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join(lines) + "\r\n\r\n"


@asynccontextmanager
async def serve(app: Starlette, service: Service) -> AsyncIterator[Served]:
    """Serve `app` until exit, on a port that was free."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = make_server(app, service.settings)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.wait({serving}, timeout=0.01)
        assert not serving.done(), serving.result()
    token = (service.settings.data_dir / "token").read_text().strip()
    try:
        yield Served(server, service, listener.getsockname()[1], token)
    finally:
        server.should_exit = True
        await serving


async def until(service: Service, name: str, state: str) -> None:
    """Return once the daemon is in `state`."""
    with service.bus.subscribe(lambda event: isinstance(event, DaemonChanged)) as mailbox:
        async with asyncio.timeout(SECONDS):
            while service.board.get(name).state != state:
                await mailbox.take()


async def next_frame(connection: ClientConnection, wanted: Callable[[Frame], bool] = lambda frame: True) -> Frame:
    """Return the next frame that is `wanted`."""
    async with asyncio.timeout(SECONDS):
        while True:
            frame: Frame = json.loads(await connection.recv())
            if wanted(frame):
                return frame


async def opening(connection: ClientConnection) -> list[Frame]:
    """Return the frames up to the heartbeat that ends the opening."""
    frames = [await next_frame(connection)]
    while frames[-1]["type"] != "heartbeat":
        frames.append(await next_frame(connection))
    return frames
