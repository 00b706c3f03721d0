"""Taking records in hand for their next step, and taking them back from whoever died holding them.

A record is held by one attempt of one job. The fence goes up with every claim; what is written under an older one is
refused.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, exists, func, insert, select, update

from daemons.database.transaction import Transaction
from daemons.errors import ErrorInfo
from daemons.events import ItemChanged
from daemons.jobs.rows import IS_HELD, JOBS
from daemons.workflows.polling.keeper.families import has_to_wait, heed
from daemons.workflows.polling.keeper.rows import COLUMNS, RECORDS, TOPIC, record_of
from daemons.workflows.polling.ladder import Ladder
from daemons.workflows.polling.records import LOST, Record
from daemons.workflows.polling.tables import RecordStepTable

_R = RECORDS.c
_due = (
    select(_R.number)
    .where(_R.ladder.in_(bindparam("b_ladders", expanding=True)), _R.due_at <= bindparam("b_now", type_=_R.due_at.type))
    .order_by(_R.due_at, _R.number)
    .limit(bindparam("b_limit"))
    .with_for_update(skip_locked=True)
)
_claim = (
    update(RECORDS)
    .where(_R.number.in_(_due.scalar_subquery()))
    .values(
        held_by=bindparam("b_job"),
        held_attempt=bindparam("b_attempt"),
        fence=_R.fence + 1,
        running_since=bindparam("b_now", type_=_R.due_at.type),
        due_at=None,
    )
    .returning(*COLUMNS)
)
_first_due = select(func.min(_R.due_at)).where(
    _R.ladder.in_(bindparam("b_ladders", expanding=True)), _R.due_at.is_not(None)
)
_holder_lives = exists(select(JOBS.c.id).where(JOBS.c.id == _R.held_by, JOBS.c.attempt == _R.held_attempt, IS_HELD))
_of_dead = select(*COLUMNS, _R.held_by).where(_R.held_by.is_not(None), ~_holder_lives).with_for_update(skip_locked=True)


def due_of(ladders: Collection[str]) -> Select[tuple[datetime | None]]:
    """Return the question when the first record of these ladders that waits is due, or was."""
    return _first_due.params(b_ladders=[*ladders])


def claim(tx: Transaction, ladders: Collection[str], job_id: str, attempt: int, limit: int) -> list[Record]:
    """Return up to `limit` records whose next step is due, those that wait longest first; they are held now."""
    given = {"b_ladders": [*ladders], "b_now": tx.now, "b_limit": limit, "b_job": job_id, "b_attempt": attempt}
    return sorted((record_of(row) for row in tx.execute(_claim, given)), key=lambda record: record.number)


def next_due(tx: Transaction, ladders: Collection[str]) -> datetime | None:
    """Return when the first record that waits is due."""
    found: datetime | None = tx.execute(_first_due, {"b_ladders": [*ladders]}).scalar()
    return found


def has_open(tx: Transaction, ladders: Collection[str]) -> bool:
    """Whether a record of these ladders is due, now or later, or held."""
    is_open = exists(select(_R.id).where(_R.ladder.in_([*ladders]), _R.due_at.is_not(None) | _R.held_by.is_not(None)))
    return bool(tx.execute(select(is_open)).scalar())


def take_back(tx: Transaction, ladders: Mapping[str, Ladder]) -> int:
    """Free what is held by attempts that are over: the step counts as tried. Return how many there were."""
    rows = tx.execute(_of_dead).all()
    parked_now: list[Record] = []
    for row in rows:
        record, held_by = record_of(row[:-1]), row[-1]
        ladder = ladders.get(record.ladder)
        step = ladder.next_step(record) if ladder else None
        attempts = record.attempts + 1
        must_wait = has_to_wait(tx, step, record.id)
        parked = attempts >= (step.max_attempts if step else 1)
        error = ErrorInfo("ERR_STEP_LOST", "The process that did the step ended.", None, "It is tried again by itself.")
        change: dict[str, Any] = {
            "held_by": None,
            "held_attempt": None,
            "running_since": None,
            "attempts": attempts,
            "error": error.as_dict(),
            "due_at": None if parked or must_wait else tx.now,
            "parked_at": tx.now if parked else None,
            "revision": record.revision + 1,
            "updated_at": tx.now,
        }
        freed = record_of(
            tx.execute(update(RECORDS).where(_R.id == record.id).values(change).returning(*COLUMNS)).one()
        )
        parked_now += [freed] if parked else []
        tried = {
            "record": record.number,
            "ladder": record.ladder,
            "step": step.name if step else "",
            "attempt": attempts,
            "outcome": LOST,
            "old": record.status,
            "new": record.status,
            "started_at": record.running_since or tx.now,
            "seconds": 0.0,
            "by": held_by,
            "error": error.as_dict(),
        }
        tx.execute(insert(RecordStepTable).values(tried))
        tx.announce(ItemChanged(TOPIC, record.id, freed))
    heed(tx, ladders, parked_now)
    return len(rows)
