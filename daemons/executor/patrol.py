"""Looks every other second for what no event tells: dead workers, jobs lost or cancelled elsewhere, reasons to wait."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import bindparam, select, update

from daemons.clock import Clock
from daemons.database import Database
from daemons.database.transaction import Transaction
from daemons.dispatch import Dispatcher
from daemons.events import JobChanged
from daemons.jobs import Jobs
from daemons.jobs.attempts import refuse, rescue
from daemons.jobs.claims import held_by, held_by_strangers, lanes_with_work
from daemons.jobs.rows import IS_QUEUED, JOB_COLUMNS, JOBS, Hold, job_of
from daemons.jobs.waiting import explain
from daemons.states import JobState
from daemons.values import Job

REASONS_SHOWN = 100
"""Queued jobs whose reason to wait is stored and announced; of the others it is worked out when asked."""
REASON_AFTER = timedelta(seconds=1)

_J = JOBS.c
_first_queued = (
    select(*JOB_COLUMNS)
    .where(IS_QUEUED, _J.run_after <= bindparam("before", type_=_J.run_after.type))
    .order_by(_J.number)
    .limit(REASONS_SHOWN)
)
_set_reason = (
    update(JOBS)
    .where(_J.id == bindparam("b_id"), _J.attempt == bindparam("b_attempt"), IS_QUEUED)
    .values(waiting_reason=bindparam("new_reason"), revision=_J.revision + 1)
    .returning(*JOB_COLUMNS)
)

Key = tuple[str, int]
"""Id and attempt."""


class Found(NamedTuple):
    """What the database says that no event told."""

    lanes: Sequence[str]
    """Lanes on which jobs could run now."""
    strangers: set[str]
    """Workers that hold jobs but are not listed as living or dead."""
    gone: set[Key]
    """Attempts that this worker thinks it has, but does not."""
    cancelling: set[Key]
    strays: set[Key]
    """Held in our name, but nobody here knows of them: a claim whose answer never came."""


class JobPatrol:
    """One worker's view of what changes without it."""

    def __init__(
        self,
        worker: str,
        dead_workers: Callable[[], Awaitable[Collection[str]]],
        jobs: Jobs,
        dispatcher: Dispatcher,
        database: Database,
        clock: Clock,
    ) -> None:
        self._worker = worker
        self._dead_workers = dead_workers
        self._jobs = jobs
        self._dispatcher = dispatcher
        self._database = database
        self._clock = clock
        self._unknown: set[Key] = set()

    async def rescue(self, strangers: Collection[str]) -> None:
        """Queue the jobs of dead workers again; never judged by age, only by the death of their owner."""
        dead = {*await self._dead_workers(), *strangers} - {self._worker}
        if dead:
            await self._database.write(lambda tx: self._rescue(tx, dead))

    def _rescue(self, tx: Transaction, dead: Collection[str]) -> None:
        for job in rescue(tx, dead):
            if job.state is JobState.QUEUED:
                self._dispatcher.offer(tx, job.id, job.attempt)

    async def look(self, known: Collection[Key]) -> Found:
        """Compare what is stored with the attempts that this worker knew of before the call."""
        async with self._database.read() as connection:
            lanes = (await connection.execute(lanes_with_work, {"now": self._clock.now()})).scalars().all()
            strangers = set((await connection.execute(held_by_strangers)).scalars())
            rows = (await connection.execute(held_by, {"b_worker": self._worker})).all()
        stored = {(row.id, row.attempt) for row in rows}
        cancelling = {(row.id, row.attempt) for row in rows if row.state == JobState.CANCELLING}
        # A claim may be on its way to us: only what is unknown twice is a stray.
        unknown = stored - set(known)
        strays, self._unknown = unknown & self._unknown, unknown
        return Found(lanes, strangers, set(known) - stored, cancelling, strays)

    async def refuse_heartbeat(self, hold: Hold) -> None:
        """List that we still worked on a job that is another's."""
        await self._database.write(lambda tx: refuse(tx, hold, "heartbeat", "The worker still had the job in hand."))

    async def tell_reasons(self) -> None:
        """Store and announce why the first jobs in line wait, where the reason has changed."""
        now = self._clock.now()
        async with self._database.read() as connection:
            rows = (await connection.execute(_first_queued, {"before": now - REASON_AFTER})).all()
            before = [job_of(row) for row in rows]
            after = await explain(connection, before, self._jobs.admission, now)
        changed = [new for old, new in zip(before, after, strict=True) if old.waiting_reason != new.waiting_reason]
        if changed:
            await self._database.write(lambda tx: _store_reasons(tx, changed), durable=False)


def _store_reasons(tx: Transaction, jobs: Collection[Job]) -> None:
    for job in jobs:
        values = {"b_id": job.id, "b_attempt": job.attempt, "new_reason": job.waiting_reason}
        row = tx.execute(_set_reason, values).first()
        if row is not None:
            tx.announce(JobChanged(job_of(row)))
