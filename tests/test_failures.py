"""What failed, by code, and trying it again: jobs of one daemon only, the same on every database."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from daemons.bus import Bus
from daemons.database import Database
from daemons.dispatch.embedded import EmbeddedDispatcher
from daemons.errors import ErrorInfo, Invalid, NotFound
from daemons.events import ItemChanged
from daemons.failure_marks import FailureMarks
from daemons.failures import Failures
from daemons.item_work import ItemWork
from daemons.jobs import Jobs, claims, ends, requests
from daemons.jobs.outcomes import Completed, Ending, Failed
from daemons.jobs.requests import NewJob
from daemons.operations import Operations
from daemons.orders import Orders
from daemons.readings import Readings
from daemons.registry import Registry
from daemons.roster import DeclaredType, Roster
from daemons.settings import Settings
from daemons.states import JobState
from daemons.statistics import Statistics
from daemons.values import DaemonRow
from daemons.workflow import Keepers
from tests.engine_deck import keeper_tools
from tests.fake_clock import FakeClock
from tests.recorder import Recorder


@pytest.fixture
async def rows(database: Database) -> list[DaemonRow]:
    roster = Roster(database)
    await roster.declare([DeclaredType("watch", "Watch", ""), DeclaredType("other", "Other", "")])
    return [await roster.row("watch"), await roster.row("other")]


@pytest.fixture
async def failures(database: Database, clock: FakeClock, bus: Bus) -> AsyncIterator[Failures]:
    registry = Registry()
    orders = Orders(registry, Jobs(database, clock), EmbeddedDispatcher(bus), database, clock, bus)
    operations = Operations(database, clock, orders)
    async with operations:
        marks = FailureMarks(database, clock)
        keepers, readings = Keepers([], keeper_tools(database, clock)), Readings(database, clock)
        yield Failures(database, ItemWork(registry, Settings(), keepers, readings, marks), orders, operations, marks)


async def do(database: Database, clock: FakeClock, row: DaemonRow | None, code: str | None) -> str:
    """Have one job made, taken and ended; return its id."""
    job_id = f"job-{clock.monotonic()}"
    new = NewJob(id=job_id, type="scan", args={}, lane="default", max_attempts=1, daemon_id=row and row.id)
    await database.write(lambda tx: requests.create(tx, new))
    held = await database.write(lambda tx: claims.claim(tx, "worker", {"default": 1}, claims.Admission()))
    outcome = Failed(ErrorInfo(code, f"{job_id} went wrong.")) if code else Completed(None)
    await database.write(lambda tx: ends.end_all(tx, [Ending(held[0], outcome)]))
    await clock.advance(1)
    return job_id


async def test_jobs_that_failed_are_grouped_by_code_newest_first(
    database: Database, clock: FakeClock, rows: list[DaemonRow], failures: Failures
) -> None:
    began = clock.now()
    for code in ("ERR_AWAY", "ERR_AWAY", None, "ERR_FULL"):
        await do(database, clock, rows[0], code)
    await do(database, clock, rows[1], "ERR_AWAY")
    await do(database, clock, None, "ERR_AWAY")

    full, away = await failures.groups(rows[0])

    assert (full.code, full.jobs) == ("ERR_FULL", 1)
    assert (away.code, away.jobs, away.first_at) == ("ERR_AWAY", 2, began)
    assert away.sample is not None
    assert away.message == f"{away.sample.id} went wrong."


async def test_a_group_is_tried_again_and_nothing_else(
    database: Database, clock: FakeClock, rows: list[DaemonRow], failures: Failures, events: Recorder
) -> None:
    wanted = [await do(database, clock, rows[0], "ERR_AWAY") for _ in range(3)]
    others = [await do(database, clock, row, code) for row, code in ((rows[0], "ERR_FULL"), (rows[1], "ERR_AWAY"))]

    retried = await failures.retry(rows[0], "ERR_AWAY", who="Ana")
    while (await events.next(ItemChanged)).data["finished_at"] is None:
        pass

    jobs = Jobs(database, clock)
    assert retried.operation is not None
    assert (retried.operation.total, retried.operation.who) == (3, "Ana")
    assert {(await jobs.get(job_id)).state for job_id in wanted} == {JobState.QUEUED}
    assert {(await jobs.get(job_id)).state for job_id in others} == {JobState.FAILED}
    assert [group.code for group in await failures.groups(rows[0])] == ["ERR_FULL"]
    with pytest.raises(NotFound):
        await failures.retry(rows[0], "ERR_AWAY", who="Ana")
    with pytest.raises(NotFound):
        await failures.retry_item(rows[0], "anything")


async def test_what_was_skipped_or_is_muted_needs_nobody_until_it_fails_anew(
    database: Database, clock: FakeClock, rows: list[DaemonRow], failures: Failures
) -> None:
    statistics = Statistics(database, clock)
    began = clock.now()

    async def needing() -> tuple[list[str], int]:
        groups = await failures.groups(rows[0])
        failed = (await statistics.failing(began)).get(rows[0].id, (0, 0))[0]
        return [group.code for group in groups if not group.is_set_aside], failed

    for code in ("ERR_AWAY", "ERR_AWAY", "ERR_FULL"):
        await do(database, clock, rows[0], code)
    await do(database, clock, rows[1], "ERR_AWAY")
    assert await needing() == (["ERR_FULL", "ERR_AWAY"], 3)

    await failures.skip(rows[0], "ERR_AWAY", who="Ana")
    await failures.mute(rows[0], "ERR_FULL", timedelta(hours=1), who="Ana")
    await do(database, clock, rows[0], "ERR_FULL")
    assert await needing() == ([], 0)
    assert (await statistics.failing(began))[rows[1].id] == (1, 1)

    await do(database, clock, rows[0], "ERR_AWAY")
    assert await needing() == (["ERR_AWAY"], 1)
    await clock.advance(3600)
    assert await needing() == (["ERR_AWAY", "ERR_FULL"], 3)

    await failures.count_again(rows[0], "ERR_AWAY")
    assert await needing() == (["ERR_AWAY", "ERR_FULL"], 5)
    for code in ("ERR_AWAY", "ERR_NOBODY"):
        with pytest.raises(NotFound):
            await failures.count_again(rows[0], code)
    with pytest.raises(NotFound):
        await failures.skip(rows[0], "ERR_NOBODY", who="Ana")
    with pytest.raises(Invalid):
        await failures.mute(rows[0], "ERR_FULL", timedelta(days=366), who="Ana")
