"""The keeper of jobs: what is stored of them, read back.

Written by units: job_requests.py (daemons and people), claims.py and attempts.py (workers), retention.py (time).
"""

from collections.abc import Sequence
from statistics import median
from typing import Any, NamedTuple

from sqlalchemy import Row, func, select

from daemons.clock import Clock
from daemons.database import Database
from daemons.errors import ErrorInfo
from daemons.jobs.claims import Admission
from daemons.jobs.filters import news_of, still_of, tally_of
from daemons.jobs.lists import LIMIT, JobFilter, cursor_after, page_of
from daemons.jobs.requests import unknown_job
from daemons.jobs.rows import IS_UNFINISHED, JOB_COLUMNS, JOBS, job_of
from daemons.jobs.waiting import explain
from daemons.models import JobAttemptTable, JobCountTable, JobRefusalTable
from daemons.states import JobState, OnStop
from daemons.values import Attempt, Job, JobDetail, Page, Refusal

CHILDREN_SHOWN = 500
REFUSALS_SHOWN = 100
ATTEMPTS_SHOWN = 500
COMPARED = 500
"""Newest jobs of a type that one is compared with."""

CODES_MOST = 100
TOUCHED_SHOWN = 10

_J = JOBS.c


class Touched(NamedTuple):
    """Unfinished jobs of a daemon that is about to be stopped."""

    jobs: list[Job]
    kept: int
    cancelled: int


class Jobs:
    """Reads jobs. Each one that waits comes with its reason."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.admission = Admission()
        """The rules of the executor in this process; it sets them when it opens."""

    async def get(self, job_id: str) -> Job:
        """Return one job. Raises NotFound."""
        found = await self._explained(select(*JOB_COLUMNS).where(_J.id == job_id))
        if not found:
            raise unknown_job(job_id)
        return found[0]

    async def detail(self, job_id: str) -> JobDetail:
        """Return one job with its attempts, refused writes and children. Raises NotFound."""
        job = await self.get(job_id)
        attempts, refusals = JobAttemptTable, JobRefusalTable
        ended = await self._database.fetch(
            select(attempts.__table__)
            .where(attempts.job_id == job_id)
            .order_by(attempts.attempt.desc())
            .limit(ATTEMPTS_SHOWN)
        )
        refused = await self._database.fetch(
            select(refusals.__table__)
            .where(refusals.job_id == job_id)
            .order_by(refusals.id.desc())
            .limit(REFUSALS_SHOWN)
        )
        children = await self._explained(
            select(*JOB_COLUMNS).where(_J.parent_id == job_id).order_by(_J.number).limit(CHILDREN_SHOWN)
        )
        tries = [_attempt(row) for row in reversed(ended)]
        # The newest attempt of a running or finished job stands in its own row.
        if job.started_at is not None and job.attempt > (tries[-1].attempt if tries else 0):
            outcome = job.state.value if job.is_finished else None
            error = job.error if job.is_finished else None
            tries.append(Attempt(job.attempt, job.worker or "", job.started_at, job.finished_at, outcome, error))
        return JobDetail(job, tries, [_refusal(row) for row in reversed(refused)], [*children])

    async def list(
        self,
        chosen: JobFilter | None = None,
        *,
        sort: str = "-created_at",
        cursor: str | None = None,
        limit: int = LIMIT,
    ) -> Page:
        """Return one page of the jobs that `chosen` describes. Raises Invalid for a bad sort, cursor or limit."""
        statement = page_of(chosen or JobFilter(), sort, cursor, limit, self._clock.now())
        async with self._database.read() as connection:
            rows = (await connection.execute(statement)).all()
            shown = await explain(connection, map(job_of, rows[:limit]), self.admission, self._clock.now())
        return Page(shown, cursor_after(rows[limit - 1], sort) if len(rows) > limit else None)

    async def touched_by_stop(self, daemon_id: str) -> Touched:
        """Return the unfinished jobs of a daemon: the newest, and how many a plain stop keeps and cancels."""
        of_daemon = (_J.daemon_id == daemon_id, IS_UNFINISHED)
        jobs = await self._explained(
            select(*JOB_COLUMNS).where(*of_daemon).order_by(_J.number.desc()).limit(TOUCHED_SHOWN)
        )
        counted = select(_J.on_stop, func.count()).where(*of_daemon).group_by(_J.on_stop)
        by_choice: dict[str, int] = dict(map(tuple, await self._database.fetch(counted)))
        cancelled = by_choice.get(OnStop.CANCEL.value, 0)
        return Touched([*jobs], sum(by_choice.values()) - cancelled, cancelled)

    async def tally(self, chosen: JobFilter) -> dict[JobState, int]:
        """Return how many jobs of each state meet `chosen`, whichever states that asks for; at most COUNTED and one."""
        statement = tally_of(chosen, self._clock.now())
        return {JobState(row.state): row.jobs for row in await self._database.fetch(statement)}

    async def news(self, chosen: JobFilter, *, after: str, shown: Sequence[str]) -> tuple[int, Sequence[str]]:
        """Return how many jobs that meet `chosen` are newer than job `after`, and which of `shown` meet it."""
        now = self._clock.now()
        newer, still = news_of(chosen, after, now), still_of(chosen, shown, now)
        async with self._database.read() as connection:
            count = (await connection.execute(newer)).scalar_one()
            return count, (await connection.execute(still)).scalars().all()

    async def middle_seconds(self, type: str) -> float | None:
        """Return the median of how long the newest completed jobs of a type took; None if there is none."""
        newest = select(_J.state, _J.started_at, _J.finished_at).where(_J.type == type)
        newest_rows = await self._database.fetch(newest.order_by(_J.number.desc()).limit(COMPARED))
        seconds = [
            (row.finished_at - row.started_at).total_seconds()
            for row in newest_rows
            if row.state == JobState.COMPLETED and row.started_at is not None and row.finished_at is not None
        ]
        return median(seconds) if seconds else None

    async def codes(self) -> Sequence[str]:
        """Return the codes of errors that there are jobs with, in their order; at most CODES_MOST."""
        code, first = _J.error_code, func.min(_J.error_code)
        # From each code to the next one in the index: flat in the number of jobs.
        found = select(first.label("code")).where(code.is_not(None)).cte("codes", recursive=True)
        after = select(first).where(code.is_not(None), code > found.c.code).scalar_subquery()
        found = found.union_all(select(after).where(found.c.code.is_not(None)))
        rows = await self._database.fetch(select(found.c.code).limit(CODES_MOST))
        return [row.code for row in rows if row.code is not None]

    async def counts(self) -> dict[str, int]:
        """Return how many jobs are in each state now; every state is named."""
        rows = await self._database.fetch(select(_J.state, func.count()).group_by(_J.state))
        found = dict(map(tuple, rows))
        return {state.value: found.get(state.value, 0) for state in JobState}

    async def ended_counts(self) -> dict[tuple[str, str], int]:
        """Return how many jobs of each (type, state) ever ended, those removed by retention too."""
        kept = select(_J.type, _J.state, func.count()).where(~IS_UNFINISHED).group_by(_J.type, _J.state)
        removed = select(JobCountTable.type, JobCountTable.state, func.sum(JobCountTable.count)).group_by(
            JobCountTable.type, JobCountTable.state
        )
        totals: dict[tuple[str, str], int] = {}
        async with self._database.read() as connection:
            for statement in (kept, removed):
                for job_type, state, count in await connection.execute(statement):
                    totals[job_type, state] = totals.get((job_type, state), 0) + int(count)
        return totals

    async def _explained(self, statement: Any) -> Sequence[Job]:
        async with self._database.read() as connection:
            rows = (await connection.execute(statement)).all()
            return await explain(connection, map(job_of, rows), self.admission, self._clock.now())


def _attempt(row: Row[Any]) -> Attempt:
    error = ErrorInfo.from_dict(row.error) if row.error else None
    return Attempt(row.attempt, row.worker, row.started_at, row.finished_at, row.outcome, error)


def _refusal(row: Row[Any]) -> Refusal:
    return Refusal(row.at, row.attempt, row.worker, row.what, row.detail)
