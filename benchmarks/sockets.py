"""P4-P7: how a change reaches everybody who looks, and what one who does not read costs the others."""

import asyncio
import contextlib
import json
import math
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.report import Benchmark, Figure, Rounds, at_least, at_most, interleave, percentile
from benchmarks.socket_clients import Clients, connected, one_that_never_reads
from benchmarks.work import milliseconds

VIEWERS = 20
MANY = 1_000
TALKERS = 50
TALK_SECONDS = 3.0
DAEMONS_PATH = "/api/events?topics=daemons"
ITEMS_PATH = "/api/events?topics=descriptions"
FAN_OUTS = 30
FAN_OUT_RATE = 20.0
SHORT = 800
"""Characters that make a frame about as long as a daemon's."""
LONG = 8_000
LONG_RATE = 400.0
ANSWER_SECONDS = 60.0
END_SECONDS = 10.0


class ServerProcess:
    """One of socket_server.py's servers."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.port = 0

    async def ask(self, **command: Any) -> dict[str, float]:
        """Have a command carried out."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        return await self.answer()

    async def answer(self) -> dict[str, float]:
        assert self._process.stdout is not None
        async with asyncio.timeout(ANSWER_SECONDS):
            answer: dict[str, float] = json.loads(await self._process.stdout.readline())
            return answer


@asynccontextmanager
async def _server(kind: str) -> AsyncIterator[ServerProcess]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.socket_server", kind, stdin=pipe, stdout=pipe
    )
    try:
        server = ServerProcess(process)
        server.port = int((await server.answer())["port"])
        yield server
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    # It ends with its stdin, and clears its data away; killed, it could not.
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(END_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def reach() -> list[Figure]:
    """P4: from the call of update_status to the frame."""
    p50, p99 = [], []
    async with _server("deck") as server:
        await server.ask(do="talk", daemons=TALKERS, interval=1.0)
        async with connected(server.port, VIEWERS, DAEMONS_PATH, is_stamped=True) as viewers:
            await asyncio.sleep(0.5)
            for _ in range(3):
                viewers.forget()
                await asyncio.sleep(TALK_SECONDS)
                delays = milliseconds(viewers.delays)
                p50.append(percentile(delays, 50))
                p99.append(percentile(delays, 99))
    return [
        Figure("p50", Rounds(p50, " ms"), at_most(5, " ms")),
        Figure("p99", Rounds(p99, " ms"), at_most(25, " ms")),
    ]


async def fan_out() -> list[Figure]:
    """P5: what telling a thousand clients costs the server."""
    async with (
        _server("deck") as deck,
        _server("raw") as raw,
        connected(deck.port, MANY, ITEMS_PATH) as ours,
        connected(raw.port, MANY, None) as bare,
    ):
        await _cost(deck, ours, SHORT)
        size = ours.longest
        mine, limit = await interleave(lambda: _cost(deck, ours, SHORT), lambda: _cost(raw, bare, size))
    figure = Figure(
        f"CPU per message of {size} bytes", Rounds(mine, " us"), at_most(1.8), Rounds(limit, " us"), "raw TCP writes"
    )
    return [figure]


async def _cost(server: ServerProcess, clients: Clients, size: int) -> float:
    clients.forget()
    spent = await server.ask(do="tell", count=FAN_OUTS, rate=FAN_OUT_RATE, size=size)
    if not await clients.all_have(FAN_OUTS, within=5.0):
        raise RuntimeError(f"only {min(clients.texts)} of {FAN_OUTS} messages reached everybody")
    # A heartbeat or two comes on top.
    return spent["cpu"] / sum(clients.texts) * 1e6


async def stuck() -> list[Figure]:
    """P6: one client that never reads, among twenty."""
    async with _server("deck") as deck, _server("naive") as naive:
        async with connected(deck.port, VIEWERS - 1, ITEMS_PATH, is_stamped=True) as healthy:

            async def without() -> tuple[float, float]:
                return await _heard(deck, healthy, 1.5)

            async def beside() -> tuple[float, float]:
                async with one_that_never_reads(deck.port, ITEMS_PATH):
                    return await _heard(deck, healthy, 3.0)

            with_one, alone = await interleave(beside, without)
        async with (
            connected(naive.port, VIEWERS - 1, "/", is_stamped=True) as others,
            one_that_never_reads(naive.port, "/"),
        ):
            naive_share, _ = await _heard(naive, others, 3.0)
    return [
        Figure("what healthy clients got", Rounds([got for got, _ in with_one], " %"), at_least(100, " %")),
        Figure(
            "p99",
            Rounds([p99 for _, p99 in with_one], " ms"),
            at_most(1.3),
            Rounds([p99 for _, p99 in alone], " ms"),
            "without it",
        ),
        Figure("naive loop: what healthy clients got", Rounds([naive_share], " %")),
    ]


async def _heard(server: ServerProcess, clients: Clients, seconds: float) -> tuple[float, float]:
    """Return which part of the long messages the client worst off got, in per cent, and the p99 in ms."""
    clients.forget()
    count = int(seconds * LONG_RATE)
    await server.ask(do="tell", count=count, rate=LONG_RATE, size=LONG)
    await clients.all_have(count, within=1.0)
    got = min(clients.heard) / count * 100
    return got, percentile(milliseconds(clients.delays), 99) if clients.delays else math.inf


async def memory() -> list[Figure]:
    """P7: what a client that only listens weighs."""
    weights = []
    async with _server("deck") as server, contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(connected(server.port, 100, DAEMONS_PATH))
        before = await server.ask(do="memory")
        for _ in range(3):
            await stack.enter_async_context(connected(server.port, MANY, DAEMONS_PATH))
            await asyncio.sleep(0.5)
            after = await server.ask(do="memory")
            weights.append((after["bytes"] - before["bytes"]) / MANY / 1024)
            before = after
    return [Figure("resident memory per idle client", Rounds(weights, " KB"), at_most(28, " KB"))]


BENCHMARKS = [
    Benchmark(
        "P4",
        f"From a status to {VIEWERS} clients of the events socket, {TALKERS} daemons",
        "supervised daemons say the time once a second each; a client compares it with when the frame is there. The "
        "server is a process of its own, the clients share another.",
        reach,
    ),
    Benchmark(
        "P5",
        f"A change told to {MANY:,} clients",
        f"server CPU per delivered frame at {FAN_OUT_RATE:.0f} changes a second, from the bus on, beside a bare "
        "asyncio server that writes as many bytes to as many connections, its frame built once.",
        fan_out,
    ),
    Benchmark(
        "P6",
        f"One of {VIEWERS} clients never reads",
        f"{LONG:,} characters {LONG_RATE:.0f} times a second, until all buffers to the stuck client are full; naive: "
        "`for client in clients: await client.send_text(text)`.",
        stuck,
    ),
    Benchmark(
        "P7",
        "Memory of an idle client",
        f"growth of the server by each further {MANY:,} clients that hear of daemons, compression off.",
        memory,
    ),
]
