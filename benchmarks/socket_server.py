"""A server in a process of its own: `python -m benchmarks.socket_server deck|naive|raw`.

It prints its port, then obeys one JSON line after the other on stdin and answers each with one on stdout.
"""

import asyncio
import gc
import itertools
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import psutil
import uvicorn

from benchmarks.engine import folder
from benchmarks.naive import NaiveFanOut
from benchmarks.socket_clients import allow_many_sockets
from benchmarks.work import SAID_AT
from daemons.cli.listening import listening
from daemons.events import ItemChanged
from daemons.service import Service, open_service
from daemons.settings import Settings
from web.app import create_app
from web.server import make_server

TOPIC = "descriptions"
_numbers = itertools.count()


class FanOut(Protocol):
    """Something that tells all its clients something."""

    async def tell(self, number: int, size: int) -> None:
        """Tell message `number`, of about `size` bytes."""
        ...


class DeckFanOut:
    """The deck: its bus, its hub, its sockets."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def tell(self, number: int, size: int) -> None:
        self._service.bus.publish(ItemChanged(TOPIC, str(number), {"text": stamped(size)}))

    async def talk(self, daemons: int, interval: float) -> None:
        """Have so many daemons say something all the time."""
        for number in range(daemons):
            row = await self._service.add_daemon("bench_talker", f"talker_{number}", {"interval": interval})
            await self._service.roster.start(row.name)
            # Apart from each other, as real ones are.
            await asyncio.sleep(interval / daemons)


class RawFanOut:
    """The limit: one write of a ready frame per connection."""

    def __init__(self) -> None:
        self.transports: set[asyncio.WriteTransport] = set()

    async def tell(self, number: int, size: int) -> None:
        head = bytes([0x81, 126]) + (size - 4).to_bytes(2)
        frame = head + b"x" * (size - 4)
        for transport in self.transports:
            transport.write(frame)

    def connection(self) -> asyncio.Protocol:
        fan_out = self

        class Connection(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                assert isinstance(transport, asyncio.WriteTransport)
                self._transport = transport
                fan_out.transports.add(transport)

            def connection_lost(self, error: Exception | None) -> None:
                fan_out.transports.discard(self._transport)

        return Connection()


def stamped(size: int) -> str:
    """Return a text of so many characters that tells when it was said."""
    return f"{SAID_AT}{time.monotonic():.6f} ".ljust(size, "x")


@asynccontextmanager
async def deck() -> AsyncIterator[tuple[FanOut, int]]:
    """Run the real thing."""
    with folder() as place:
        settings = Settings(data_dir=place, port=0, auth="none", plugins=["benchmarks.work"])
        with listening(settings.host, settings.port) as listener:
            async with open_service(settings) as service:
                server = make_server(create_app(service), settings)
                async with _serving(server, listener):
                    yield DeckFanOut(service), listener.getsockname()[1]


@asynccontextmanager
async def naive() -> AsyncIterator[tuple[FanOut, int]]:
    """Run the loop over all clients that one would write first."""
    fan_out = NaiveFanOut(stamped)
    config = uvicorn.Config(fan_out.app, port=0, ws="websockets-sansio", ws_per_message_deflate=False, log_config=None)
    listener = config.bind_socket()
    async with _serving(uvicorn.Server(config), listener):
        yield fan_out, listener.getsockname()[1]


@asynccontextmanager
async def _serving(server: uvicorn.Server, listener: Any) -> AsyncIterator[None]:
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    yield
    server.should_exit = True
    await serving


@asynccontextmanager
async def raw() -> AsyncIterator[tuple[FanOut, int]]:
    """Run bare TCP."""
    fan_out = RawFanOut()
    server = await asyncio.get_running_loop().create_server(fan_out.connection, "127.0.0.1", 0, backlog=2048)
    yield fan_out, server.sockets[0].getsockname()[1]
    server.close()


async def tell(fan_out: FanOut, count: int, rate: float, size: int) -> dict[str, float]:
    """Tell `count` messages at `rate` a second; return the CPU seconds that took, those just after included."""
    loop = asyncio.get_running_loop()
    cpu, began = time.process_time(), loop.time()
    for number in range(count):
        await asyncio.sleep(began + number / rate - loop.time())
        await fan_out.tell(next(_numbers), size)
    await asyncio.sleep(0.3)
    return {"cpu": time.process_time() - cpu}


async def obey(fan_out: FanOut, command: dict[str, Any]) -> dict[str, float]:
    """Do what a line says."""
    match command.pop("do"):
        case "tell":
            return await tell(fan_out, **command)
        case "talk" if isinstance(fan_out, DeckFanOut):
            await fan_out.talk(**command)
            return {}
        case "memory":
            gc.collect()
            return {"bytes": psutil.Process().memory_info().rss}
        case unknown:
            raise ValueError(unknown)


SERVERS: dict[str, Callable[[], Any]] = {"deck": deck, "naive": naive, "raw": raw}


async def main(kind: str) -> None:
    """Serve until stdin ends."""
    allow_many_sockets()
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with SERVERS[kind]() as (fan_out, port):
        print(json.dumps({"port": port}), flush=True)
        async for line in reader:
            print(json.dumps(await obey(fan_out, json.loads(line))), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
