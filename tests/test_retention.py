"""Finished jobs are forgotten after their time; how many there were is not."""

from datetime import timedelta

import pytest

from daemons.database import Database
from daemons.database.transaction import Transaction
from daemons.errors import NotFound
from daemons.events import JobRemoved
from daemons.jobs import Jobs, claims
from daemons.jobs import ends as job_ends
from daemons.jobs import requests as job_requests
from daemons.jobs.outcomes import Completed, Ending
from daemons.jobs.requests import NewJob
from daemons.jobs.retention import Retention
from tests.fake_clock import FakeClock
from tests.recorder import Recorder

KEPT = timedelta(days=30)


@pytest.fixture
def jobs(database: Database, clock: FakeClock) -> Jobs:
    return Jobs(database, clock)


def end_jobs(*ids: str, parent: str | None = None) -> object:
    def unit(tx: Transaction) -> None:
        for one in ids:
            job_requests.create(tx, NewJob(one, "scan", {}, "default", 3, parent_id=parent))
        held = claims.claim(tx, "worker", {"default": len(ids)}, claims.Admission())
        job_ends.end_all(tx, [Ending(job, Completed(None)) for job in held])

    return unit


async def test_what_is_old_is_removed_and_counted(
    jobs: Jobs, database: Database, clock: FakeClock, events: Recorder
) -> None:
    await database.write(end_jobs(*(f"old {n}" for n in range(250))))  # type: ignore[arg-type]
    clock.jump(31 * 86_400)
    await database.write(end_jobs("new"))  # type: ignore[arg-type]

    removed = await Retention(database, clock, KEPT).purge()

    assert removed == 250
    assert len(events.seen(JobRemoved)) == 250
    assert (await jobs.counts())["completed"] == 1
    assert await jobs.ended_counts() == {("scan", "completed"): 251}
    with pytest.raises(NotFound):
        await jobs.get("old 7")


async def test_a_purge_may_be_repeated(jobs: Jobs, database: Database, clock: FakeClock) -> None:
    await database.write(end_jobs("old 1"))  # type: ignore[arg-type]
    clock.jump(31 * 86_400)
    retention = Retention(database, clock, KEPT)
    await retention.purge()
    await database.write(end_jobs("old 2"))  # type: ignore[arg-type]
    clock.jump(31 * 86_400)

    assert await retention.purge() == 1
    assert await jobs.ended_counts() == {("scan", "completed"): 2}


async def test_unfinished_jobs_and_the_children_they_may_ask_for_stay(
    jobs: Jobs, database: Database, clock: FakeClock
) -> None:
    await database.write(end_jobs("child", parent="parent"))  # type: ignore[arg-type]
    await database.write(lambda tx: job_requests.create(tx, NewJob("parent", "scan", {}, "default", 3)))
    clock.jump(365 * 86_400)

    assert await Retention(database, clock, KEPT).purge() == 0
    assert (await jobs.detail("parent")).children[0].id == "child"


async def test_it_purges_by_itself_every_hour(database: Database, clock: FakeClock, events: Recorder) -> None:
    await database.write(end_jobs("old"))  # type: ignore[arg-type]
    async with Retention(database, clock, timedelta(minutes=90)):
        await clock.advance(3500)
        before = events.seen(JobRemoved)
        await clock.advance(2 * 3600)

    assert before == []
    assert [event.id for event in events.seen(JobRemoved)] == ["old"]
