"""Lean socket clients: they count what comes, and note how long it took where the text says when it was said."""

import asyncio
import base64
import os
import re
import resource
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from benchmarks.work import SAID_AT

_STAMP = re.compile(SAID_AT.encode() + rb"(\d+\.\d+)")
_TEXT, _PING, _PONG = 0x1, 0x9, 0xA


class Client(asyncio.Protocol):
    """One connection; `path` None: no handshake, frames from the first byte."""

    def __init__(self, path: str | None, *, is_stamped: bool = False) -> None:
        self._path = path
        self._is_stamped = is_stamped
        self._buffer = b""
        self._seen: set[bytes] = set()
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.texts = 0
        self.delays: list[float] = []
        self.longest = 0
        """Bytes of the longest frame, its head included."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if self._path is None:
            self.opened.set_result(None)
            return
        host, port = transport.get_extra_info("peername")[:2]
        key = base64.b64encode(os.urandom(16)).decode()
        lines = (
            f"GET {self._path} HTTP/1.1",
            f"Host: {host}:{port}",
            f"Origin: http://{host}:{port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
        )
        self.transport.write(("\r\n".join(lines) + "\r\n\r\n").encode())

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data
        if not self.opened.done():
            head, found, buffer = buffer.partition(b"\r\n\r\n")
            if not found:
                self._buffer = head
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self.opened.set_exception(ConnectionError(head.splitlines()[0].decode()))
                return
            self.opened.set_result(None)
        self._buffer = self._take_frames(buffer)

    def forget(self) -> None:
        """Count anew."""
        self.texts = 0
        self.delays = []

    def _take_frames(self, buffer: bytes) -> bytes:
        at = 0
        while len(buffer) - at >= 2:
            start, size = at + 2, buffer[at + 1]
            if size >= 126:
                width = 2 if size == 126 else 8
                size = int.from_bytes(buffer[start : start + width])
                start += width
            if len(buffer) < start + size:
                break
            self._take(buffer[at] & 0xF, buffer[start : start + size])
            self.longest = max(self.longest, start + size - at)
            at = start + size
        return buffer[at:]

    def _take(self, kind: int, payload: bytes) -> None:
        if kind == _PING:
            self.transport.write(bytes([0x80 | _PONG, 0x80 | len(payload), 0, 0, 0, 0]) + payload)
        elif kind == _TEXT:
            self.texts += 1
            if self._is_stamped and (found := _STAMP.search(payload)) and found[1] not in self._seen:
                # A sentence is told again when something else about the daemon changes.
                self._seen.add(found[1])
                self.delays.append(time.monotonic() - float(found[1]))


class Clients:
    """Many clients of one server."""

    def __init__(self, clients: list[Client]) -> None:
        self._clients = clients

    @property
    def delays(self) -> list[float]:
        """Seconds from saying to hearing, of all."""
        return [delay for client in self._clients for delay in client.delays]

    @property
    def heard(self) -> list[int]:
        """How many different sentences each heard."""
        return [len(client.delays) for client in self._clients]

    @property
    def texts(self) -> list[int]:
        """How many texts each got."""
        return [client.texts for client in self._clients]

    @property
    def longest(self) -> int:
        """Bytes of the longest frame."""
        return max(client.longest for client in self._clients)

    def forget(self) -> None:
        for client in self._clients:
            client.forget()

    async def all_have(self, texts: int, within: float) -> bool:
        """Return whether each has so many texts before the time is up."""
        deadline = time.monotonic() + within
        while min(client.texts for client in self._clients) < texts:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True


@asynccontextmanager
async def connected(port: int, count: int, path: str | None, *, is_stamped: bool = False) -> AsyncIterator[Clients]:
    """Connect so many clients, for as long as the context lasts."""
    allow_many_sockets()
    loop = asyncio.get_running_loop()
    clients: list[Client] = []
    try:
        for _ in range(count):
            _, client = await loop.create_connection(lambda: Client(path, is_stamped=is_stamped), "127.0.0.1", port)
            clients.append(client)
        for client in clients:
            await client.opened
        yield Clients(clients)
    finally:
        for client in clients:
            client.transport.abort()


@asynccontextmanager
async def one_that_never_reads(port: int, path: str) -> AsyncIterator[None]:
    """Connect one client that takes nothing after the handshake."""
    _, client = await asyncio.get_running_loop().create_connection(lambda: Client(path), "127.0.0.1", port)
    await client.opened
    client.transport.pause_reading()
    try:
        yield
    finally:
        client.transport.abort()


def allow_many_sockets() -> None:
    """Lift the limit of open files as far as it may be."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
