"""Commands for many jobs: frozen, done slice by slice, cancelled, resumed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import MappingProxyType

import pytest
from sqlalchemy import func, insert, select, update

from daemons.bus import Bus
from daemons.database import Database
from daemons.dispatch.embedded import EmbeddedDispatcher
from daemons.errors import Conflict, Invalid, NotFound
from daemons.events import ItemChanged
from daemons.jobs import Jobs
from daemons.jobs.filters import JobFilter
from daemons.jobs.rows import JOBS
from daemons.models import JobAttemptTable, OperationItemTable
from daemons.operations import ASKED_KEPT, SLICE_SECONDS, Operation, Operations
from daemons.orders import Orders
from tests.fake_clock import FakeClock
from tests.recorder import Recorder

MANY = 50_000


class NoTypes:
    jobs = MappingProxyType({})


@pytest.fixture
def operations(database: Database, clock: FakeClock, bus: Bus) -> Operations:
    return made(database, clock, bus)


def made(database: Database, clock: FakeClock, bus: Bus) -> Operations:
    jobs = Jobs(database, clock)
    return Operations(database, clock, Orders(NoTypes(), jobs, EmbeddedDispatcher(bus), database, clock, bus))


@asynccontextmanager
async def running(operations: Operations) -> AsyncIterator[Operations]:
    async with operations:
        yield operations


async def fill(database: Database, clock: FakeClock, count: int, **details: object) -> None:
    """Store failed jobs, as many as are wanted."""
    row = {"type": "video", "lane": "default", "state": "failed", "daemon_name": "video_analysis", "args": {}}
    row |= {"max_attempts": 3, "on_stop": "continue", "run_after": clock.now(), "created_at": clock.now()}
    row |= {"finished_at": clock.now(), "started_at": clock.now(), "attempt": 1, "worker": "w", **details}
    for start in range(0, count, 5_000):
        rows = [{**row, "id": f"{row['state']}-{n}"} for n in range(start, min(count, start + 5_000))]
        await database.write(lambda tx, rows=rows: tx.execute(insert(JOBS), rows).rowcount)


async def states(database: Database) -> dict[str, int]:
    return dict(map(tuple, await database.fetch(select(JOBS.c.state, func.count()).group_by(JOBS.c.state))))


async def finished(operations: Operations, events: Recorder, operation: Operation) -> Operation:
    """Return the operation once it is over."""
    now = await operations.get(operation.id)
    if not now.is_finished:
        await events.next(ItemChanged, lambda e: e.id == operation.id and e.data["finished_at"] is not None)
    return await operations.get(operation.id)


async def test_what_fails_after_the_question_is_not_touched(
    database: Database, clock: FakeClock, operations: Operations, events: Recorder
) -> None:
    await fill(database, clock, 3)
    await fill(database, clock, 2, state="completed")
    asked = await operations.ask("retry", who="Ana", chosen=JobFilter(q="daemon:video_analysis"))
    await fill(database, clock, 1, state="running", finished_at=None)
    await database.write(
        lambda tx: tx.execute(update(JOBS).where(JOBS.c.state == "running").values(state="failed")).rowcount
    )

    async with running(operations):
        await operations.start(asked.id)
        done = await finished(operations, events, asked)

    assert asked.description == "Retry 3 failed jobs of video_analysis"
    assert (done.state, done.total, done.done, done.refused) == ("completed", 3, 3, 0)
    assert await states(database) == {"completed": 2, "failed": 1, "queued": 3}
    # The attempt that is over is kept, and the job begins without its error.
    assert len(await database.fetch(select(JobAttemptTable.attempt))) == 3


async def test_a_job_that_went_on_meanwhile_refuses_and_is_listed(
    database: Database, clock: FakeClock, operations: Operations, events: Recorder
) -> None:
    await fill(database, clock, 4)
    asked = await operations.ask("retry", who="Ana", ids=[f"failed-{n}" for n in (3, 1, 0, 2, 0)] + ["nobody"])
    for job_id, changes in (("failed-0", {"attempt": 2}), ("failed-1", {"state": "running", "finished_at": None})):
        await database.write(
            lambda tx, job_id=job_id, changes=changes: (
                tx.execute(update(JOBS).where(JOBS.c.id == job_id).values(**changes)).rowcount
            )
        )

    async with running(operations):
        await operations.start(asked.id)
        done = await finished(operations, events, asked)

    assert (done.total, done.done, done.refused) == (4, 2, 2)
    refused = {(one.job_id, one.code) for one in await operations.refusals(asked.id)}
    assert refused == {("failed-0", "ERR_JOB_CHANGED"), ("failed-1", "ERR_JOB_UNFINISHED")}


async def test_of_one_unique_name_only_one_is_retried(
    database: Database, clock: FakeClock, operations: Operations, events: Recorder
) -> None:
    await fill(database, clock, 2, unique_key="one at a time")

    async with running(operations):
        done = await finished(operations, events, await operations.begin("retry", who="Ana", chosen=JobFilter()))

    assert (done.done, done.refused) == (1, 1)
    assert [one.code for one in await operations.refusals(done.id)] == ["ERR_UNIQUE_TAKEN"]


async def test_another_process_goes_on_where_the_first_one_ended(
    database: Database, clock: FakeClock, bus: Bus, operations: Operations, events: Recorder
) -> None:
    await fill(database, clock, 120, state="queued", finished_at=None, started_at=None, attempt=0)
    # Nothing runs here: one slice is done by hand, as if the process had been killed after it.
    begun = await operations.begin("cancel", who="Ana", chosen=JobFilter(q="state:queued"))
    await operations.work(begun.id)
    half = await operations.get(begun.id)

    async with running(made(database, clock, bus)) as second:
        done = await finished(second, events, begun)

    assert 0 < half.done < 120
    assert (done.state, done.done, done.refused) == ("completed", 120, 0)
    assert await states(database) == {"cancelled": 120}


async def test_cancelling_leaves_the_rest_as_it_is(
    database: Database, clock: FakeClock, operations: Operations
) -> None:
    await fill(database, clock, 120)
    begun = await operations.begin("retry", who="Ana", chosen=JobFilter())
    await operations.work(begun.id)

    cancelled = await operations.cancel(begun.id)
    await operations.work(begun.id)

    assert cancelled.state == "cancelled"
    assert await states(database) == {"queued": cancelled.done, "failed": 120 - cancelled.done}
    with pytest.raises(Conflict):
        await operations.start(begun.id)


async def test_what_nobody_confirms_is_forgotten(database: Database, clock: FakeClock, operations: Operations) -> None:
    await fill(database, clock, 1)
    asked = await operations.ask("retry", who="Ana", chosen=JobFilter())
    await clock.advance(ASKED_KEPT.total_seconds() + 1)

    again = await operations.ask("retry", who="Ana", chosen=JobFilter())

    with pytest.raises(NotFound):
        await operations.get(asked.id)
    assert (await operations.list()).items == []
    assert len(await database.fetch(select(OperationItemTable.position))) == again.total == 1


async def test_none_of_such_jobs_is_no_operation(operations: Operations) -> None:
    with pytest.raises(Invalid):
        await operations.begin("retry", who="Ana", chosen=JobFilter())
    with pytest.raises(Invalid):
        await operations.begin("paint", who="Ana", chosen=JobFilter())


@pytest.mark.databases("sqlite")
async def test_fifty_thousand_jobs_are_retried_in_short_slices(
    database: Database, clock: FakeClock, bus: Bus, operations: Operations
) -> None:
    await fill(database, clock, MANY)
    preview = await operations.preview("retry", chosen=JobFilter(q="state:failed"))

    over = asyncio.Event()
    with bus.listen(lambda event: over.set() if isinstance(event, ItemChanged) and event.data["finished_at"] else None):
        async with running(operations), asyncio.timeout(60):
            begun = await operations.begin("retry", who="Ana", chosen=JobFilter(q="state:failed"))
            await over.wait()
            done = await operations.get(begun.id)

    assert (preview.count, len(preview.ids)) == (MANY, 100)
    assert (done.done, done.refused, await states(database)) == (MANY, 0, {"queued": MANY})
    assert begun.description.replace("\u202f", " ") == "Retry 50 000 failed jobs of video_analysis"
    assert SLICE_SECONDS == 0.05
