"""What must be true of the data after any number of deaths, told from outside, row by row."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from sqlalchemy import create_engine, select, text
from sqlalchemy.engine import URL, Connection, Row

from daemons.database.engines import normalise_url
from daemons.models import DaemonHistoryTable, DaemonTable, JobAttemptTable, JobTable, LeaseTable, ManagerTable
from daemons.states import DAEMON_TRANSITIONS, FINISHED_JOB_STATES, DaemonState

ENDS = frozenset(state.value for state in FINISHED_JOB_STATES)
EARLIER_OUTCOMES = frozenset({"failed", "given back", "crashed"})
"""How an attempt may end that was not the last; an accepted end is none of these."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What was counted, and every sentence of what is wrong."""

    jobs: int
    problems: list[str]


def check(database_url: str, acknowledged: Collection[str], *, is_closed: bool = True) -> Findings:
    """Compare the data of a deck that has ended all its jobs with what callers were told.

    `is_closed`: the deck ended politely, so nothing may claim to be running.
    """
    url = normalise_url(database_url)
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            jobs = {row.id: row for row in connection.execute(select(JobTable.__table__))}
            problems = [
                *_of_the_file(connection, url),
                *(f"{job_id}: acknowledged, but not there" for job_id in acknowledged if job_id not in jobs),
                *_of_jobs(connection, jobs.values()),
                *_of_daemons(connection),
                *(_of_a_closed_deck(connection) if is_closed else ()),
            ]
            return Findings(len(jobs), problems)
    finally:
        engine.dispose()


def _of_the_file(connection: Connection, url: URL) -> Iterator[str]:
    if url.get_backend_name() == "sqlite":
        for verdict in connection.execute(text("PRAGMA integrity_check")).scalars():
            if verdict != "ok":
                yield f"integrity_check: {verdict}"
        for orphan in connection.execute(text("PRAGMA foreign_key_check")):
            yield f"foreign_key_check: {tuple(orphan)}"


# Jobs. The attempts before the last are rows of their own; the last one is the job's own row.


def _of_jobs(connection: Connection, jobs: Collection[Row[Any]]) -> Iterator[str]:
    attempts: dict[str, list[Row[Any]]] = {}
    query = select(JobAttemptTable.__table__).order_by(JobAttemptTable.job_id, JobAttemptTable.attempt)
    for row in connection.execute(query):
        attempts.setdefault(row.job_id, []).append(row)
    for job in jobs:
        for sentence in _of_job(job, attempts.get(job.id, [])):
            yield f"{job.id} ({job.type}, {job.state}, attempt {job.attempt}): {sentence}"


def _of_job(job: Row[Any], attempts: Sequence[Row[Any]]) -> Iterator[str]:
    outcomes = Counter(row.outcome for row in attempts)
    if job.state not in ENDS:
        yield f"it never ended; its worker is {job.worker}"
    if second := set(outcomes) - EARLIER_OUTCOMES:
        yield f"an earlier attempt has an accepted end too: {second}"
    if [row.attempt for row in attempts] not in (_upto(job.attempt - 1), _upto(job.attempt)):
        yield f"its attempts are {[row.attempt for row in attempts]}"
    if any(late.started_at < early.finished_at for early, late in pairwise(attempts)):
        yield "an attempt began before the one before it had ended"
    if job.failures > job.max_attempts:
        yield f"it failed {job.failures} times of {job.max_attempts}"
    if job.crashes != outcomes["crashed"]:
        yield f"it counts {job.crashes} crashes, and had {outcomes['crashed']}"
    if job.state == "completed" and job.failures != outcomes["failed"]:
        yield f"it counts {job.failures} failures, and had {outcomes['failed']}"
    if job.state == "completed" and job.type == "chaos_step" and job.result != {"number": job.args["number"]}:
        yield f"its result is {job.result}"
    if (job.state == "completed") is (job.error is not None):
        yield f"its error is {job.error}"


def _upto(attempt: int) -> list[int]:
    return list(range(1, attempt + 1))


# Daemons.


def _of_daemons(connection: Connection) -> Iterator[str]:
    states: dict[str, list[tuple[str, str]]] = {}
    wishes: dict[str, list[tuple[str, str]]] = {}
    query = select(DaemonHistoryTable.__table__).order_by(DaemonHistoryTable.id)
    for row in connection.execute(query):
        if row.kind in ("state", "desired"):
            (states if row.kind == "state" else wishes).setdefault(row.daemon_id, []).append((row.old, row.new))
    for daemon in connection.execute(select(DaemonTable.__table__)):
        yield from (f"{daemon.name}: {sentence}" for sentence in _of_chain(states.get(daemon.id, []), daemon.state))
        yield from (f"{daemon.name}: {sentence}" for sentence in _of_chain(wishes.get(daemon.id, []), daemon.desired))
        for old, new in states.get(daemon.id, []):
            if DaemonState(new) not in DAEMON_TRANSITIONS[DaemonState(old)]:
                yield f"{daemon.name}: it went from {old} to {new}"


def _of_chain(moves: Sequence[tuple[str, str]], present: str) -> Iterator[str]:
    for (_, reached), (left, _) in pairwise(moves):
        if reached != left:
            yield f"it was {reached} and then left {left}"
    if moves and moves[-1][1] != present:
        yield f"its history ends with {moves[-1][1]}, its row says {present}"


def _of_a_closed_deck(connection: Connection) -> Iterator[str]:
    for daemon in connection.execute(select(DaemonTable.__table__)):
        if DaemonState(daemon.state).is_live:
            yield f"{daemon.name}: it is {daemon.state}, and nobody runs it"
        if daemon.current_status is not None:
            yield f"{daemon.name}: it still says {daemon.current_status!r}"
    # A dead holder's lease on a daemon that nobody wants is nobody's trouble, as long as it can be found dead.
    known = set(connection.execute(select(ManagerTable.id)).scalars())
    for lease in connection.execute(select(LeaseTable.__table__).where(LeaseTable.holder.is_not(None))):
        if lease.holder not in known:
            yield f"a lease is held by {lease.holder}, of whom nobody knows"
