"""Making records: one of a source, with the ladder's next code."""

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Table, bindparam, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from daemons.database.transaction import Transaction
from daemons.errors import Invalid
from daemons.events import ItemChanged
from daemons.ids import new_id
from daemons.json_values import check_json
from daemons.text import clean
from daemons.values import JsonValue
from daemons.workflows.polling.keeper.rows import COLUMNS, RECORDS, TOPIC, digest_of, record_of
from daemons.workflows.polling.ladder import Ladder
from daemons.workflows.polling.records import NewRecord, Record
from daemons.workflows.polling.tables import RecordCounterTable

TITLE_CHARACTERS = 255
FIELDS_BYTES = 1024 * 1024
"""Of what one record knows, as JSON."""
NUMBER_DIGITS = 9
"""Of a code that others gave: a longer one is not counted on from."""

_COUNTERS = cast(Table, RecordCounterTable.__table__)
_known = select(*COLUMNS, RECORDS.c.digest).where(RECORDS.c.digest.in_(bindparam("b_digests", expanding=True)))
_insert = insert(RECORDS)
_AT_ONCE = 500
"""Records made by one statement."""


def add(
    tx: Transaction, ladders: Mapping[str, Ladder], new: Sequence[NewRecord], *, by: str, parent_id: str | None = None
) -> list[Record]:
    """Return the record of each source: a new one, due at once, or the one that is there. Raises Invalid."""
    return [record for record, _ in add_each(tx, ladders, new, by=by, parent_id=parent_id)]


def add_each(
    tx: Transaction, ladders: Mapping[str, Ladder], new: Sequence[NewRecord], *, by: str, parent_id: str | None = None
) -> list[tuple[Record, bool]]:
    """Do as `add`, and say of each record whether it is new: others may add the same until the very moment."""
    return [
        made
        for first in range(0, len(new), _AT_ONCE)
        for made in _add(tx, ladders, new[first : first + _AT_ONCE], by, parent_id)
    ]


def hold(tx: Transaction, ladders: Collection[str]) -> None:
    """Have whoever else adds to these ladders wait until the commit; SQLite has one writer anyway."""
    if not tx.is_sqlite:
        for name in sorted(ladders):
            _counted(tx, name, 0)


def _add(
    tx: Transaction, ladders: Mapping[str, Ladder], new: Sequence[NewRecord], by: str, parent_id: str | None
) -> list[tuple[Record, bool]]:
    digests = [digest_of(one.ladder, one.source) for one in new]
    known = _records_of(tx, digests)
    if not tx.is_sqlite and not known.keys() >= {*digests}:
        hold(tx, {one.ladder for one in new})
        # What was added until then is known by now.
        known |= _records_of(tx, [digest for digest in digests if digest not in known])
    # Of a source that comes twice the first makes the record.
    fresh = {digest: one for digest, one in zip(reversed(digests), reversed(new), strict=True) if digest not in known}
    if fresh:
        fresh = {digest: fresh[digest] for digest in dict.fromkeys(digests) if digest in fresh}
        rows = [_row(tx, ladders[one.ladder], one, digest, by, parent_id) for digest, one in fresh.items()]
        _give_codes(tx, ladders, rows)
        tx.execute_many(_insert, rows)
        made = _records_of(tx, [*fresh])
        for digest in fresh:
            tx.announce(ItemChanged(TOPIC, made[digest].id, made[digest]))
        known |= made
    return [(known[digest], digest in fresh) for digest in digests]


def _records_of(tx: Transaction, digests: Sequence[str]) -> dict[str, Record]:
    return {row.digest: record_of(row[:-1]) for row in tx.execute(_known, {"b_digests": digests})}


def _row(
    tx: Transaction, ladder: Ladder, new: NewRecord, digest: str, by: str, parent_id: str | None
) -> dict[str, Any]:
    fields = check(ladder, new)
    return {
        "id": new_id(),
        "ladder": ladder.name,
        "code": new.code,
        "digest": digest,
        "source": new.source,
        "title": clean(new.title, TITLE_CHARACTERS),
        "status": new.status,
        "fields": fields,
        "provenance": provenance(fields, by, tx),
        "revision": 1,
        "parent_id": parent_id,
        "due_at": tx.now,
        "status_at": tx.now,
        "created_at": tx.now,
        "updated_at": tx.now,
    }


def check(ladder: Ladder, new: NewRecord) -> dict[str, JsonValue]:
    """Return its fields as they are stored. Raises Invalid for what no record can be made of."""
    if not new.source:
        raise Invalid("A record needs a source.", code="ERR_NO_SOURCE")
    if new.status not in ladder.statuses:
        remedy = f"There are: {', '.join(ladder.statuses)}."
        said = f"{clean(new.status, 100)} is no status of {ladder.name}."
        raise Invalid(said, code="ERR_UNKNOWN_STATUS", remedy=remedy)
    return checked_fields(new.fields)


def _give_codes(tx: Transaction, ladders: Mapping[str, Ladder], rows: Sequence[dict[str, Any]]) -> None:
    """Give those without a code their ladder's next ones, in their order."""
    without = [row for row in rows if not row["code"]]
    for name in sorted({row["ladder"] for row in without}):
        mine = [row for row in without if row["ladder"] == name]
        for number, row in enumerate(mine, _counted(tx, name, len(mine)) - len(mine) + 1):
            row["code"] = f"{ladders[name].prefix}{number:04}"


def number_of(ladder: Ladder, code: str) -> int:
    """Return the number in a code that is like the ladder's own, 0 for any other."""
    number = code.removeprefix(ladder.prefix) if code.startswith(ladder.prefix) else ""
    return int(number) if number.isdecimal() and len(number) <= NUMBER_DIGITS else 0


def go_on_after(tx: Transaction, ladder: str, number: int) -> None:
    """Have the ladder's next codes come after `number`, if they did not anyway."""
    make = sqlite.insert if tx.is_sqlite else postgresql.insert
    greater = func.max if tx.is_sqlite else func.greatest
    put = make(_COUNTERS).values(ladder=ladder, last=number)
    last = greater(_COUNTERS.c.last, number)
    tx.execute(put.on_conflict_do_update(index_elements=[_COUNTERS.c.ladder], set_={"last": last}))


def checked_fields(fields: Any) -> dict[str, JsonValue]:
    """Return fields that can be stored and shown. Raises Invalid."""
    given = {unicodedata.normalize("NFC", str(name)): value for name, value in dict(fields).items()}
    check_fields(given)
    return given


def check_fields(fields: dict[str, JsonValue]) -> None:
    """Raise Invalid unless `fields` can be stored as they are."""
    check_json(fields, "The fields", limit=FIELDS_BYTES)


def provenance(fields: dict[str, JsonValue], by: str, tx: Transaction) -> dict[str, JsonValue]:
    """Return who wrote each of `fields`, and when."""
    return {name: {"by": by, "at": tx.now.isoformat()} for name in fields}


def _counted(tx: Transaction, ladder: str, more: int) -> int:
    """Return the last number of a ladder's codes once `more` are taken."""
    make = sqlite.insert if tx.is_sqlite else postgresql.insert
    statement = make(_COUNTERS).values(ladder=ladder, last=more)
    counted = statement.on_conflict_do_update(
        index_elements=[_COUNTERS.c.ladder], set_={"last": _COUNTERS.c.last + statement.excluded.last}
    ).returning(_COUNTERS.c.last)
    return int(tx.execute(counted).scalar_one())
