"""P11: records that climb, against the least that their steps alone could take."""

import asyncio
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from benchmarks.report import Benchmark, Figure, Rounds, at_most, percentile
from daemons.bus import Bus
from daemons.clock import SystemClock
from daemons.database import Database
from daemons.database.transaction import Transaction
from daemons.ids import new_id
from daemons.schema import upgrade
from daemons.subprocess_work.pool import WorkerPool
from daemons.workflow import KeeperTools
from daemons.workflows.polling.climber import Climber
from daemons.workflows.polling.keeper import NewRecord, Record, RecordKeeper
from daemons.workflows.polling.keeper.rows import RECORDS as TABLE
from daemons.workflows.polling.ladder import Ladder, Outcome, Step, StepContext

RECORDS, STEPS, STEP_SECONDS = 2_000, 5, 0.02
ROUNDS = {30: 3, 300: 9}
"""How often so many slots are measured: what is over in a second is disturbed more by what else the machine does."""
FINISHED, SAMPLES = 100_000, 200


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
            for slots, rounds in ROUNDS.items():
                ours, alone = [], []
                for number in range(rounds):
                    ours.append(await _climbed(database, keeper, clock, slots, number))
                    alone.append(await _slept(clock, slots))
                least = -(-RECORDS // slots) * STEPS * STEP_SECONDS
                over = Rounds([seconds / least for seconds in ours], "x")
                figures.append(Figure(f"{slots} slots, over the least", over, at_most(1.1)))
                beside = Rounds(alone, " s")
                figures.append(
                    Figure(f"{slots} slots", Rounds(ours, " s"), None, beside, "the same steps without records")
                )
    return figures


async def _slept(clock: SystemClock, slots: int) -> float:
    """Return the seconds that asyncio takes for the steps alone, kept nowhere."""
    left = iter(range(RECORDS))

    async def slot() -> None:
        for _ in left:
            for _ in range(STEPS):
                await asyncio.sleep(STEP_SECONDS)

    began = clock.monotonic()
    await asyncio.gather(*(slot() for _ in range(slots)))
    return clock.monotonic() - began


async def promptness() -> list[Figure]:
    """P11b: how soon a record that is added, or that a person has answered for, is in hand."""
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/bench.db"
        clock, bus = SystemClock(), Bus()
        upgrade(url, Path(folder), clock)
        async with Database(url, clock, bus) as database:
            began: asyncio.Queue[float] = asyncio.Queue()
            tools = KeeperTools(database, clock, WorkerPool(clock), bus, Path(folder))
            keeper = RecordKeeper(tools, {"asking": _asking(began, clock)})
            job: Any = _Job(database)
            ladders = list(keeper.ladders.values())
            climber = Climber(job, keeper, ladders, None, clock, concurrency=30, chain_limit=5, interval=10)
            climbing = asyncio.create_task(climber.run())
            for finished in (0, FINISHED):
                await _finish(database, finished)
                added, answered = await _asked(keeper, began, clock, finished)
                figures += [
                    Figure(f"added, beside {finished:,} finished: {name}", Rounds([percentile(added, at)], " ms"), goal)
                    for name, at, goal in (("median", 50, None), ("p99", 99, at_most(50, " ms")))
                ]
                figures += [
                    Figure(f"answered, beside {finished:,}: {name}", Rounds([percentile(answered, at)], " ms"), goal)
                    for name, at, goal in (("median", 50, None), ("p99", 99, at_most(100, " ms")))
                ]
            climbing.cancel()
            await asyncio.gather(climbing, return_exceptions=True)
    return figures


def _asking(began: "asyncio.Queue[float]", clock: SystemClock) -> Ladder:
    async def judge(_ctx: StepContext, record: Record) -> Outcome:
        began.put_nowait(clock.monotonic())
        return Outcome() if record.fields.get("caption") else Outcome(to="asking")

    step = Step("judge", judge, ("new", "asking"), "top")
    return Ladder("asking", "Asking", "A", (step,), ("new", "asking", "top"), frozenset({"top"}), awaiting="asking")


async def _asked(
    keeper: RecordKeeper, began: "asyncio.Queue[float]", clock: SystemClock, finished: int
) -> tuple[list[float], list[float]]:
    added, answered = [], []
    for number in range(SAMPLES):
        at = clock.monotonic()
        [record] = await keeper.add([NewRecord("asking", "new", f"/{finished}/{number}")], by="bench")
        added.append((await began.get() - at) * 1000)
        while (await keeper.get(record.id)).status != "asking":
            await asyncio.sleep(0.001)
        at = clock.monotonic()
        await keeper.edit(record.id, {"caption": "A dog"}, who="bench")
        answered.append((await began.get() - at) * 1000)
    return added, answered


async def _finish(database: Database, count: int) -> None:
    now = database.clock.now()
    same = {"ladder": "asking", "status": "top", "fields": {}, "provenance": {}, "revision": 4, "is_complete": True}
    same |= {"status_at": now, "created_at": now, "updated_at": now}
    for first in range(0, count, 5_000):
        rows = [
            {**same, "id": new_id(), "code": f"F{at}", "digest": f"finished {at}", "source": f"/f/{at}", "title": ""}
            for at in range(first, min(first + 5_000, count))
        ]
        await database.write(partial(_insert, rows), durable=False)


def _insert(rows: list[dict[str, Any]], tx: Transaction) -> None:
    tx.execute(insert(TABLE), rows)


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
    Benchmark(
        "P11b",
        "A record that is added, or answered for",
        f"From the call of the keeper, commit included, to the first line of the step; {SAMPLES} times one by one, "
        f"alone and beside {FINISHED:,} finished records; SQLite.",
        promptness,
    ),
]
