"""Writing what steps came to, many in one unit: the record moves on and what was found out is stored, or neither.

Whoever moved a record meanwhile wins: the late outcome is refused, and listed. What a person wrote into it stays.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple, cast

from sqlalchemy import Table, Update, bindparam, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from daemons.database.transaction import Transaction
from daemons.errors import ErrorInfo
from daemons.events import ItemChanged
from daemons.json_values import json_text
from daemons.text import clean
from daemons.workflows.polling.keeper.adding import TITLE_CHARACTERS, add
from daemons.workflows.polling.keeper.families import has_to_wait, heed, is_at_rest
from daemons.workflows.polling.keeper.rows import COLUMNS, RECORDS, TOPIC, record_of
from daemons.workflows.polling.ladder import Ladder, Outcome, Step
from daemons.workflows.polling.pacing import retry_at
from daemons.workflows.polling.records import DONE, REFUSED, Record
from daemons.workflows.polling.tables import RecordStepTable, RecordVectorTable

NOTE_CHARACTERS = 4_000

_R = RECORDS.c
_V = cast(Table, RecordVectorTable.__table__)
_asked = _R.number.in_(bindparam("b_numbers", expanding=True))
_locked = select(_R.id, _R.fence, _R.revision).where(_asked).with_for_update()
_numbers = func.json_each(bindparam("b_numbers")).table_valued("value").c.value
_in_one_row = select(func.json_group_array(func.json_array(_R.id, _R.fence, _R.revision))).where(
    _R.number.in_(select(_numbers))
)
_again = select(*COLUMNS).where(_R.id == bindparam("b_id"))
_AS_THEY_ARE = (
    "title",
    "status",
    "fields",
    "provenance",
    "revision",
    "fence",
    "attempts",
    "parked_at",
    "running_since",
    "status_at",
    "updated_at",
)
"""Columns that hold what the record's fields hold."""
_ON = (*_AS_THEY_ARE, "error", "reasons")
"""Columns that change where a record goes on: it stays in the hands it is in."""
_CHANGED = (*_ON, "is_complete", "due_at", "held_by", "held_attempt")
_as_they_are = itemgetter(*map(Record._fields.index, _AS_THEY_ARE))


def _changing(names: Sequence[str]) -> Update:
    given = {name: bindparam(f"new_{name}", type_=_R[name].type) for name in names}
    return update(RECORDS).where(_R.number == bindparam("b_number")).values(given)


# Two, for SQLite writes each index anew of whose columns one is named, whether it changes or not.
_move, _go_on = _changing(_CHANGED), _changing(_ON)
_MOVED, _GONE_ON = ((*(f"new_{name}" for name in names), "b_number") for names in (_CHANGED, _ON))
_insert_tries = insert(RecordStepTable)
_TRIED = (
    "record",
    "ladder",
    "step",
    "attempt",
    "outcome",
    "old",
    "new",
    "started_at",
    "seconds",
    "by",
    "error",
    "note",
)


class Settled(NamedTuple):
    """A try of a step that is over. Without an `outcome` it failed for `error`."""

    record: Record  #: as it was taken in hand
    step: Step
    started_at: datetime
    seconds: float
    outcome: Outcome | None = None
    error: ErrorInfo | None = None
    word: str = DONE
    is_hopeless: bool = False  #: whether another try would fail as well
    is_away: bool = False  #: whether what it needs is away, as a disk may be: it is waited for, however long it takes
    may_go_on: bool = False  #: whether its holder takes the next step at once
    pause: float = 0.0  #: seconds that it is to be left alone at the least


def settle(
    tx: Transaction, ladders: Mapping[str, Ladder], job_id: str, attempt: int, settled: Sequence[Settled]
) -> list[Record | None]:
    """Store all of it; return each record as it is then, held if it goes on; None for what was refused."""
    found = {record_id: (fence, revision) for record_id, fence, revision in _as_found(tx, settled)}
    after: list[Record | None] = []
    gone_on: list[Record] = []
    others: list[Record] = []
    for one in settled:
        fence, revision = found.get(one.record.id, (None, None))
        if fence != one.record.fence:
            after.append(None)
            continue
        if is_changed := revision != one.record.revision:
            one = _merged(one, record_of(tx.execute(_again, {"b_id": one.record.id}).one()))
        record = _after(tx, ladders, one)
        after.append(record)
        (others if is_changed or record.running_since is None else gone_on).append(record)
    tx.execute_tuples(_go_on, _GONE_ON, [(*_row(record), record.number) for record in gone_on])
    tx.execute_tuples(_move, _MOVED, [(*_row(record), *_place(record, job_id, attempt)) for record in others])
    tries = [_tried(one, record, job_id) for one, record in zip(settled, after, strict=True)]
    tx.execute_tuples(_insert_tries, _TRIED, tries)
    _keep_vectors(tx, settled, after)
    for record in (*gone_on, *others):
        tx.announce(ItemChanged(TOPIC, record.id, record))
    # None of them was at rest, nor complete, while its step was done.
    heed(tx, ladders, [record for record in others if record.is_complete or is_at_rest(record)])
    return after


def _as_found(tx: Transaction, settled: Sequence[Settled]) -> Iterable[Sequence[Any]]:
    """Return id, fence and revision of each record that is still there, locked."""
    # Looked up by number, which is quick, and known by id: SQLite gives the number of a deleted row to another.
    numbers = [one.record.number for one in settled]
    if tx.is_sqlite:
        # With each row that SQLite returns, Python's own lock goes to another thread, and is waited for.
        found: Iterable[Sequence[Any]] = json.loads(
            tx.execute(_in_one_row, {"b_numbers": json_text(numbers)}).scalar_one()
        )
        return found
    return map(tuple, tx.execute(_locked, {"b_numbers": numbers}))


def release(tx: Transaction, records: Sequence[Record]) -> None:
    """Give back what was taken in hand and not begun, or broken off by a polite stop: nothing is counted."""
    change = {"held_by": None, "held_attempt": None, "running_since": None, "due_at": tx.now}
    for record in records:
        mine = (_R.id == record.id) & (_R.fence == record.fence) & _R.held_by.is_not(None)
        for row in tx.execute(update(RECORDS).where(mine).values(change).returning(*COLUMNS)).all():
            tx.announce(ItemChanged(TOPIC, record.id, record_of(row)))


def _after(tx: Transaction, ladders: Mapping[str, Ladder], one: Settled) -> Record:
    record, outcome = one.record, one.outcome
    revision, fence, now = record.revision + 1, record.fence + 1, tx.now
    if outcome is None:
        failed = _failed(one, now)
        return record._replace(revision=revision, fence=fence, running_since=None, updated_at=now, **failed)
    if outcome.children:
        add(tx, ladders, outcome.children, by=one.step.name, parent_id=record.id)
    found_out = _found_out(record, one.step, outcome, now)
    goes_on = record._replace(revision=revision, fence=fence, running_since=now, updated_at=now, **found_out)
    return _placed(tx, ladders[record.ladder], goes_on, may_go_on=one.may_go_on)


def _failed(one: Settled, now: datetime) -> dict[str, Any]:
    """Return what a failure changes about its record."""
    attempts = one.record.attempts + 1
    parked = one.is_hopeless or (attempts >= one.step.max_attempts and not one.is_away)
    return {
        "attempts": attempts,
        "error": one.error,
        "due_at": None if parked else retry_at(now, attempts, one.pause),
        "parked_at": now if parked else None,
    }


def _found_out(record: Record, step: Step, outcome: Outcome, now: datetime) -> dict[str, Any]:
    """Return what an outcome changes about its record, but for what is next."""
    fields, provenance = dict(record.fields), dict(record.provenance)
    at = now.isoformat()
    for name, value in outcome.fields.items():
        if value is None:
            fields.pop(name, None)
            provenance.pop(name, None)
        elif fields.get(name) != value:
            fields[name] = value
            provenance[name] = {"by": step.name, "at": at}
    status = outcome.to or step.to
    title = fields.get("title") or record.title or fields.get("file_name")
    return {
        "title": title if title is record.title else clean(str(title), TITLE_CHARACTERS),
        "status": status,
        "fields": fields,
        "provenance": provenance,
        "attempts": 0,
        "error": None,
        "reasons": tuple(outcome.reasons),
        "parked_at": None,
        "is_complete": False,
        "due_at": None,
        "status_at": now if status != record.status else record.status_at,
    }


def _placed(tx: Transaction, ladder: Ladder, record: Record, *, may_go_on: bool) -> Record:
    """Return the record, which goes on, with what is next for it."""
    step = None if record.status == ladder.awaiting else ladder.next_step(record)
    if step is not None and not has_to_wait(tx, step, record.id):
        return record if may_go_on else record._replace(running_since=None, due_at=tx.now)
    is_complete = step is None and record.status != ladder.awaiting and record.status in ladder.final
    return record._replace(running_since=None, is_complete=is_complete)


def _merged(one: Settled, now: Record) -> Settled:
    """Return the try as one of the record as it is now: what a person wrote into it meanwhile is not overwritten."""
    since = one.record.running_since
    begun = since.isoformat() if since else ""
    kept = {name for name, origin in now.provenance.items() if name in now.fields and origin.get("at", "") > begun}
    outcome = one.outcome
    if outcome is not None:
        outcome = replace(outcome, fields={name: value for name, value in outcome.fields.items() if name not in kept})
    return one._replace(record=now, outcome=outcome)


def _row(record: Record) -> tuple[Any, ...]:
    """Return the values of _ON."""
    return (
        *_as_they_are(record),
        record.error.as_dict() if record.error else None,
        [reason.as_dict() for reason in record.reasons] or None,
    )


def _place(record: Record, job_id: str, attempt: int) -> tuple[Any, ...]:
    """Return those of _MOVED that come after them."""
    held = record.running_since is not None
    return record.is_complete, record.due_at, job_id if held else None, attempt if held else None, record.number


def _tried(one: Settled, after: Record | None, job_id: str) -> tuple[Any, ...]:
    """Return the values of _TRIED."""
    record = one.record
    note = one.outcome.note if one.outcome else None
    return (
        record.number,
        record.ladder,
        one.step.name,
        record.attempts + 1,
        one.word if after is not None else REFUSED,
        record.status,
        after.status if after is not None else record.status,
        one.started_at,
        one.seconds,
        job_id,
        one.error.as_dict() if one.error else None,
        clean(note, NOTE_CHARACTERS, keep_newlines=True) if note else None,
    )


def _keep_vectors(tx: Transaction, settled: Sequence[Settled], after: Sequence[Record | None]) -> None:
    rows = [
        {
            "record": one.record.number,
            "space": one.outcome.vector[0],
            "vector": one.outcome.vector[1],
            "made_at": tx.now,
        }
        for one, record in zip(settled, after, strict=True)
        if record is not None and one.outcome is not None and one.outcome.vector is not None
    ]
    for row in rows:
        make = sqlite.insert if tx.is_sqlite else postgresql.insert
        put = make(_V).values(row)
        fresh = {"vector": row["vector"], "made_at": row["made_at"]}
        tx.execute(put.on_conflict_do_update(index_elements=[_V.c.record, _V.c.space], set_=fresh))
