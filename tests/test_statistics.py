"""How work went: counted, measured and grouped, the same on every database."""

from datetime import timedelta

import pytest

from daemons.database import Database
from daemons.errors import ErrorInfo
from daemons.jobs import claims, ends, requests
from daemons.jobs.outcomes import Completed, Ending, Failed
from daemons.jobs.requests import NewJob
from daemons.leases import Leases
from daemons.readings import Readings
from daemons.roster import DeclaredType, Roster
from daemons.statistics import Durations, Statistics
from daemons.values import Job, Lease
from tests.fake_clock import FakeClock


@pytest.fixture
async def lease(database: Database, clock: FakeClock) -> Lease:
    roster = Roster(database)
    await roster.declare([DeclaredType("watch", "Watch", "")])
    lease = await Leases(database, clock).take((await roster.row("watch")).id)
    assert lease is not None
    return lease


async def do(database: Database, clock: FakeClock, lease: Lease | None, seconds: float, code: str | None) -> None:
    """Have one job made, taken and ended after `seconds`."""
    job_id = f"job-{clock.monotonic()}"
    new = NewJob(id=job_id, type="scan", args={}, lane="default", max_attempts=1, daemon_id=lease and lease.daemon_id)
    await database.write(lambda tx: requests.create(tx, new))
    held: list[Job] = await database.write(lambda tx: claims.claim(tx, "worker", {"default": 1}, claims.Admission()))
    await clock.advance(seconds)
    outcome = Failed(ErrorInfo(code, "It went wrong.")) if code else Completed(None)
    await database.write(lambda tx: ends.end_all(tx, [Ending(held[0], outcome)]))


async def test_a_summary_tells_how_work_went(database: Database, clock: FakeClock, lease: Lease) -> None:
    await do(database, clock, lease, 500, None)
    await clock.advance(86_400)
    began = clock.now()
    for seconds in (1, 2, 3, 10):
        await do(database, clock, lease, seconds, None)
    await do(database, clock, lease, 1, "ERR_AWAY")
    await do(database, clock, None, 100, None)
    async with Readings(database, clock) as readings:
        for used in (40.0, 60.0):
            readings.metric(lease, "memory", used, "%")
            await clock.advance(60)
        readings.report(lease, "ERR_AWAY", "The server is away.")
        await readings.flush()

    found = (await Statistics(database, clock).summary(began, lease.daemon_id)).as_dict()

    assert found["jobs"] == {"cancelled": 0, "completed": 4, "failed": 1}
    assert found["success_rate"] == 0.8
    assert found["durations"] == {"jobs": 4, "mean": 4, "median": 2.5, "p95": 10, "shortest": 1, "longest": 10}
    assert [(code["code"], code["jobs"]) for code in found["codes"]] == [("ERR_AWAY", 1)]
    (memory,) = found["figures"]
    assert [memory[word] for word in ("count", "mean", "least", "most", "last")] == [2, 50, 40, 60, 60]
    assert [error["message"] for error in found["recent"]] == ["The server is away."]


async def test_all_is_the_sum_and_nothing_is_no_rate(database: Database, clock: FakeClock, lease: Lease) -> None:
    statistics = Statistics(database, clock)
    nothing = await statistics.summary(clock.now() - timedelta(days=1))
    assert (nothing.success_rate, nothing.durations, nothing.codes) == (None, None, [])

    await do(database, clock, lease, 1, None)
    await do(database, clock, None, 1, None)

    assert (await statistics.summary(clock.now() - timedelta(days=1))).jobs["completed"] == 2


def test_the_slowest_twentieth_begins_at_p95() -> None:
    durations = Durations.of([float(number) for number in range(1, 101)])

    assert durations is not None
    assert durations.p95 == 96
