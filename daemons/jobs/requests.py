"""What daemons and people ask of jobs: make one, end one, try one again. Units and parts of units."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from daemons.database.transaction import Transaction
from daemons.errors import Conflict, NotFound
from daemons.events import JobChanged, JobRemoved
from daemons.jobs.attempts import keep_last_attempt
from daemons.jobs.counting import count_ended
from daemons.jobs.outcomes import cancelled
from daemons.jobs.rows import IS_QUEUED, IS_UNFINISHED, JOB_COLUMNS, JOBS, code_column, error_column, find, job_of
from daemons.journal import record_history
from daemons.states import JobState, OnStop
from daemons.values import Job, JsonValue

_J = JOBS.c


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job that is asked for. `id` is chosen by the caller, so that asking twice makes one job."""

    id: str
    type: str
    args: JsonValue
    lane: str
    max_attempts: int
    key: str | None = None
    key_digest: str | None = None
    unique: str | None = None
    priority: int = 0
    on_stop: OnStop = OnStop.CONTINUE
    parent_id: str | None = None
    daemon_id: str | None = None
    daemon_name: str | None = None
    run_after: datetime | None = None

    def digested(self) -> "NewJob":
        """Return this with the digest that tells one order under a key from another."""
        body = json.dumps([self.type, self.args, self.priority], sort_keys=True, separators=(",", ":"))
        return replace(self, key_digest=hashlib.sha256(body.encode()).hexdigest())


_insert_sqlite = sqlite.insert(JOBS).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
_insert_postgres = postgresql.insert(JOBS).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
_by_key = select(*JOB_COLUMNS, _J.key_digest).where(_J.key == bindparam("b_key"))
_by_unique = select(*JOB_COLUMNS).where(
    _J.type == bindparam("b_type"), _J.unique_key == bindparam("b_unique"), IS_UNFINISHED
)
_TRIES = 5
PRIORITY_MOST = 1_000_000


def create(tx: Transaction, new: NewJob) -> tuple[Job, bool]:
    """Store `new`, or find the job that stands in its way; return it and whether it is new.

    Raises Conflict (ERR_KEY_REUSED) when its key belongs to a job of another type or other arguments.
    """
    for _ in range(_TRIES):
        statement = _insert_sqlite if tx.is_sqlite else _insert_postgres
        if tx.execute(statement, _row_of(tx, new)).rowcount:
            job = _job_of_new(tx, new)
            if new.daemon_id is not None:
                record_history(tx, new.daemon_id, "job", None, job.state, job.type, job.id)
            tx.announce(JobChanged(job))
            return job, True
        earlier = _in_the_way(tx, new)
        # None: the unfinished job ended between the two statements (PostgreSQL), so the place is free now.
        if earlier is not None:
            return earlier, False
    raise Conflict("Jobs of this unique name come and go too fast.", remedy="Try again.")


def _row_of(tx: Transaction, new: NewJob) -> dict[str, Any]:
    return {
        "id": new.id,
        "type": new.type,
        "lane": new.lane,
        "state": "queued",
        "daemon_id": new.daemon_id,
        "daemon_name": new.daemon_name,
        "parent_id": new.parent_id,
        "key": new.key,
        "key_digest": new.key_digest,
        "unique_key": new.unique,
        "args": new.args,
        "max_attempts": new.max_attempts,
        "priority": new.priority,
        "on_stop": new.on_stop.value,
        "run_after": new.run_after or tx.now,
        "created_at": tx.now,
    }


def _job_of_new(tx: Transaction, new: NewJob) -> Job:
    return Job(
        id=new.id,
        type=new.type,
        lane=new.lane,
        state=JobState.QUEUED,
        daemon_id=new.daemon_id,
        daemon_name=new.daemon_name,
        parent_id=new.parent_id,
        key=new.key,
        unique=new.unique,
        args=new.args,
        result=None,
        progress=None,
        error=None,
        attempt=0,
        failures=0,
        crashes=0,
        max_attempts=new.max_attempts,
        priority=new.priority,
        on_stop=new.on_stop,
        run_after=new.run_after or tx.now,
        waiting_reason=None,
        created_at=tx.now,
        started_at=None,
        finished_at=None,
        worker=None,
        revision=0,
    )


def _in_the_way(tx: Transaction, new: NewJob) -> Job | None:
    if (same := find(tx, new.id)) is not None:
        return same
    if new.key is not None and (row := tx.execute(_by_key, {"b_key": new.key}).first()) is not None:
        columns, digest = row[:-1], row[-1]
        if digest != new.key_digest:
            raise Conflict(
                "This key belongs to a job of another type or with other arguments.",
                remedy="Use a new key for a new job.",
                code="ERR_KEY_REUSED",
            )
        return job_of(columns)
    if new.unique is not None:
        row = tx.execute(_by_unique, {"b_type": new.type, "b_unique": new.unique}).first()
        return job_of(row) if row else None
    return None


_end_queued = (
    update(JOBS)
    .where(_J.id == bindparam("b_id"), IS_QUEUED)
    .values(
        state="cancelled",
        error=bindparam("new_error", type_=_J.error.type),
        error_code=bindparam("new_code"),
        finished_at=bindparam("now", type_=_J.finished_at.type),
        waiting_reason=None,
        revision=_J.revision + 1,
    )
    .returning(*JOB_COLUMNS)
)
_tell_running = (
    update(JOBS)
    .where(_J.id == bindparam("b_id"), _J.state == "running")
    .values(
        state="cancelling",
        error=bindparam("new_error", type_=_J.error.type),
        error_code=bindparam("new_code"),
        revision=_J.revision + 1,
    )
    .returning(*JOB_COLUMNS)
)
_children = select(_J.id).where(_J.parent_id.in_(bindparam("parents", expanding=True)), IS_UNFINISHED)


def cancel(tx: Transaction, job_id: str, reason: str) -> Job:
    """End a queued job, or tell the worker of a running one to end it; its unfinished children likewise.

    A finished job is returned as it is. Raises NotFound.
    """
    job = _cancel_one(tx, job_id, reason)
    parents = [job_id]
    while parents := list(tx.execute(_children, {"parents": parents}).scalars()):
        for child in parents:
            _cancel_one(tx, child, f"The job that needed it was cancelled: {reason}")
    return job


def _cancel_one(tx: Transaction, job_id: str, reason: str) -> Job:
    error = cancelled(reason)
    values = {"b_id": job_id, "new_error": error_column(error), "new_code": code_column(error)}
    row = tx.execute(_end_queued, {**values, "now": tx.now}).first() or tx.execute(_tell_running, values).first()
    if row is None:
        return _known(tx, job_id)
    job = job_of(row)
    if job.is_finished and job.daemon_id is not None:
        record_history(tx, job.daemon_id, "job", JobState.QUEUED, job.state, job.type, job.id)
    tx.announce(JobChanged(job))
    return job


def cancel_all(tx: Transaction, job_ids: Iterable[str], reason: str) -> list[str]:
    """Cancel several jobs; return the ids of those that had not finished."""
    unfinished = []
    for job_id in job_ids:
        job = find(tx, job_id)
        if job is not None and not job.is_finished:
            cancel(tx, job_id, reason)
            unfinished.append(job_id)
    return unfinished


REQUEUED = {
    "state": "queued",
    "failures": 0,
    "crashes": 0,
    "result": None,
    "progress": None,
    # Of the attempt that is over; it is kept there.
    "error": None,
    "error_code": None,
    "run_after": bindparam("now", type_=_J.run_after.type),
    "finished_at": None,
    "waiting_reason": None,
    "worker": None,
    "revision": _J.revision + 1,
}
_requeue = update(JOBS).where(_J.id == bindparam("b_id"), ~IS_UNFINISHED).values(**REQUEUED).returning(*JOB_COLUMNS)


def retry(tx: Transaction, job_id: str) -> Job:
    """Queue a finished job again; its attempts go on counting, its failures begin anew.

    Raises NotFound, and Conflict when it has not finished or another job has its unique name meanwhile.
    """
    job = _known(tx, job_id)
    if not job.is_finished:
        raise Conflict(f"The job is {job.state}; only a finished job can be retried.", code="ERR_JOB_UNFINISHED")
    if job.unique is not None:
        other = tx.execute(_by_unique, {"b_type": job.type, "b_unique": job.unique}).first()
        if other is not None:
            raise _taken(job_of(other).id)
    keep_last_attempt(tx, job)
    try:
        job = job_of(tx.execute(_requeue, {"b_id": job_id, "now": tx.now}).one())
    except IntegrityError as error:
        raise _taken("another job") from error
    if job.daemon_id is not None:
        record_history(tx, job.daemon_id, "job", None, job.state, f"{job.type}, retried", job.id)
    tx.announce(JobChanged(job))
    return job


_first_of_lane = select(_J.priority).where(IS_QUEUED, _J.lane == bindparam("b_lane"), _J.id != bindparam("b_id"))
_put_first = (
    update(JOBS)
    .where(_J.id == bindparam("b_id"), IS_QUEUED)
    .values(
        priority=bindparam("new_priority"),
        run_after=bindparam("now", type_=_J.run_after.type),
        waiting_reason=None,
        revision=_J.revision + 1,
    )
    .returning(*JOB_COLUMNS)
)


def put_first(tx: Transaction, job_id: str) -> Job:
    """Have a queued job run before all others of its lane, and now. Raises NotFound, Conflict if it is not queued."""
    job = _known(tx, job_id)
    if job.state is not JobState.QUEUED:
        raise Conflict(f"The job is {job.state}; only a queued job can run next.", code="ERR_JOB_NOT_QUEUED")
    ahead = tx.execute(
        _first_of_lane.order_by(_J.priority.desc()).limit(1), {"b_lane": job.lane, "b_id": job_id}
    ).scalar()
    priority = job.priority if ahead is None else min(PRIORITY_MOST, max(job.priority, ahead + 1))
    job = job_of(tx.execute(_put_first, {"b_id": job_id, "new_priority": priority, "now": tx.now}).one())
    tx.announce(JobChanged(job))
    return job


def remove(tx: Transaction, job_id: str) -> Job:
    """Forget a finished job; that there was one is kept. Raises NotFound, and Conflict when it has not finished."""
    job = _known(tx, job_id)
    if job.finished_at is None or not job.is_finished:
        raise Conflict(f"The job is {job.state}; only a finished job can be removed.", code="ERR_JOB_UNFINISHED")
    count_ended(tx, {(job.finished_at.date().isoformat(), job.type, job.state.value): 1})
    tx.execute(delete(JOBS).where(_J.id == job_id))
    tx.announce(JobRemoved(job_id))
    return job


def _taken(by: str) -> Conflict:
    return Conflict(f"Its unique name is taken by {by}, which has not finished.", code="ERR_UNIQUE_TAKEN")


def _known(tx: Transaction, job_id: str) -> Job:
    job = find(tx, job_id)
    if job is None:
        raise unknown_job(job_id)
    return job


def unknown_job(job_id: str) -> NotFound:
    """Return the error for a job that does not exist, or was removed by retention."""
    return NotFound(f"There is no job {job_id[:40]!r}.", code="ERR_UNKNOWN_JOB")


_on_lane = (
    update(JOBS)
    .where(_J.type == bindparam("b_type"), _J.lane != bindparam("b_lane"), IS_QUEUED)
    .values(lane=bindparam("b_lane"))
)


def move_to_lanes(tx: Transaction, lanes: Iterable[tuple[str, str]]) -> None:
    """Put queued jobs on the lane that their type has now; `lanes`: (type, lane)."""
    for job_type, lane in lanes:
        tx.execute(_on_lane, {"b_type": job_type, "b_lane": lane})
