"""Records that also live in another system: what was changed there is taken, what was changed here is to be sent.

Both sides are compared with what they were when they were last the same, field by field: whoever differs has changed
it. Where both have, the other system wins: there people write. Values are compared as the other system spells them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from sqlalchemy import Table, bindparam, func, select, update

from daemons.database.transaction import Transaction
from daemons.errors import ErrorInfo, Invalid
from daemons.events import ItemChanged
from daemons.text import clean
from daemons.values import JsonValue
from daemons.workflows.polling.keeper.adding import add, go_on_after, number_of
from daemons.workflows.polling.keeper.families import has_to_wait, heed
from daemons.workflows.polling.keeper.moving import RecordLocked, edit, move
from daemons.workflows.polling.keeper.rows import COLUMNS, RECORDS, TOPIC, record_of
from daemons.workflows.polling.ladder import Ladder
from daemons.workflows.polling.records import NewRecord, Record, Try
from daemons.workflows.polling.tables import RecordStepTable

CODE_CHARACTERS = 32
TAKEN_AT_ONCE = 50
"""Records in one unit: others that write wait no longer than for these."""
Spell = Callable[[str, JsonValue], str]
"""Returns a field's value as the other system spells it, empty for None."""

_R = RECORDS.c
_S = cast(Table, RecordStepTable.__table__).c
_REMOTE = [_R.remote_id, _R.remote_revision, _R.remote_seen, _R.remote_synced]
_TRY = [_S.step, _S.attempt, _S.outcome, _S.old, _S.new, _S.started_at, _S.seconds, _S.by, _S.error, _S.note]
_known = (
    select(*COLUMNS, *_REMOTE)
    .where(_R.ladder == bindparam("b_ladder"), _R.remote_id.in_(bindparam("b_remotes", expanding=True)))
    .with_for_update()
)
_by_id = select(*COLUMNS, *_REMOTE).where(_R.id == bindparam("b_id")).with_for_update()
_with_code = select(_R.code).where(
    _R.ladder == bindparam("b_ladder"), _R.code.in_(bindparam("b_codes", expanding=True))
)
_ADOPTED = (
    "remote_id",
    "remote_revision",
    "remote_seen",
    "remote_synced",
    "remote_parent",
    "due_at",
    "is_complete",
)
_adopt = (
    update(RECORDS)
    .where(_R.id == bindparam("b_id"))
    .values({name: bindparam(f"new_{name}", type_=_R[name].type) for name in _ADOPTED})
)
_waiting_for = select(_R.remote_parent).where(_R.remote_parent.in_(bindparam("b_codes", expanding=True)))
_parent = select(_R.id).where(_R.ladder != bindparam("b_ladder"), _R.code == bindparam("b_code")).order_by(_R.number)


@dataclass(frozen=True, slots=True)
class Side:
    """A record's status and fields as the other system spells them."""

    status: str
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seen:
    """A record as it is in the other system."""

    remote_id: str
    revision: str
    side: Side
    values: Mapping[str, JsonValue]  #: the fields as we keep them
    source: str
    code: str = ""
    parent_code: str = ""


@dataclass(frozen=True, slots=True)
class Unsent:
    """A record that differs from what the other system has, and what happened since that was last told there."""

    record: Record
    remote_id: str
    remote_revision: str
    base: Side  #: when both were last the same
    tries: Sequence[Try] = ()  #: oldest first
    told: int = 0  #: the last of `tries`, by its number


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of sending: the record as it is there now."""

    unsent: Unsent
    seen: Seen


def take(
    tx: Transaction, ladders: Mapping[str, Ladder], ladder: str, seen: Sequence[Seen], spell: Spell, by: str
) -> tuple[int, int, int]:
    """Add what is new and take over what was changed there; return how many were added, changed and left for later.

    One that somebody has open in a form is left; it comes again, because its revision is not noted.
    """
    rows = tx.execute(_known, {"b_ladder": ladder, "b_remotes": [one.remote_id for one in seen]})
    known = {row.remote_id: row for row in rows}
    added = _add(tx, ladders, ladders[ladder], [one for one in seen if one.remote_id not in known], by)
    changed = left = 0
    for one in seen:
        row = known.get(one.remote_id)
        if row is not None and row.remote_revision != one.revision:
            try:
                _merge(tx, ladders, row, one, spell, by)
                changed += 1
            except RecordLocked:
                left += 1
    return added, changed, left


def note_sending(tx: Transaction, sending: Sequence[tuple[Unsent, Side]]) -> None:
    """Note what is about to be written there, so that it is not taken for somebody else's if this process dies now."""
    for unsent, side in sending:
        seen = _stored(unsent.base, _told_before(tx, unsent), side)
        tx.execute(update(RECORDS).where(_R.id == unsent.record.id).values(remote_seen=seen))


def note_sent(tx: Transaction, ladders: Mapping[str, Ladder], sent: Sequence[Sent], spell: Spell, by: str) -> None:
    """Note what the other system has now, and take over what others had changed there."""
    for one in sent:
        row = tx.execute(_by_id, {"b_id": one.unsent.record.id}).first()
        if row is None or row.remote_id != one.unsent.remote_id:
            continue
        is_latest = row.revision == one.unsent.record.revision
        try:
            record = _merge(tx, ladders, row, one.seen, spell, by)
        except RecordLocked:
            # What others changed waits for the form to be closed; until then the revision there is not known to us.
            continue
        synced = record.revision if is_latest else one.unsent.record.revision
        seen = _stored(one.seen.side, one.unsent.told)
        tx.execute(update(RECORDS).where(_R.id == record.id).values(remote_seen=seen, remote_synced=synced))


def note_gone(tx: Transaction, record_ids: Sequence[str]) -> None:
    """Note that records were deleted there: nothing of them is sent any more, and here they go on."""
    tx.execute(update(RECORDS).where(_R.id.in_(record_ids)).values(remote_revision=None))


def unsent_of(ladder: str, limit: int, after: int) -> Any:
    """Return the query for records that are to be sent, by number."""
    is_unsent = _R.remote_revision.is_not(None) & (_R.remote_synced < _R.revision)
    mine = select(*COLUMNS, *_REMOTE).where(_R.ladder == ladder, _R.number > after, is_unsent)
    return mine.order_by(_R.number).limit(limit)


def tries_of(numbers: Sequence[int], since: int) -> Any:
    """Return the query for what happened to records after the try numbered `since`."""
    mine = select(_S.record, _S.id, *_TRY).where(_S.record.in_(numbers), _S.id > since)
    return mine.order_by(_S.id)


def unsent(rows: Sequence[Any], tries: Sequence[Any]) -> list[Unsent]:
    """Return what rows of both queries say."""
    found = []
    for row in rows:
        record, (remote_id, revision, seen, _) = record_of(row[: len(COLUMNS)]), row[len(COLUMNS) :]
        before = told_of(seen)
        mine = [one for one in tries if one[0] == record.number and one[1] > before]
        told = mine[-1][1] if mine else before
        found.append(Unsent(record, remote_id, revision, _base(seen), [Try.of(one[2:]) for one in mine], told))
    return found


def told_of(seen: Mapping[str, Any] | None) -> int:
    """Return the number of the last try that the other system was told of."""
    return int((seen or {}).get("told", 0))


def revisions_of(ladder: str, remote_ids: Sequence[str]) -> Any:
    """Return the query for the revisions that are known of these."""
    return select(_R.remote_id, _R.remote_revision).where(_R.ladder == ladder, _R.remote_id.in_(remote_ids))


def open_of(ladder: str) -> Any:
    """Return the query for records there that are not complete here, and of which nothing is to be sent."""
    is_sent = _R.remote_revision.is_not(None) & (_R.remote_synced >= _R.revision)
    return select(_R.remote_id, _R.id).where(_R.ladder == ladder, _R.is_complete.is_(False), is_sent)


def _add(tx: Transaction, ladders: Mapping[str, Ladder], ladder: Ladder, seen: Sequence[Seen], by: str) -> int:
    """Make records of those at a status of the ladder, and return how many they were."""
    fit = [one for one in seen if one.side.status in ladder.statuses]
    codes = _free_codes(tx, ladder, fit)
    adopted, made = [], list[Record]()
    for one in fit:
        fields = {name: value for name, value in one.values.items() if value not in (None, "", [])}
        title = str(fields.get("title") or str(fields.get("file_path") or "").rpartition("/")[2])
        parent_code = clean(one.parent_code, CODE_CHARACTERS) or None
        parent_id = _id_of(tx, ladder, parent_code) if parent_code else None
        new = NewRecord(ladder.name, one.side.status, one.source, title, fields, codes.get(one.remote_id))
        (record,) = add(tx, dict(ladders), [new], by=by, parent_id=parent_id)
        step = ladder.next_step(record)
        is_due = step is not None and not has_to_wait(tx, step, record.id)
        made.append(record)
        adopted.append(
            {
                "b_id": record.id,
                "new_remote_id": one.remote_id,
                "new_remote_revision": one.revision,
                "new_remote_seen": _stored(one.side, _last_try(tx, record) if record.revision > 1 else 0),
                "new_remote_synced": record.revision,
                "new_remote_parent": parent_code if record.parent_id is None else None,
                "new_due_at": record.due_at if is_due else None,
                "new_is_complete": step is None and record.status in ladder.final,
            }
        )
    if adopted:
        tx.execute(_adopt, adopted)
        heed(tx, ladders, [*made, *_take_in_orphans(tx, made)])
    return len(adopted)


def _take_in_orphans(tx: Transaction, parents: Sequence[Record]) -> list[Record]:
    """Put those that came before the record above them below it; return them."""
    by_code = {parent.code: parent for parent in parents}
    waiting = set(tx.execute(_waiting_for, {"b_codes": [*by_code]}).scalars())
    taken_in = []
    for parent in (by_code[code] for code in sorted(waiting)):
        orphan = (_R.remote_parent == parent.code) & (_R.ladder != parent.ladder)
        change = {"parent_id": parent.id, "remote_parent": None, "updated_at": tx.now}
        for row in tx.execute(update(RECORDS).where(orphan).values(change).returning(*COLUMNS)).all():
            taken_in.append(record_of(row))
            tx.announce(ItemChanged(TOPIC, taken_in[-1].id, taken_in[-1]))
    return taken_in


def _merge(tx: Transaction, ladders: Mapping[str, Ladder], row: Any, seen: Seen, spell: Spell, by: str) -> Record:
    """Take over what was changed there. Raises RecordLocked when something was, and somebody writes into the form."""
    record, was_synced = record_of(row[: len(COLUMNS)]), row.remote_synced == row.revision
    base, sending = _base(row.remote_seen), _sending(row.remote_seen)
    given = {
        name: seen.values.get(name)
        for name, theirs in seen.side.fields.items()
        if theirs not in (base.fields.get(name, ""), sending.fields.get(name))
        and theirs != spell(name, record.fields.get(name))
    }
    if given:
        try:
            record = edit(tx, ladders, record.id, given, who=by)
        except Invalid:
            # What cannot be kept here, such as half a character, stays there alone.
            given = {}
    if seen.side.status not in (base.status, sending.status, record.status):
        record = _moved(tx, ladders, record, seen.side.status, by)
    change = {
        "remote_revision": seen.revision,
        "remote_seen": _stored(seen.side, told_of(row.remote_seen)),
        "remote_synced": record.revision if was_synced else row.remote_synced,
    }
    tx.execute(update(RECORDS).where(_R.id == record.id).values(change))
    return record


def _moved(tx: Transaction, ladders: Mapping[str, Ladder], record: Record, status: str, by: str) -> Record:
    """Return the record where somebody put it; where that is no place of its ladder, it is not worked on any more."""
    if status in ladders[record.ladder].statuses:
        return move(tx, ladders, record.id, status, who=by)
    said = f"{by} has it at {clean(status, 100) or 'no status'}, which the ladder does not know."
    error = ErrorInfo("ERR_UNKNOWN_STATUS", said, None, "Give it a status of the ladder there, or move it here.")
    change: dict[str, Any] = {
        "error": error.as_dict(),
        "due_at": None,
        "parked_at": tx.now,
        "is_complete": False,
        "fence": record.fence + 1,
        "held_by": None,
        "held_attempt": None,
        "running_since": None,
        "revision": record.revision + 1,
        "updated_at": tx.now,
    }
    row = tx.execute(update(RECORDS).where(_R.id == record.id).values(change).returning(*COLUMNS)).one()
    parked = record_of(row)
    tx.announce(ItemChanged(TOPIC, parked.id, parked))
    heed(tx, ladders, [parked])
    return parked


def _free_codes(tx: Transaction, ladder: Ladder, seen: Sequence[Seen]) -> dict[str, str]:
    """Return the codes from there that no other record has, by remote id; later codes of ours come after them."""
    given = {one.remote_id: clean(one.code.strip(), CODE_CHARACTERS) for one in seen}
    asked = [code for code in given.values() if code]
    taken = {row[0] for row in tx.execute(_with_code, {"b_ladder": ladder.name, "b_codes": asked})} if asked else set()
    free: dict[str, str] = {}
    for remote_id, code in given.items():
        if code and code not in taken:
            taken.add(code)
            free[remote_id] = code
    if highest := max((number_of(ladder, code) for code in free.values()), default=0):
        go_on_after(tx, ladder.name, highest)
    return free


def _id_of(tx: Transaction, ladder: Ladder, parent_code: str) -> str | None:
    row = tx.execute(_parent, {"b_ladder": ladder.name, "b_code": parent_code}).first()
    return row[0] if row else None


def _last_try(tx: Transaction, record: Record) -> int:
    found: int | None = tx.execute(select(func.max(_S.id)).where(_S.record == record.number)).scalar()
    return found or 0


def _told_before(tx: Transaction, unsent: Unsent) -> int:
    row = tx.execute(select(_R.remote_seen).where(_R.id == unsent.record.id)).first()
    return told_of(row[0] if row else None)


def _stored(side: Side, told: int, sending: Side | None = None) -> dict[str, Any]:
    stored: dict[str, Any] = {"status": side.status, "fields": {**side.fields}, "told": told}
    if sending is not None:
        stored["sending"] = {"status": sending.status, "fields": {**sending.fields}}
    return stored


def _base(seen: Mapping[str, Any] | None) -> Side:
    return Side((seen or {}).get("status", ""), (seen or {}).get("fields", {}))


def _sending(seen: Mapping[str, Any] | None) -> Side:
    stored = (seen or {}).get("sending")
    # Nothing reads as None, which is no status.
    return Side(stored["status"], stored["fields"]) if stored else replace(_base(seen), fields={})
