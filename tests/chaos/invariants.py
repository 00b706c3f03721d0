"""What must be true of the data after any number of deaths."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import create_engine, select, text
from sqlalchemy.engine import URL, Connection

from daemons.database import normalise_url
from daemons.models import JobAttemptTable, JobTable
from daemons.states import FINISHED_JOB_STATES

ACCEPTED_ENDS = frozenset(state.value for state in FINISHED_JOB_STATES)


@dataclass(frozen=True, slots=True)
class Findings:
    """What was counted, and every sentence of what is wrong."""

    jobs: int
    problems: list[str]


def check(database_url: str, acknowledged: Collection[str]) -> Findings:
    """Read the data from outside and compare it with what callers were told."""
    url = normalise_url(database_url)
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return _check(connection, url, acknowledged)
    finally:
        engine.dispose()


def _check(connection: Connection, url: URL, acknowledged: Collection[str]) -> Findings:
    problems: list[str] = []
    if url.get_backend_name() == "sqlite":
        verdict = connection.execute(text("PRAGMA integrity_check")).scalar()
        if verdict != "ok":
            problems.append(f"integrity_check: {verdict}")
    jobs = {row.id: row for row in connection.execute(select(JobTable.__table__))}
    ends: dict[str, list[str]] = {}
    for row in connection.execute(select(JobAttemptTable.__table__)):
        ends.setdefault(row.job_id, []).append(row.outcome)
    problems += [f"acknowledged, but not there: {job_id}" for job_id in acknowledged if job_id not in jobs]
    for job_id, job in jobs.items():
        outcomes = ends.get(job_id, [])
        if job.state not in ACCEPTED_ENDS:
            problems.append(f"{job_id} never ended: {job.state}, attempt {job.attempt}, worker {job.worker}")
        if outcomes.count("completed") > 1:
            problems.append(f"{job_id} was completed {outcomes.count('completed')} times")
        if "completed" in outcomes and job.state != "completed":
            problems.append(f"{job_id} was completed and is {job.state}: a success was overwritten")
        if job.failures > job.max_attempts:
            problems.append(f"{job_id} failed {job.failures} times of {job.max_attempts}")
    return Findings(len(jobs), problems)
