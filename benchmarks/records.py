"""P11: records that climb, against the least that their steps alone could take."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.report import Benchmark, Figure, Rounds, at_most
from daemons.bus import Bus
from daemons.clock import SystemClock
from daemons.database import Database
from daemons.ids import new_id
from daemons.schema import upgrade
from daemons.subprocess_work.pool import WorkerPool
from daemons.workflow import KeeperTools
from daemons.workflows.polling.climber import Climber
from daemons.workflows.polling.keeper import NewRecord, Record, RecordKeeper
from daemons.workflows.polling.ladder import Ladder, Outcome, Step, StepContext

RECORDS, STEPS, STEP_SECONDS = 2_000, 5, 0.02
SLOTS = (30, 300)
ROUNDS = 3


class _Job:
    """As much of a job's context as climbing needs; the fence of the attempt is left out."""

    def __init__(self, database: Database) -> None:
        self.job_id, self.attempt = new_id(), 1
        self._database = database

    async def write(self, unit: Any) -> Any:
        return await self._database.write(unit, durable=False)

    async def progress(self, done: float, total: float | None = None, text: str | None = None) -> None: ...

    async def log(self, level: object, message: object) -> None: ...


async def _step(_ctx: StepContext, _record: Record) -> Outcome:
    await asyncio.sleep(STEP_SECONDS)
    return Outcome({"seen": True})


def _ladder() -> Ladder:
    statuses = tuple(f"status {at}" for at in range(STEPS + 1))
    steps = tuple(Step(f"step {at}", _step, (statuses[at],), statuses[at + 1]) for at in range(STEPS))
    return Ladder("bench", "Bench", "B", steps, statuses, frozenset({statuses[-1]}))


async def climb() -> list[Figure]:
    """P11: how much longer records take than their steps do, one beside the other in all slots."""
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/bench.db"
        clock, bus = SystemClock(), Bus()
        upgrade(url, Path(folder), clock)
        async with Database(url, clock, bus) as database:
            tools = KeeperTools(database, clock, WorkerPool(clock), bus, Path(folder))
            keeper = RecordKeeper(tools, {"bench": _ladder()})
            for slots in SLOTS:
                rounds = [await _climbed(database, keeper, clock, slots, number) for number in range(ROUNDS)]
                least = -(-RECORDS // slots) * STEPS * STEP_SECONDS
                figures.append(
                    Figure(f"{slots} slots", Rounds([seconds / least for seconds in rounds], "x"), at_most(1.1, "x"))
                )
    return figures


async def _climbed(database: Database, keeper: RecordKeeper, clock: SystemClock, slots: int, number: int) -> float:
    new = [NewRecord("bench", "status 0", f"/{slots}/{number}/{at}") for at in range(RECORDS)]
    await keeper.add(new, by="bench")
    job: Any = _Job(database)
    ladders = list(keeper.ladders.values())
    climber = Climber(job, keeper, ladders, None, clock, concurrency=slots, chain_limit=STEPS, interval=10)
    began = clock.monotonic()
    await climber.run(linger=0)
    return clock.monotonic() - began


BENCHMARKS = [
    Benchmark(
        "P11",
        f"{RECORDS:,} records of {STEPS} steps of {STEP_SECONDS * 1000:.0f} ms",
        "Wall time over the least there is: all steps one after another in each slot. Claims, chains and ends are "
        "written as in a deck; SQLite, NORMAL.",
        climb,
    ),
]
