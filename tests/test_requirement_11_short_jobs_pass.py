"""Requirement 11: short user jobs pass long scans.

Priority lanes, "run next", position in queue. Test: a one-item job starts before the next item of a 10 000-item scan.
"""

from sqlalchemy import insert

from daemons.database import Database
from daemons.errors import Conflict
from daemons.jobs import Jobs
from daemons.jobs import requests as job_requests
from daemons.jobs.rows import JOBS
from tests.fake_clock import FakeClock
from tests.test_jobs import claim, new, store

ITEMS = 10_000


async def test_a_one_item_job_starts_before_the_next_item_of_a_scan(database: Database, clock: FakeClock) -> None:
    jobs = Jobs(database, clock)
    await store(database, new(0, type="scan"))
    item = {"type": "item", "lane": "default", "state": "queued", "parent_id": "job-000", "args": {}, "priority": 5}
    item |= {"max_attempts": 3, "on_stop": "continue", "run_after": clock.now(), "created_at": clock.now()}
    rows = [{**item, "id": f"item-{n}"} for n in range(ITEMS)]
    await database.write(lambda tx: tx.execute(insert(JOBS), rows).rowcount)
    [first] = await claim(database)
    await store(database, new(1, type="one_item"))
    before = (await jobs.get("job-001")).waiting_reason

    put = await database.write(lambda tx: job_requests.put_first(tx, "job-001"))
    after = (await jobs.get("job-001")).waiting_reason
    claimed = await claim(database, 2)

    assert first.id == "item-0"
    assert before == "In line on lane default: 1 running, more than 1000 ahead"
    assert after == "In line on lane default: 1 running, 0 ahead"
    assert [job.id for job in claimed] == ["job-001", "item-1"]
    assert put.priority == 6
    try:
        await database.write(lambda tx: job_requests.put_first(tx, "job-001"))
    except Conflict as refused:
        assert refused.error_code == "ERR_JOB_NOT_QUEUED"
