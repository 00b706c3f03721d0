"""The keeper of jobs reads back what was stored, page by page."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from daemons.database import Database
from daemons.errors import Conflict, ErrorInfo, Invalid, NotFound, UnknownName
from daemons.jobs import Jobs, attempts, claims
from daemons.jobs import ends as job_ends
from daemons.jobs import requests as job_requests
from daemons.jobs.lists import JobFilter
from daemons.jobs.outcomes import Completed, Ending, Failed, GivenBack
from daemons.jobs.requests import NewJob
from daemons.models import JobTable
from daemons.states import JobState, OnStop
from daemons.values import Job, Progress
from tests.fake_clock import FakeClock

ADMISSION = claims.Admission()


@pytest.fixture
def jobs(database: Database, clock: FakeClock) -> Jobs:
    return Jobs(database, clock)


def new(number: int, **details: object) -> NewJob:
    job = NewJob(id=f"job-{number:03}", type="scan", args={"n": number}, lane="default", max_attempts=3)
    return replace(job, **details)  # type: ignore[arg-type]


async def store(database: Database, *wanted: NewJob) -> list[Job]:
    return await database.write(lambda tx: [job_requests.create(tx, one)[0] for one in wanted])


async def claim(database: Database, count: int = 1) -> list[Job]:
    return await database.write(lambda tx: claims.claim(tx, "worker", {"default": count}, ADMISSION))


async def finish(database: Database, held: Sequence[Job], result: object = None) -> None:
    await database.write(lambda tx: job_ends.end_all(tx, [Ending(job, Completed(result)) for job in held]))


async def ids_of(jobs: Jobs, chosen: JobFilter, sort: str = "-created_at", limit: int = 3) -> list[list[str]]:
    pages: list[list[str]] = []
    cursor = None
    while True:
        page = await jobs.list(chosen, sort=sort, cursor=cursor, limit=limit)
        pages.append([job.id for job in page.items])
        if (cursor := page.next) is None:
            return pages


def flat(pages: list[list[str]]) -> list[str]:
    return [one for page in pages for one in page]


async def test_what_is_stored_comes_back_as_it_was(jobs: Jobs, database: Database) -> None:
    wanted = new(1, key="a key", unique="a name", priority=7, on_stop=OnStop.CANCEL, args={"deep": [1, None, "ü"]})

    (stored,) = await store(database, wanted.digested())

    found = await jobs.get("job-001")
    assert replace(found, waiting_reason=None) == stored
    assert (found.key, found.unique, found.priority, found.args) == ("a key", "a name", 7, {"deep": [1, None, "ü"]})


async def test_an_unknown_job_is_not_found(jobs: Jobs) -> None:
    with pytest.raises(NotFound, match="There is no job 'nobody'"):
        await jobs.get("nobody")


async def test_pages_follow_each_other_without_gap_or_repetition(jobs: Jobs, database: Database) -> None:
    await store(database, *map(new, range(7)))

    newest_first = await ids_of(jobs, JobFilter())
    oldest_first = await ids_of(jobs, JobFilter(), "created_at")

    assert [len(page) for page in newest_first] == [3, 3, 1]
    assert flat(newest_first) == [f"job-{n:03}" for n in reversed(range(7))]
    assert flat(oldest_first) == [f"job-{n:03}" for n in range(7)]


async def test_pages_stay_whole_while_jobs_are_added(jobs: Jobs, database: Database) -> None:
    await store(database, *map(new, range(4)))
    first = await jobs.list(limit=2)
    await store(database, *map(new, range(4, 9)))

    second = await jobs.list(cursor=first.next, limit=2)

    assert [job.id for job in second.items] == ["job-001", "job-000"]
    assert second.next is None


async def test_finished_jobs_are_paged_in_the_order_of_their_end(
    jobs: Jobs, database: Database, clock: FakeClock
) -> None:
    await store(database, *map(new, range(6)))
    held = await claim(database, 5)
    await finish(database, [held[4], held[0]])
    clock.jump(5)
    await finish(database, [held[2], held[1], held[3]])

    pages = await ids_of(jobs, JobFilter(), "-finished_at", 2)

    assert flat(pages) == ["job-003", "job-002", "job-001", "job-004", "job-000"]
    assert flat(await ids_of(jobs, JobFilter(), "finished_at", 2)) == flat(pages)[::-1]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (JobFilter(states=[JobState.QUEUED]), [2, 3, 4]),
        (JobFilter(states=[JobState.COMPLETED, JobState.RUNNING]), [0, 1]),
        (JobFilter(types=["other"]), [3]),
        (JobFilter(types=["other", "scan"], states=[JobState.QUEUED]), [2, 3, 4]),
        (JobFilter(parent="job-000"), [4]),
        (JobFilter(daemon="nobody"), []),
        (JobFilter(q="b-00"), [0, 1, 2, 3, 4]),
        (JobFilter(q="OTHER"), [3]),
        (JobFilter(q="100%"), [2]),
        (JobFilter(q="_"), []),
    ],
    ids=str,
)
async def test_filters_choose(jobs: Jobs, database: Database, chosen: JobFilter, expected: list[int]) -> None:
    await store(
        database,
        new(0),
        new(1),
        new(2, key="100% sure").digested(),
        new(3, type="other"),
        new(4, parent_id="job-000"),
    )
    held = await claim(database, 2)
    await finish(database, held[:1])

    pages = await ids_of(jobs, chosen, "created_at", 2)

    assert flat(pages) == [f"job-{n:03}" for n in expected]


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "ünï",
        "bm90IGpzb24=",
        "W10=",
        "WyItY3JlYXRlZF9hdCIsbnVsbCwiMSJd",
        "WyJjcmVhdGVkX2F0IixudWxsLDFd",
        "W1tbW1s=",
    ],
)
async def test_a_cursor_that_this_list_did_not_give_is_refused(jobs: Jobs, cursor: str) -> None:
    with pytest.raises(Invalid) as refused:
        await jobs.list(cursor=cursor)

    assert refused.value.error_code == "ERR_BAD_CURSOR"


async def test_an_unknown_sort_and_a_bad_limit_are_refused(jobs: Jobs) -> None:
    with pytest.raises(UnknownName, match="cannot be sorted by 'args; DROP'"):
        await jobs.list(sort="args; DROP")
    for limit in (0, 501):
        with pytest.raises(Invalid, match="limit"):
            await jobs.list(limit=limit)


async def test_counts_name_every_state(jobs: Jobs, database: Database) -> None:
    await store(database, *map(new, range(5)))
    await finish(database, await claim(database, 2))
    await claim(database)

    assert await jobs.counts() == {
        "queued": 2,
        "running": 1,
        "cancelling": 0,
        "completed": 2,
        "failed": 0,
        "cancelled": 0,
    }
    assert await jobs.ended_counts() == {("scan", "completed"): 2}


async def test_a_running_job_shows_its_attempt(jobs: Jobs, database: Database) -> None:
    await store(database, new(1))
    await claim(database)

    (attempt,) = (await jobs.detail("job-001")).attempts

    assert (attempt.attempt, attempt.worker, attempt.finished_at, attempt.outcome) == (1, "worker", None, None)


async def test_attempt_failure_and_crash_are_counted_by_the_claim(jobs: Jobs, database: Database) -> None:
    await store(database, new(1))

    (held,) = await claim(database)

    assert (held.attempt, held.failures, held.crashes) == (1, 1, 1)
    assert await jobs.get("job-001") == held


async def test_a_claim_takes_no_more_than_there_is_room_for(database: Database) -> None:
    await store(database, *map(new, range(5)), new(9, lane="io"), new(10, lane="io"))

    taken = await database.write(lambda tx: claims.claim(tx, "worker", {"default": 3, "io": 1}, ADMISSION))

    assert [job.id for job in taken] == ["job-000", "job-001", "job-002", "job-009"]


async def test_the_stored_failure_of_a_job_comes_back_with_its_causes(jobs: Jobs, database: Database) -> None:
    await store(database, new(1))
    held = await claim(database)
    error = ErrorInfo("ERR_OUTER", "outer", "detail", "remedy", ErrorInfo("ERR_INNER", "inner"))

    await database.write(lambda tx: job_ends.end_all(tx, [Ending(held[0], Failed(error))]))

    assert (await jobs.get("job-001")).error == error


async def test_progress_of_a_lost_job_is_refused(jobs: Jobs, database: Database) -> None:
    await store(database, new(1))
    (held,) = await claim(database)
    await finish(database, [held])
    late = attempts.Moved(attempts.hold_of(held), Progress(1, 2), held.revision)

    lost = await database.write(lambda tx: attempts.store_progress(tx, [late]))

    assert lost == [attempts.hold_of(held)]
    assert [one.what for one in (await jobs.detail("job-001")).refused] == ["progress"]


async def test_a_unique_name_cannot_be_taken_back_by_a_retry(database: Database) -> None:
    await store(database, new(1, unique="nightly"))
    await finish(database, await claim(database))
    await store(database, new(2, unique="nightly"))

    with pytest.raises(Conflict) as refused:
        await database.write(lambda tx: job_requests.retry(tx, "job-001"))

    assert refused.value.error_code == "ERR_UNIQUE_TAKEN"


async def test_the_same_order_twice_is_one_job(database: Database) -> None:
    first = await database.write(lambda tx: job_requests.create(tx, new(1)))
    again = await database.write(lambda tx: job_requests.create(tx, new(1)))

    assert (first[1], again[1]) == (True, False)
    assert first[0] == again[0]


async def test_a_job_in_a_long_line_knows_its_place(jobs: Jobs, database: Database, clock: FakeClock) -> None:
    jobs.admission = claims.Admission(slots={"default": 2})
    await store(database, *map(new, range(6)), new(6, run_after=clock.now() + timedelta(hours=1)))
    await claim(database, 2)

    reasons = [job.waiting_reason for job in (await jobs.list(sort="created_at")).items]

    assert reasons == [
        None,
        None,
        "Lane default is full: 2 running, 0 ahead",
        "Lane default is full: 2 running, 1 ahead",
        "Lane default is full: 2 running, 2 ahead",
        "Lane default is full: 2 running, 3 ahead",
        "Not before 2030-01-01 13:00:00 UTC",
    ]


async def test_an_end_whose_answer_was_lost_may_be_written_again(jobs: Jobs, database: Database) -> None:
    await store(database, new(1), new(2))
    held = await claim(database, 2)
    ends = [Ending(held[0], Completed("done")), Ending(held[1], GivenBack())]
    await database.write(lambda tx: job_ends.end_all(tx, ends))

    again = await database.write(lambda tx: job_ends.end_all(tx, ends))

    assert again == [None, None]
    assert [(await jobs.detail(f"job-00{n}")).refused for n in (1, 2)] == [[], []]
    assert (await jobs.get("job-002")).state is JobState.QUEUED


async def test_the_code_of_an_error_is_kept_where_it_can_be_asked_for(jobs: Jobs, database: Database) -> None:
    await store(database, new(1), new(2), new(3))
    failed, running = await claim(database, 2)
    await database.write(lambda tx: job_ends.end_all(tx, [Ending(failed, Failed(ErrorInfo("ERR_AWAY", "Away.")))]))
    for job_id in (running.id, "job-003"):
        await database.write(lambda tx, job_id=job_id: job_requests.cancel(tx, job_id, "enough"))

    rows = await database.fetch(select(JobTable.error_code, JobTable.error).order_by(JobTable.number))

    assert [row.error_code for row in rows] == [row.error["code"] for row in rows]
    assert rows[0].error_code == "ERR_AWAY"
