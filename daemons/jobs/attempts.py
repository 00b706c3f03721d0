"""What a worker writes of an attempt in hand, and what is kept of it. Every write is fenced by its Hold.

A worker that no longer has the job changes nothing: what it tried is listed as refused.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import bindparam, case, insert, select, update

from daemons.database.transaction import Transaction
from daemons.errors import ErrorInfo, Superseded
from daemons.events import JobChanged
from daemons.jobs.rows import IS_HELD, JOB_COLUMNS, JOBS, Hold, code_column, error_column, find, job_of, progress_column
from daemons.journal import record_history
from daemons.models import JobAttemptTable, JobRefusalTable
from daemons.states import JobState
from daemons.values import Job, Progress

CRASHES_ALLOWED = 5
"""Times the process that runs a job may die before the job is failed."""

CRASHED = "crashed"
"""The outcome of an attempt whose process died."""

_J = JOBS.c
_OURS = (
    _J.id == bindparam("b_id"),
    _J.attempt == bindparam("b_attempt"),
    _J.worker == bindparam("b_worker"),
)
# Announced pictures carry revisions of the worker's own counting; the stored one never falls behind them.
_NEXT_REVISION = case((_J.revision >= bindparam("b_revision"), _J.revision + 1), else_=bindparam("b_revision") + 1)

_check = select(_J.id).where(*_OURS, IS_HELD).with_for_update(read=True)
_move = update(JOBS).where(*_OURS, IS_HELD)
_set_progress = _move.values(progress=bindparam("new_progress", type_=_J.progress.type), revision=_NEXT_REVISION)
_set_reason = _move.values(waiting_reason=bindparam("new_reason"), revision=_NEXT_REVISION).returning(*JOB_COLUMNS)
_insert_attempt = insert(JobAttemptTable)
_insert_refusal = insert(JobRefusalTable)
_of_dead = select(*JOB_COLUMNS).where(IS_HELD, _J.worker.in_(bindparam("dead", expanding=True)))
_of_dead_locked = _of_dead.order_by(_J.number).with_for_update(skip_locked=True)


def check_hold(tx: Transaction, hold: Hold) -> None:
    """Raise Superseded unless `hold` is good, and keep it good until this transaction ends."""
    if tx.execute(_check, _fence(hold)).first() is None:
        raise Superseded()


def refuse(tx: Transaction, hold: Hold, what: str, detail: str | None) -> None:
    """List what a worker tried to write to a job that it no longer has."""
    job = find(tx, hold.job_id)
    if job is None:
        return
    values = {"job_id": hold.job_id, "at": tx.now, "attempt": hold.attempt, "worker": hold.worker}
    tx.execute(_insert_refusal, {**values, "what": what, "detail": detail})
    tx.announce(JobChanged(job))


@dataclass(frozen=True, slots=True)
class Moved:
    """How far a job is now, as its worker says; `revision` is that of the newest picture it showed."""

    hold: Hold
    progress: Progress
    revision: int


def store_progress(tx: Transaction, moved: Iterable[Moved]) -> list[Hold]:
    """Write the progress of several jobs; return the holds that are lost."""
    lost = []
    for one in moved:
        values = {"new_progress": progress_column(one.progress), "b_revision": one.revision}
        if tx.execute(_set_progress, {**_fence(one.hold), **values}).rowcount == 0:
            refuse(tx, one.hold, "progress", f"{one.progress.done:g} of {one.progress.total or '?'}")
            lost.append(one.hold)
    return lost


def store_reason(tx: Transaction, hold: Hold, reason: str | None, revision: int) -> Job:
    """Write what a running job waits for, None when it goes on. Raises Superseded."""
    row = tx.execute(_set_reason, {**_fence(hold), "new_reason": reason, "b_revision": revision}).first()
    if row is None:
        raise Superseded()
    job = job_of(row)
    tx.announce(JobChanged(job))
    return job


def keep_attempts(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep attempts that are over, as rows of `attempt_row`."""
    tx.execute_many(_insert_attempt, rows)


def keep_last_attempt(tx: Transaction, job: Job) -> None:
    """Keep the attempt that stands in a finished job's own row, which is about to go on to the next."""
    known = select(JobAttemptTable.attempt).where(
        JobAttemptTable.job_id == job.id, JobAttemptTable.attempt == job.attempt
    )
    if job.attempt > 0 and tx.execute(known).first() is None:
        tx.execute(_insert_attempt, attempt_row(tx, job, job.state.value, job.error))


def was_kept(tx: Transaction, hold: Hold) -> bool:
    """Whether the end of this attempt was written by its own worker before."""
    job = find(tx, hold.job_id)
    if job is not None and job.is_finished and hold_of(job) == hold:
        return True
    row = tx.execute(
        select(JobAttemptTable.worker, JobAttemptTable.outcome).where(
            JobAttemptTable.job_id == hold.job_id, JobAttemptTable.attempt == hold.attempt
        )
    ).first()
    return row is not None and row.worker == hold.worker and row.outcome != CRASHED


def rescue(tx: Transaction, dead: Iterable[str]) -> list[Job]:
    """Take every job from workers that are dead; return the jobs as they are now, most of them queued again."""
    dead_ids = sorted(dead)
    if not dead_ids:
        return []
    rows = tx.execute(_of_dead_locked, {"dead": dead_ids}).all()
    return [_rescue(tx, job_of(row)) for row in rows]


def _rescue(tx: Transaction, job: Job) -> Job:
    crash = ErrorInfo("ERR_WORKER_DIED", "The process that ran the job died.")
    state, error = JobState.QUEUED, job.error
    if job.state is JobState.CANCELLING:
        state = JobState.CANCELLED
    elif job.crashes >= CRASHES_ALLOWED:
        state = JobState.FAILED
        error = ErrorInfo(
            "ERR_KILLED_ITS_WORKER",
            f"The process that ran the job died {job.crashes} times; it is not tried again.",
            None,
            "Look at what the job does to its process, then retry it.",
        )
    rescued = replace(
        job,
        state=state,
        error=error,
        failures=job.failures - 1,
        run_after=tx.now,
        finished_at=tx.now if state.is_finished else None,
        waiting_reason=None,
        worker=None if state is JobState.QUEUED else job.worker,
        revision=job.revision + 1,
    )
    tx.execute(update(JOBS).where(_J.id == job.id, _J.attempt == job.attempt).values(**_rescued_row(rescued)))
    tx.execute(_insert_attempt, attempt_row(tx, job, CRASHED, crash))
    if job.daemon_id is not None:
        record_history(tx, job.daemon_id, "job", job.state, state, f"{job.type}: its process died", job.id)
    tx.announce(JobChanged(rescued))
    return rescued


def _rescued_row(job: Job) -> dict[str, Any]:
    return {
        "state": job.state.value,
        "error": error_column(job.error),
        "error_code": code_column(job.error),
        "failures": job.failures,
        "run_after": job.run_after,
        "finished_at": job.finished_at,
        "waiting_reason": None,
        "worker": job.worker,
        "revision": job.revision,
    }


def hold_of(job: Job) -> Hold:
    """Return the right to write to `job` that its worker got with the claim."""
    return Hold(job.id, job.attempt, job.worker or "")


def _fence(hold: Hold) -> Mapping[str, Any]:
    return {"b_id": hold.job_id, "b_attempt": hold.attempt, "b_worker": hold.worker}


def attempt_row(tx: Transaction, job: Job, outcome: str, error: ErrorInfo | None) -> dict[str, Any]:
    """Return the row that keeps an attempt when its job goes on to the next."""
    return {
        "job_id": job.id,
        "attempt": job.attempt,
        "worker": job.worker or "",
        "started_at": job.started_at or tx.now,
        "finished_at": job.finished_at or tx.now,
        "outcome": outcome,
        "error": error_column(error),
    }
