"""P1-P3: what it costs that every daemon says all the time what it is doing."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from benchmarks.engine import Board, DurableDatabase, folder, open_board
from benchmarks.naive import OrmStatuses
from benchmarks.report import Benchmark, Figure, Rounds, at_least, at_most, interleave, percentile
from daemons.base import BaseDaemon
from daemons.clock import SystemClock
from daemons.database import Database
from daemons.options import DaemonOptions
from daemons.supervisor.calls import CallServices, DaemonCalls

CALLERS = 50
WINDOW = 0.6
"""Seconds of one rate."""
LOOPS = 1_000
LOOP_SECONDS = 2.0
LATE = 0.25
"""Seconds after its time at which a turn of a loop counts as late."""


async def commits() -> list[Figure]:
    """P1: callers that go on only once their status is committed."""
    return [await _commits("NORMAL", Database, 100), await _commits("FULL", DurableDatabase, 60)]


async def _commits(level: str, kind: type[Database], goal: float) -> Figure:
    async with open_board(CALLERS, kind=kind) as deck:
        with folder() as place:
            async with OrmStatuses(place / "naive.db", level) as naive:
                ids = await naive.add([str(number) for number in range(CALLERS)])

                async def ours(caller: int, turn: int) -> None:
                    deck.lines[caller].update(f"Scanning {turn} of 10,000")
                    await deck.board.flush()

                async def theirs(caller: int, turn: int) -> None:
                    await naive.update(ids[caller], f"Scanning {turn} of 10,000")

                mine, others = await interleave(lambda: _rate(ours), lambda: _rate(theirs))
    return Figure(level, Rounds(mine, "/s"), at_least(goal), Rounds(others, "/s"), "one ORM session and commit each")


async def _rate(turn: Callable[[int, int], Awaitable[None]]) -> float:
    """Return how many turns a second all callers together make."""
    began = time.perf_counter()
    turns = [0] * CALLERS

    async def call(caller: int) -> None:
        while time.perf_counter() - began < WINDOW:
            await turn(caller, turns[caller])
            turns[caller] += 1

    await asyncio.gather(*(call(caller) for caller in range(CALLERS)))
    return sum(turns) / (time.perf_counter() - began)


class Speaker(BaseDaemon):
    """A daemon whose calls are made by the benchmark instead of a `run`."""


def _speakers(deck: Board) -> Sequence[Speaker]:
    services = CallServices(SystemClock(), deck.journal, _unused(), _unused(), _unused())
    speakers = []
    for line in deck.lines:
        row = deck.board.get(line.lease.daemon_id).row
        speaker = Speaker()
        speaker._calls = DaemonCalls(services, row, line, DaemonOptions(), lambda: None)
        speakers.append(speaker)
    return speakers


def _unused() -> Any:
    return None


async def calls() -> list[Figure]:
    """P2: what one call costs whoever shares the event loop."""
    costs = []
    async with open_board(CALLERS) as deck:
        speakers = _speakers(deck)
        for _ in range(5):
            costs.append(await _cost_of_calls(speakers))
    return [
        Figure("event-loop CPU per update_status", Rounds(costs, " us"), at_most(15, " us")),
    ]


async def _cost_of_calls(speakers: Sequence[Speaker]) -> float:
    turns = 200

    async def speak(speaker: Speaker) -> None:
        for turn in range(turns):
            await speaker.update_status(f"Scanning {turn} of 10,000")

    began = time.thread_time()
    await asyncio.gather(*(speak(speaker) for speaker in speakers))
    # What was said is stored up to 100 ms later: the loop's share of that belongs to the calls.
    await asyncio.sleep(0.25)
    return (time.thread_time() - began) / (turns * len(speakers)) * 1e6


async def many() -> list[Figure]:
    """P3: a thousand daemons that say something every second."""
    async with open_board(LOOPS) as deck:
        speakers = _speakers(deck)
        with folder() as place:
            async with OrmStatuses(place / "naive.db", "NORMAL") as naive:
                ids = await naive.add([str(number) for number in range(LOOPS)])

                async def ours(loop: int, turn: int) -> None:
                    await speakers[loop].update_status(f"Scanning {turn} of 10,000")

                async def silent(loop: int, turn: int) -> None:
                    await asyncio.sleep(0)

                async def theirs(loop: int, turn: int) -> None:
                    await naive.update(ids[loop], f"Scanning {turn} of 10,000")

                speaking, quiet = await interleave(lambda: _loops(ours), lambda: _loops(silent))
                ormed = await _loops(theirs)
    cpu = [Rounds([load.percent for load in loads], " % of a core") for loads in (speaking, quiet)]
    late = Rounds([load.late for load in speaking])
    return [
        Figure("whole process", cpu[0], at_most(2.0), cpu[1], "the same loops without status"),
        Figure(
            f"turns more than {LATE * 1000:.0f} ms late", late, at_most(0, ""), note=f"worst {_worst(speaking):.0f} ms"
        ),
        Figure("naive, one ORM session and commit each", Rounds([ormed.percent], " % of a core"), note=str(ormed)),
    ]


class _Load:
    """What a thousand loops cost, and how late their turns were."""

    def __init__(self, percent: float, delays: Sequence[float], seconds: float) -> None:
        self.percent = percent
        self.delays = delays
        self.rate = len(delays) / seconds

    @property
    def late(self) -> int:
        return sum(delay > LATE for delay in self.delays)

    def __str__(self) -> str:
        done = f"{self.rate:,.0f} turns/s of {LOOPS:,}"
        return f"{done}, each p99 {percentile(self.delays, 99) * 1000:,.0f} ms after its time"


def _worst(loads: Sequence[_Load]) -> float:
    return max(max(load.delays) for load in loads) * 1000


async def _loops(turn: Callable[[int, int], Awaitable[None]]) -> _Load:
    loop = asyncio.get_running_loop()
    delays: list[float] = []
    start = loop.time() + 0.1

    async def live(number: int) -> None:
        due = start + number / LOOPS
        for index in range(int(LOOP_SECONDS)):
            await asyncio.sleep(due + index - loop.time())
            await turn(number, index)
            delays.append(loop.time() - due - index)
            if loop.time() > start + LOOP_SECONDS:
                return

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(live(number) for number in range(LOOPS)))
    await asyncio.sleep(max(0, start + LOOP_SECONDS + 0.15 - loop.time()))
    seconds = time.perf_counter() - began
    return _Load((time.process_time() - cpu) / seconds * 100, delays, seconds)


BENCHMARKS = [
    Benchmark(
        "P1",
        f"Awaited, committed status updates of {CALLERS} daemons",
        "each of 50 callers says something by its StatusLine and awaits the flush; FULL: the same on a database that "
        "commits everything durably. Updates a second over 0.6 s.",
        commits,
    ),
    Benchmark(
        "P2",
        "What a call of update_status costs the event loop",
        f"CPU time of the loop's thread over 200 calls of each of {CALLERS} daemons, one page listening, the loop's "
        "share of storing them included.",
        calls,
    ),
    Benchmark(
        "P3",
        f"{LOOPS:,} daemons, one status a second each",
        "CPU time of the process over 2 s, writer thread included, beside the same loops that say nothing.",
        many,
    ),
]
