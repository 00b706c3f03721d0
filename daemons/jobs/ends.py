"""Writing how attempts ended, many in one unit. The fence holds: whoever lost a job cannot end it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, assert_never

from sqlalchemy import bindparam, select, update

from daemons.database.transaction import Transaction
from daemons.errors import ErrorInfo
from daemons.events import JobChanged
from daemons.jobs.attempts import attempt_row, hold_of, keep_attempts, refuse, was_kept
from daemons.jobs.outcomes import (
    NAMES,
    STATES,
    Cancelled,
    Completed,
    Ending,
    Failed,
    GivenBack,
    Lost,
    Outcome,
    TriedAgain,
    cancelled,
)
from daemons.jobs.rows import IS_HELD, JOBS, code_column, error_column, progress_column
from daemons.journal import record_history
from daemons.states import JobState
from daemons.values import Job

_J = JOBS.c
_present = (
    select(_J.id, _J.attempt, _J.worker, _J.state, _J.error, _J.revision)
    .where(_J.id.in_(bindparam("ids", expanding=True)), IS_HELD)
    .with_for_update()
)
_end = (
    update(JOBS)
    .where(_J.id == bindparam("b_id"), _J.attempt == bindparam("b_attempt"), _J.worker == bindparam("b_worker"))
    .values(
        state=bindparam("new_state"),
        result=bindparam("new_result", type_=_J.result.type),
        error=bindparam("new_error", type_=_J.error.type),
        error_code=bindparam("new_code"),
        progress=bindparam("new_progress", type_=_J.progress.type),
        failures=bindparam("new_failures"),
        crashes=bindparam("new_crashes"),
        run_after=bindparam("new_run_after", type_=_J.run_after.type),
        finished_at=bindparam("new_finished_at", type_=_J.finished_at.type),
        waiting_reason=bindparam("new_reason"),
        worker=bindparam("new_worker"),
        revision=bindparam("new_revision"),
    )
)


def end_all(tx: Transaction, endings: Sequence[Ending]) -> list[Job | None]:
    """Write how several attempts ended; return each job as it is now, None where the end came too late."""
    # Read with a lock, then written with the same fence: nothing comes between, on either database.
    rows = tx.execute(_present, {"ids": [ending.job.id for ending in endings]})
    present = {(row.id, row.attempt, row.worker): row for row in rows}
    ended = [_decide(tx, ending, present.pop(hold_of(ending.job), None)) for ending in endings]
    changed = [(ending, job) for ending, job in zip(endings, ended, strict=True) if job is not None]
    tx.execute_many(_end, [_row_of(ending.job, job) for ending, job in changed])
    # The last attempt of a finished job stands in the job's own row: most jobs need no second one.
    earlier = [(ending.job, ending.outcome) for ending, job in changed if not job.is_finished]
    keep_attempts(tx, [attempt_row(tx, job, NAMES[type(outcome)], _error_of(outcome)) for job, outcome in earlier])
    for ending, job in changed:
        if job.daemon_id is not None:
            record_history(tx, job.daemon_id, "job", ending.job.state, job.state, job.type, job.id)
        tx.announce(JobChanged(job))
    return ended


def _decide(tx: Transaction, ending: Ending, present: Any) -> Job | None:
    if present is None:
        # A commit whose answer was lost is repeated: what stands there already is our own.
        if not was_kept(tx, hold_of(ending.job)):
            refuse(tx, hold_of(ending.job), "finish", f"The attempt ended as {NAMES[type(ending.outcome)]}.")
        return None
    outcome = ending.outcome
    if present.state == JobState.CANCELLING:
        asked = ErrorInfo.from_dict(present.error) if present.error else cancelled("It was cancelled.")
        outcome = _under_cancel(outcome, asked)
    # Pages may have seen pictures with revisions of the worker's own counting.
    revision = max(present.revision, ending.job.revision) + 1
    return replace(_after(tx, ending.job, outcome), revision=revision)


def _under_cancel(outcome: Outcome, asked: ErrorInfo) -> Outcome:
    """Somebody asked for the end: only a result still counts, everything else is the cancel."""
    match outcome:
        case Completed():
            return outcome
        case Cancelled(error):
            return Cancelled(replace(asked, detail=error.detail, cause=error.cause))
        case _:
            return Cancelled(replace(asked, cause=_error_of(outcome)))


def _after(tx: Transaction, job: Job, outcome: Outcome) -> Job:
    """Return the job after `outcome`. The claim counted a failure and a crash; what did not happen is taken back."""
    state = STATES[type(outcome)]
    finished_at = tx.now if state.is_finished else None
    done = replace(job, state=state, crashes=job.crashes - 1, finished_at=finished_at, waiting_reason=None)
    match outcome:
        case Completed(result):
            return replace(done, failures=job.failures - 1, result=result, error=None)
        case Failed(error):
            return replace(done, error=error)
        case TriedAgain(error, run_after):
            reason = f"Try {job.failures + 1} of {job.max_attempts} at {run_after:%H:%M:%S} UTC"
            return replace(done, error=error, run_after=run_after, waiting_reason=reason, worker=None)
        case Cancelled(error):
            return replace(done, failures=job.failures - 1, error=error)
        case GivenBack():
            return replace(done, failures=job.failures - 1, worker=None)
        case Lost():
            raise AssertionError("a lost attempt has no end to write")
        case _:
            assert_never(outcome)


def _row_of(held: Job, job: Job) -> dict[str, Any]:
    return {
        "b_id": held.id,
        "b_attempt": held.attempt,
        "b_worker": held.worker,
        "new_state": job.state.value,
        "new_result": job.result,
        "new_error": error_column(job.error),
        "new_code": code_column(job.error),
        "new_progress": progress_column(job.progress),
        "new_failures": job.failures,
        "new_crashes": job.crashes,
        "new_run_after": job.run_after,
        "new_finished_at": job.finished_at,
        "new_reason": job.waiting_reason,
        "new_worker": job.worker,
        "new_revision": job.revision,
    }


def _error_of(outcome: Outcome) -> ErrorInfo | None:
    return outcome.error if isinstance(outcome, Failed | TriedAgain | Cancelled) else None
