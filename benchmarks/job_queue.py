"""P8-P10: how fast jobs are taken, run and ended when every step survives power loss."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from benchmarks.engine import folder
from benchmarks.report import Benchmark, Figure, Rounds, at_least, at_most, interleave, percentile
from benchmarks.saq_peer import SaqPeer, open_saq
from benchmarks.work import PAUSE, finish, milliseconds
from daemons.service import Service, open_service
from daemons.settings import Settings

SLOTS = 30
JOBS = 1_500
PEER_JOBS = 600
CALLERS = 300
"""Callers that create jobs at once."""
DUE_SECONDS = 2.0
"""From the first create to the moment at which the jobs may run."""
LATENCIES = 40
LOW_LOAD = 0.05
"""Seconds between two jobs at low load."""


@asynccontextmanager
async def _deck() -> AsyncIterator[Service]:
    with folder() as place:
        settings = Settings(data_dir=place, plugins=["benchmarks.work"], lanes={"default": SLOTS})
        async with open_service(settings) as service:
            await _rate(service, "bench_nothing", 200, 1)
            yield service


async def _rate(service: Service, type: str, jobs: int, callers: int) -> float:
    """Return jobs per second, from the first create to the end of the last handler."""
    finish.expect(jobs)
    began = time.monotonic()

    async def call(count: int) -> None:
        for _ in range(count):
            await service.orders.create(type)

    await asyncio.gather(*(call(jobs // callers) for _ in range(callers)))
    return jobs / (await finish.last() - began)


async def _rate_of_waiting(service: Service, type: str, jobs: int) -> float:
    """Return jobs per second of jobs that all become due at one moment, from then on."""
    finish.expect(jobs)
    due = time.monotonic() + DUE_SECONDS
    at = service.clock.now() + timedelta(seconds=DUE_SECONDS)

    async def call(count: int) -> None:
        for _ in range(count):
            await service.orders.create(type, run_after=at)

    await asyncio.gather(*(call(jobs // CALLERS) for _ in range(CALLERS)))
    if time.monotonic() > due:
        raise RuntimeError("the jobs were not created in time")
    return jobs / (await finish.last() - due)


async def nothing() -> list[Figure]:
    """P8: jobs that do nothing."""
    async with _deck() as deck, open_saq(SLOTS) as peer:
        return [
            await _beside(deck, peer, ("bench_nothing", "nothing"), callers=1, goal=3),
            await _beside(deck, peer, ("bench_nothing", "nothing"), callers=CALLERS, goal=3),
        ]


async def _beside(deck: Service, peer: SaqPeer, types: tuple[str, str], *, callers: int, goal: float) -> Figure:
    mine, theirs = await interleave(
        lambda: _rate(deck, types[0], JOBS, callers), lambda: peer.rate(types[1], PEER_JOBS, callers)
    )
    what = "created one after another" if callers == 1 else f"{callers} callers at once"
    return Figure(what, Rounds(mine, "/s"), at_least(goal), Rounds(theirs, "/s"), "SAQ on PostgreSQL")


async def pauses() -> list[Figure]:
    """P9: jobs of ten milliseconds."""
    limit = SLOTS / PAUSE

    async def share(rate: Awaitable[float]) -> float:
        return await rate / limit * 100

    async with _deck() as deck, open_saq(SLOTS) as peer:
        waiting, one, theirs = await interleave(
            lambda: share(_rate_of_waiting(deck, "bench_pause", JOBS)),
            lambda: share(_rate(deck, "bench_pause", JOBS, 1)),
            lambda: share(peer.rate("pause", PEER_JOBS, 1)),
        )
    unit = f" % of {limit:,.0f}/s"
    return [
        Figure("all waiting in line", Rounds(waiting, unit), at_least(85, " %")),
        Figure("created one after another", Rounds(one, unit), at_least(85, " %")),
        Figure("SAQ on PostgreSQL, one after another", Rounds(theirs, unit)),
    ]


async def delays() -> list[Figure]:
    """P10: from asking for a job to its handler's first line."""
    async with _deck() as deck, open_saq(SLOTS) as peer:

        async def mine() -> list[float]:
            finish.expect(LATENCIES)

            async def ask() -> None:
                await deck.orders.create("bench_start", time.monotonic())

            await _at_low_load(ask)
            await finish.last()
            return milliseconds(finish.delays)

        async def theirs() -> list[float]:
            found: list[float] = []

            async def ask() -> None:
                found.append(await peer.delay())

            await _at_low_load(ask)
            return milliseconds(found)

        ours, others = await interleave(mine, theirs)
    return [
        Figure("p50", _each(ours, 50), at_most(1.4, " ms"), note=f"SAQ on PostgreSQL: {_each(others, 50)}"),
        Figure("p99", _each(ours, 99), note=f"SAQ on PostgreSQL: {_each(others, 99)}"),
    ]


async def _at_low_load(ask: Callable[[], Awaitable[None]]) -> None:
    for _ in range(LATENCIES):
        await ask()
        await asyncio.sleep(LOW_LOAD)


def _each(rounds: list[list[float]], percent: float) -> Rounds:
    return Rounds([percentile(delays, percent) for delays in rounds], " ms")


_PEER = "SAQ's worker is a process of its own with 30 slots; PostgreSQL with fsync on, over a Unix socket."
BENCHMARKS = [
    Benchmark(
        "P8",
        "No-op jobs end to end, durable",
        f"the whole service in one process, FULL; jobs by first create to last handler's end; {_PEER}",
        nothing,
    ),
    Benchmark(
        "P9",
        f"Jobs of 10 ms on {SLOTS} slots",
        f"as P8, in per cent of what {SLOTS} slots can do at all.",
        pauses,
    ),
    Benchmark(
        "P10",
        "From creating a job to its handler running, low load",
        f"one job every {LOW_LOAD * 1000:.0f} ms, {LATENCIES} a round; the create's commit included.",
        delays,
    ),
]
