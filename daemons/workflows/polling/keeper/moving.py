"""What people and other systems do to records: write fields, move them, have them tried again, lock a form."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from daemons.database.transaction import Transaction
from daemons.errors import Conflict, Invalid
from daemons.events import ItemChanged
from daemons.text import clean
from daemons.workflows.polling.keeper.adding import FIELDS_BYTES, TITLE_CHARACTERS, checked_fields, provenance
from daemons.workflows.polling.keeper.families import has_to_wait, heed, is_at_rest
from daemons.workflows.polling.keeper.rows import COLUMNS, RECORDS, TOPIC, StaleRecord, record_of, unknown_record
from daemons.workflows.polling.ladder import Ladder
from daemons.workflows.polling.records import MOVED, Record
from daemons.workflows.polling.tables import RecordStepTable

LOCK_SECONDS = 120.0
"""How long a form is one person's; whoever goes on writing renews it."""

_R = RECORDS.c
_one = select(*COLUMNS).where(_R.id == bindparam("b_id")).with_for_update()


class RecordLocked(Conflict):
    """Somebody else is writing into the record."""

    code = "ERR_RECORD_LOCKED"


class NotThere(Conflict):
    """The record is at no place where this could be done."""

    code = "ERR_RECORD_ELSEWHERE"


class StatusNotOnLadder(Invalid):
    """The ladder knows no such status."""

    code = "ERR_UNKNOWN_STATUS"


def edit(
    tx: Transaction,
    ladders: Mapping[str, Ladder],
    record_id: str,
    fields: Mapping[str, Any],
    *,
    who: str,
    revision: int | None = None,
) -> Record:
    """Store what a person wrote; a record that waits for a person, or is parked, is looked at again at once.

    A field that is None or empty is removed. Raises UnknownRecord, StaleRecord, RecordLocked, Invalid.
    """
    record = _find(tx, record_id, who, revision)
    given = checked_fields(fields)
    kept = {name: value for name, value in given.items() if value not in (None, "", [])}
    known = {name: value for name, value in record.fields.items() if name not in given}
    origins = {name: origin for name, origin in record.provenance.items() if name not in given}
    written = {name: value for name, value in kept.items() if record.fields.get(name) != value}
    same = {name: record.provenance[name] for name in kept.keys() - written.keys() if name in record.provenance}
    everything = checked_fields({**known, **kept})
    change: dict[str, Any] = {
        "fields": everything,
        "provenance": {**origins, **same, **provenance(written, who, tx)},
        "title": clean(str(everything.get("title") or record.title), TITLE_CHARACTERS),
        "edited_by": None,
        "edited_until": None,
    }
    ladder = ladders.get(record.ladder)
    if ladder and (record.status == ladder.awaiting or record.parked_at) and record.running_since is None:
        must_wait = has_to_wait(tx, ladder.next_step(record._replace(fields=everything)), record.id)
        change |= {"due_at": None if must_wait else tx.now, "parked_at": None, "attempts": 0}
    return _store(tx, ladders, record, change)


def move(
    tx: Transaction,
    ladders: Mapping[str, Ladder],
    record_id: str,
    status: str,
    *,
    who: str,
    note: str | None = None,
    revision: int | None = None,
) -> Record:
    """Put the record at `status`, where its next step is due at once; a step in hand comes to nothing.

    Raises UnknownRecord, StaleRecord, RecordLocked, StatusNotOnLadder.
    """
    record = _find(tx, record_id, who, revision)
    ladder = ladders.get(record.ladder)
    if ladder is None or status not in ladder.statuses:
        remedy = f"There are: {', '.join(ladder.statuses)}." if ladder is not None else None
        said = f"{clean(status, 100)} is no status of {clean(record.ladder, 63)}."
        raise StatusNotOnLadder(said, remedy=remedy)
    there = record._replace(status=status)
    step = ladder.next_step(there) if status != ladder.awaiting else None
    change: dict[str, Any] = {
        "status": status,
        "status_at": tx.now,
        "fence": record.fence + 1,
        "held_by": None,
        "held_attempt": None,
        "running_since": None,
        "attempts": 0,
        "error": None,
        "reasons": None,
        "parked_at": None,
        "due_at": None if step is None or has_to_wait(tx, step, record.id) else tx.now,
        "is_complete": step is None and status in ladder.final,
    }
    tried = {
        "record": record.number,
        "ladder": record.ladder,
        "step": "",
        "attempt": 0,
        "outcome": MOVED,
        "old": record.status,
        "new": status,
        "started_at": tx.now,
        "seconds": 0.0,
        "by": clean(who, 100),
        "note": clean(note, FIELDS_BYTES, keep_newlines=True) if note else None,
    }
    tx.execute(insert(RecordStepTable).values(tried))
    return _store(tx, ladders, record, change)


def retry(tx: Transaction, ladders: Mapping[str, Ladder], record_id: str, *, who: str) -> Record:
    """Have the step be tried now, its failures forgotten; one that needs what is below it waits for that first.

    Raises UnknownRecord, and Conflict when none failed.
    """
    record = _find(tx, record_id, who, None)
    if record.running_since is not None:
        raise NotThere(f"{record.code} is in hand at the moment.")
    if record.parked_at is None and record.error is None:
        raise NotThere(f"Nothing of {record.code} has failed.")
    ladder = ladders.get(record.ladder)
    must_wait = ladder is not None and has_to_wait(tx, ladder.next_step(record), record.id)
    return _store(tx, ladders, record, {"due_at": None if must_wait else tx.now, "parked_at": None, "attempts": 0})


def lock(tx: Transaction, record_id: str, *, who: str) -> Record:
    """Make the record's form that person's for LOCK_SECONDS, or for longer. Raises UnknownRecord, RecordLocked."""
    record = _find(tx, record_id, who, None)
    until = tx.now + timedelta(seconds=LOCK_SECONDS)
    return _store(tx, {}, record, {"edited_by": clean(who, 100), "edited_until": until})


def unlock(tx: Transaction, record_id: str, *, who: str) -> Record:
    """Give the form back. Raises UnknownRecord, RecordLocked."""
    return _store(tx, {}, _find(tx, record_id, who, None), {"edited_by": None, "edited_until": None})


def _find(tx: Transaction, record_id: str, who: str, revision: int | None) -> Record:
    row = tx.execute(_one, {"b_id": record_id}).first()
    if row is None:
        raise unknown_record(record_id)
    record = record_of(row)
    if revision is not None and revision != record.revision:
        raise StaleRecord(record.code, revision, record.revision)
    is_locked = record.edited_until is not None and record.edited_until > tx.now
    if is_locked and record.edited_by != clean(who, 100):
        raise RecordLocked(f"{record.edited_by} is writing into {record.code}.", remedy="Wait for a minute or two.")
    return record


def _store(tx: Transaction, ladders: Mapping[str, Ladder], record: Record, change: dict[str, Any]) -> Record:
    change |= {"revision": record.revision + 1, "updated_at": tx.now}
    changed = record_of(tx.execute(update(RECORDS).where(_R.id == record.id).values(change).returning(*COLUMNS)).one())
    tx.announce(ItemChanged(TOPIC, record.id, changed))
    if (changed.is_complete, is_at_rest(changed)) != (record.is_complete, is_at_rest(record)):
        heed(tx, ladders, [changed])
    return changed
