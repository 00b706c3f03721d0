"""How work went over a time: how much of it succeeded, how long it took, which errors there were, what was measured."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from statistics import fmean, median
from typing import NamedTuple

from sqlalchemy import ColumnElement, case, func, select

from daemons.clock import Clock
from daemons.database import Database
from daemons.failure_marks import is_excused
from daemons.jobs.rows import JOBS
from daemons.models import DaemonErrorTable, MetricTable
from daemons.states import FINISHED_JOB_STATES, JobState
from daemons.values import JsonValue

JOBS_MEASURED = 10_000
"""Completed jobs, the newest, whose durations are looked at: more would only take longer."""
CODES_SHOWN = 50
RECENT_SHOWN = 5

_J = JOBS.c


@dataclass(frozen=True, slots=True)
class Durations:
    """Seconds that completed jobs took, from the start of their last attempt."""

    jobs: int
    mean: float
    median: float
    p95: float
    shortest: float
    longest: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Durations | None":
        """Return what is to be said of these durations, None if there are none."""
        if not seconds:
            return None
        ordered = sorted(seconds)
        p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
        return cls(len(ordered), fmean(ordered), median(ordered), p95, ordered[0], ordered[-1])


class Run(NamedTuple):
    """A job that completed: when, and after how many seconds."""

    ended: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class CodeCount:
    """How many jobs failed with a code."""

    code: str
    jobs: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Figure:
    """A measure of daemons' own over the time."""

    name: str
    unit: str | None
    count: int
    total: float
    mean: float
    least: float
    most: float
    last: float


@dataclass(frozen=True, slots=True)
class RecentError:
    """An error that a daemon reported."""

    code: str
    message: str
    count: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything that is said of one daemon, or of all, over a time."""

    since: datetime
    until: datetime
    jobs: dict[str, int]
    """How many ended how; of all states that an ended job may have."""
    durations: Durations | None
    codes: list[CodeCount]
    figures: list[Figure]
    recent: list[RecentError]

    @property
    def success_rate(self) -> float | None:
        """Of the jobs that were not cancelled, the part that completed; None if there were none."""
        tried = self.jobs[JobState.COMPLETED] + self.jobs[JobState.FAILED]
        return self.jobs[JobState.COMPLETED] / tried if tried else None

    def as_dict(self) -> dict[str, JsonValue]:
        """Return the statistics of the HTTP API, times still datetimes."""
        return {**asdict(self), "success_rate": self.success_rate}


class Statistics:
    """Reads what became of jobs, and what daemons measured and reported."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def summary(self, since: datetime, daemon_id: str | None = None) -> Summary:
        """Return how the work of a daemon went since then, or that of all."""
        ended = [_J.finished_at >= since, *([_J.daemon_id == daemon_id] if daemon_id else [])]
        return Summary(
            since,
            self._clock.now(),
            await self._counts(ended),
            Durations.of([run.seconds for run in await self._runs(ended)]),
            await self._codes(ended),
            await self._figures(since, daemon_id),
            await self._recent(since, daemon_id),
        )

    async def failing(self, since: datetime) -> dict[str, tuple[int, int]]:
        """Return of each daemon's jobs that ended since then how many failed, and how many were tried at all.

        What was skipped or muted counts as tried only.
        """
        needs_action = (_J.state == JobState.FAILED.value) & ~is_excused(self._clock.now())
        failed = func.sum(case((needs_action, 1), else_=0)).label("failed")
        tried = [JobState.COMPLETED.value, JobState.FAILED.value]
        rows = await self._database.fetch(
            select(_J.daemon_id, failed, func.count().label("tried"))
            .where(_J.finished_at >= since, _J.state.in_(tried), _J.daemon_id.is_not(None))
            .group_by(_J.daemon_id)
        )
        return {row.daemon_id: (int(row.failed), row.tried) for row in rows}

    async def _counts(self, ended: Sequence[ColumnElement[bool]]) -> dict[str, int]:
        jobs = func.count().label("jobs")
        rows = await self._database.fetch(select(_J.state, jobs).where(*ended).group_by(_J.state))
        found = {row.state: row.jobs for row in rows}
        return {state.value: found.get(state.value, 0) for state in sorted(FINISHED_JOB_STATES)}

    async def runs(self, since: datetime, daemon_id: str | None = None) -> list[Run]:
        """Return the completed jobs of a daemon since then, or of all, newest first: at most JOBS_MEASURED."""
        return await self._runs([_J.finished_at >= since, *([_J.daemon_id == daemon_id] if daemon_id else [])])

    async def _runs(self, ended: Sequence[ColumnElement[bool]]) -> list[Run]:
        rows = await self._database.fetch(
            select(_J.started_at, _J.finished_at)
            .where(*ended, _J.state == JobState.COMPLETED.value, _J.started_at.is_not(None))
            .order_by(_J.number.desc())
            .limit(JOBS_MEASURED)
        )
        # Clocks are set back now and then.
        return [Run(row.finished_at, max(0.0, (row.finished_at - row.started_at).total_seconds())) for row in rows]

    async def _codes(self, ended: Sequence[ColumnElement[bool]]) -> list[CodeCount]:
        jobs, last = func.count().label("jobs"), func.max(_J.finished_at, type_=_J.finished_at.type).label("last")
        rows = await self._database.fetch(
            select(_J.error_code, jobs, last)
            .where(*ended, _J.state == JobState.FAILED.value, _J.error_code.is_not(None))
            .group_by(_J.error_code)
            .order_by(jobs.desc(), _J.error_code)
            .limit(CODES_SHOWN)
        )
        return [CodeCount(row.error_code, row.jobs, row.last) for row in rows]

    async def _figures(self, since: datetime, daemon_id: str | None) -> list[Figure]:
        table = MetricTable
        chosen = [table.at >= since, *([table.daemon_id == daemon_id] if daemon_id else [])]
        folded = (
            select(
                table.name,
                func.max(table.unit).label("unit"),
                func.sum(table.count).label("times"),
                func.sum(table.total).label("total"),
                func.min(table.minimum).label("least"),
                func.max(table.maximum).label("most"),
            )
            .where(*chosen)
            .group_by(table.name)
            .order_by(table.name)
        )
        newest = select(table.name, func.max(table.at).label("at")).where(*chosen).group_by(table.name).subquery()
        latest = (
            select(table.name, func.max(table.last).label("last"))
            .join(newest, (table.name == newest.c.name) & (table.at == newest.c.at))
            .where(*chosen)
            .group_by(table.name)
        )
        last = {row.name: row.last for row in await self._database.fetch(latest)}
        return [
            Figure(
                row.name,
                row.unit,
                int(row.times),
                row.total,
                row.total / int(row.times),
                row.least,
                row.most,
                last[row.name],
            )
            for row in await self._database.fetch(folded)
            if row.name in last
        ]

    async def _recent(self, since: datetime, daemon_id: str | None) -> list[RecentError]:
        table = DaemonErrorTable
        chosen = [table.last_seen >= since, *([table.daemon_id == daemon_id] if daemon_id else [])]
        rows = await self._database.fetch(
            select(table.code, table.message, table.count, table.last_seen)
            .where(*chosen)
            .order_by(table.last_seen.desc(), table.id.desc())
            .limit(RECENT_SHOWN)
        )
        return [RecentError(row.code, row.message, row._mapping["count"], row.last_seen) for row in rows]
