"""A small internet: names with addresses, and sites behind those that answer over real sockets, well or badly."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from pathlib import Path

import httpcore2

CERTIFICATE = Path(__file__).with_name("site_test.pem")
"""Of site.test, signed by itself."""
PUBLIC, OTHER = "93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"


@dataclass(frozen=True)
class Visit:
    """A request as it came."""

    host: str
    target: str
    headers: dict[str, str]


Step = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def sends(body: bytes | str = b"", status: int = 200, *headers: str, type: str | None = "text/html") -> Step:
    """Answer with a status and a body."""
    content = body.encode() if isinstance(body, str) else body
    kind = [] if type is None else [f"Content-Type: {type}"]
    return says("\r\n".join([f"HTTP/1.1 {status} X", *headers, *kind, f"Content-Length: {len(content)}"]), content)


def says(head: str, body: bytes = b"") -> Step:
    """Answer with a head, word for word, and what follows it."""

    async def step(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head.encode() + b"\r\n\r\n" + body)
        await writer.drain()

    return step


def redirects(location: str, status: int = 302) -> Step:
    """Send the visitor on."""
    return sends(b"", status, f"Location: {location}")


async def closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close the connection without a word."""


async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say nothing until the other side goes."""
    await reader.read()


async def falls_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Begin to answer, and say nothing more."""
    writer.write(b"HTTP/1.1 200 X\r\nContent-Type: text/html\r\nContent-Length: 1000\r\n\r\n<html>")
    await writer.drain()
    await reader.read()


def pours(head: str, bit: bytes) -> Step:
    """Send a head and then `bit` over and over, without an end."""

    async def step(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head.encode())
        while True:
            writer.write(bit)
            await writer.drain()

    return step


class Internet(httpcore2.AsyncNetworkBackend):
    """Names, who asked for them, and which addresses somebody connected to."""

    def __init__(self) -> None:
        self.names: dict[str, Sequence[str] | socket.gaierror] = {"site.test": [PUBLIC]}
        self.later: dict[str, Sequence[str]] = {}
        """What a name is from the second question on."""
        self.asked: list[str] = []
        self.dialled: list[tuple[str, int]] = []
        self.visits: list[Visit] = []
        self.pages: dict[str, Step] = {}
        """By host and target, as in site.test/page."""
        self.mute: set[str] = set()
        """Names that no server says a word of."""
        self.unreachable: set[str] = set()
        self.silent: set[str] = set()
        self.at_work = 0
        self._ports: dict[bool, int] = {}
        self._wires = httpcore2.AnyIOBackend()
        self._connections: set[asyncio.Task[None]] = set()

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """Answer as a name server does."""
        found = self.later[host] if host in self.asked and host in self.later else self.names.get(host)
        self.asked.append(host)
        if host in self.mute:
            await asyncio.get_running_loop().create_future()
        if found is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if isinstance(found, socket.gaierror):
            raise found
        return found

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Lead to the sites of this internet, whatever the address."""
        self.dialled.append((host, port))
        if host in self.unreachable:
            raise httpcore2.ConnectError("Connection refused")
        if host in self.silent:
            await asyncio.get_running_loop().create_future()
        return await self._wires.connect_tcp("127.0.0.1", self._ports[port == 443])

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Serve every site, those on port 443 by the certificate of site.test."""
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(CERTIFICATE)
        servers = [await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=how) for how in (None, tls)]
        self._ports = {bool(at): server.sockets[0].getsockname()[1] for at, server in enumerate(servers)}
        try:
            yield
        finally:
            for server in servers:
                server.close()
            for connection in self._connections:
                connection.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(serving)
        serving.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.at_work += 1
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError), closing(writer):
                first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
                _, target, _ = first.split(" ")
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
                visit = Visit(headers["host"], target, headers)
                self.visits.append(visit)
                step = self.pages.get(visit.host + target, sends("not here", 404))
                await step(reader, writer)
        finally:
            self.at_work -= 1
