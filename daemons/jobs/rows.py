"""A job as a row and as a value."""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from sqlalchemy import ColumnElement, Table, bindparam, func, literal_column, select

from daemons.database.transaction import Transaction
from daemons.errors import ErrorInfo
from daemons.models import JobTable
from daemons.states import JobState, OnStop
from daemons.values import Job, Progress

CODE_CHARACTERS = 100

JOBS = cast(Table, JobTable.__table__)
_J = JOBS.c

# Literals, not parameters: only then do the databases see that a partial index covers the question.
IS_QUEUED: ColumnElement[bool] = _J.state == literal_column("'queued'")
IS_HELD: ColumnElement[bool] = _J.state.in_([literal_column("'running'"), literal_column("'cancelling'")])
IS_UNFINISHED: ColumnElement[bool] = _J.state.in_(
    [literal_column("'queued'"), literal_column("'running'"), literal_column("'cancelling'")]
)

JOB_COLUMNS: Sequence[ColumnElement[Any]] = [
    _J.number,
    _J.id,
    _J.type,
    _J.lane,
    _J.state,
    _J.daemon_id,
    _J.daemon_name,
    _J.parent_id,
    _J.key,
    _J.unique_key,
    _J.args,
    _J.result,
    _J.progress,
    _J.error,
    _J.attempt,
    _J.failures,
    _J.crashes,
    _J.max_attempts,
    _J.priority,
    _J.on_stop,
    _J.run_after,
    _J.waiting_reason,
    _J.created_at,
    _J.started_at,
    _J.finished_at,
    _J.worker,
    _J.revision,
]
"""What `job_of` reads: the number, then the fields of Job in their order."""

_STATES = {state.value: state for state in JobState}
_ON_STOP = {choice.value: choice for choice in OnStop}


def job_of(row: Sequence[Any]) -> Job:
    """Make a Job of a row of JOB_COLUMNS."""
    (
        _number,
        job_id,
        job_type,
        lane,
        state,
        daemon_id,
        daemon_name,
        parent_id,
        key,
        unique,
        args,
        result,
        progress,
        error,
        attempt,
        failures,
        crashes,
        max_attempts,
        priority,
        on_stop,
        *rest,
    ) = row
    return Job(
        job_id,
        job_type,
        lane,
        _STATES[state],
        daemon_id,
        daemon_name,
        parent_id,
        key,
        unique,
        args,
        result,
        Progress(progress["done"], progress["total"], progress["message"]) if progress else None,
        ErrorInfo.from_dict(error) if error else None,
        attempt,
        failures,
        crashes,
        max_attempts,
        priority,
        _ON_STOP[on_stop],
        *rest,
    )


def progress_column(progress: Progress | None) -> dict[str, Any] | None:
    return progress._asdict() if progress else None


def error_column(error: ErrorInfo | None) -> dict[str, Any] | None:
    return error.as_dict() if error else None


def code_column(error: ErrorInfo | None) -> str | None:
    """Return the code of `error` as it is kept beside it, where it can be asked for."""
    return error.code[:CODE_CHARACTERS] if error else None


def failed_with_a_code(daemon_id: str) -> Sequence[ColumnElement[bool]]:
    """Return what tells the jobs of a daemon that have failed, with a code."""
    # Looked for among what has failed: a daemon may have made a hundred thousand jobs that went well.
    of_daemon = func.coalesce(_J.daemon_id, "") == daemon_id
    return _J.state == JobState.FAILED.value, _J.error_code.is_not(None), of_daemon


class Hold(NamedTuple):
    """The right of a worker to write to a job: good until the job is taken by another attempt."""

    job_id: str
    attempt: int
    worker: str


_by_id = select(*JOB_COLUMNS).where(_J.id == bindparam("b_id"))
_by_id_locked = _by_id.with_for_update()


def find(tx: Transaction, job_id: str) -> Job | None:
    """Return the job as it stands in this transaction; nobody else changes it before the commit."""
    row = tx.execute(_by_id_locked, {"b_id": job_id}).first()
    return job_of(row) if row else None
