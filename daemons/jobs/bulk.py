"""One command for many jobs, in a few statements: a slice of an operation is one unit."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import bindparam, insert, select, update

from daemons.database.transaction import Transaction
from daemons.errors import Conflict
from daemons.events import JobChanged
from daemons.jobs.attempts import attempt_row
from daemons.jobs.requests import REQUEUED, cancel, retry
from daemons.jobs.rows import IS_UNFINISHED, JOB_COLUMNS, JOBS, find, job_of
from daemons.journal import record_history
from daemons.models import JobAttemptTable
from daemons.values import Job

CHANGED = "ERR_JOB_CHANGED"
"""The job has gone on since it was chosen."""

_J = JOBS.c
_chosen = select(*JOB_COLUMNS).where(_J.id.in_(bindparam("ids", expanding=True))).order_by(_J.number).with_for_update()
_kept = select(JobAttemptTable.job_id, JobAttemptTable.attempt).where(
    JobAttemptTable.job_id.in_(bindparam("ids", expanding=True))
)
_requeue_all = (
    update(JOBS)
    .where(_J.id.in_(bindparam("ids", expanding=True)), ~IS_UNFINISHED)
    .values(**REQUEUED)
    .returning(*JOB_COLUMNS)
)


@dataclass(slots=True)
class Acted:
    """What became of a command for several jobs: those that heeded it, and the code of each refusal by id."""

    jobs: list[Job] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def retry_each(tx: Transaction, wanted: Sequence[tuple[str, int]]) -> Acted:
    """Queue finished jobs again, given as (id, attempt); one that has gone on since is left as it is."""
    ids = [job_id for job_id, _ in wanted]
    present = {job.id: job for job in map(job_of, tx.execute(_chosen, {"ids": ids}).all())}
    acted, ready = Acted(), list[Job]()
    for job_id, attempt in wanted:
        job = present.get(job_id)
        if job is None:
            acted.refused[job_id] = "ERR_UNKNOWN_JOB"
        elif not job.is_finished:
            acted.refused[job_id] = "ERR_JOB_UNFINISHED"
        elif job.attempt != attempt:
            acted.refused[job_id] = CHANGED
        elif job.unique is None:
            ready.append(job)
        else:
            # Its name may be taken, even by another of these: one after the other.
            try:
                acted.jobs.append(retry(tx, job_id))
            except Conflict as error:
                acted.refused[job_id] = error.error_code
    acted.jobs += _requeue(tx, ready)
    return acted


def _requeue(tx: Transaction, ready: Sequence[Job]) -> list[Job]:
    if not ready:
        return []
    ids = [job.id for job in ready]
    kept = {(row.job_id, row.attempt) for row in tx.execute(_kept, {"ids": ids})}
    missing = [job for job in ready if job.attempt > 0 and (job.id, job.attempt) not in kept]
    if missing:
        rows = [attempt_row(tx, job, job.state.value, job.error) for job in missing]
        tx.execute(insert(JobAttemptTable), rows)
    jobs = [job_of(row) for row in tx.execute(_requeue_all, {"ids": ids, "now": tx.now})]
    for job in jobs:
        if job.daemon_id is not None:
            record_history(tx, job.daemon_id, "job", None, job.state, f"{job.type}, retried", job.id)
        tx.announce(JobChanged(job))
    return jobs


def cancel_each(tx: Transaction, ids: Sequence[str], reason: str) -> Acted:
    """Cancel unfinished jobs and their children."""
    acted = Acted()
    for job_id in ids:
        job = find(tx, job_id)
        if job is None:
            acted.refused[job_id] = "ERR_UNKNOWN_JOB"
        elif job.is_finished:
            acted.refused[job_id] = "ERR_JOB_FINISHED"
        else:
            acted.jobs.append(cancel(tx, job_id, reason))
    return acted
