"""Making records: one of a source, with the ladder's next code."""

import unicodedata
from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import Table, bindparam, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from daemons.database.transaction import Transaction
from daemons.errors import Invalid
from daemons.events import ItemChanged
from daemons.ids import new_id
from daemons.text import check_json, clean
from daemons.values import JsonValue
from daemons.workflows.polling.keeper.rows import COLUMNS, RECORDS, TOPIC, digest_of, record_of
from daemons.workflows.polling.ladder import Ladder
from daemons.workflows.polling.records import NewRecord, Record
from daemons.workflows.polling.tables import RecordCounterTable

TITLE_CHARACTERS = 255
FIELDS_BYTES = 1024 * 1024
"""Of what one record knows, as JSON."""

_COUNTERS = cast(Table, RecordCounterTable.__table__)
_known = select(*COLUMNS).where(RECORDS.c.digest == bindparam("b_digest"))
_insert = insert(RECORDS).returning(*COLUMNS)


def add(
    tx: Transaction, ladders: dict[str, Ladder], new: Sequence[NewRecord], *, by: str, parent_id: str | None = None
) -> list[Record]:
    """Return the record of each source: a new one, due at once, or the one that is there. Raises Invalid."""
    return [_add(tx, ladders[one.ladder], one, by, parent_id) for one in new]


def _add(tx: Transaction, ladder: Ladder, new: NewRecord, by: str, parent_id: str | None) -> Record:
    digest = digest_of(ladder.name, new.source)
    if (row := tx.execute(_known, {"b_digest": digest}).first()) is not None:
        return record_of(row)
    if not new.source:
        raise Invalid("A record needs a source.", code="ERR_NO_SOURCE")
    if new.status not in ladder.statuses:
        raise Invalid(f"{clean(new.status, 100)} is no status of {ladder.name}.", code="ERR_UNKNOWN_STATUS")
    fields = checked_fields(new.fields)
    values: dict[str, Any] = {
        "id": new_id(),
        "ladder": ladder.name,
        "code": new.code or _next_code(tx, ladder),
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
    record = record_of(tx.execute(_insert, values).one())
    tx.announce(ItemChanged(TOPIC, record.id, record.as_dict()))
    return record


def checked_fields(fields: Any) -> dict[str, JsonValue]:
    """Return fields that can be stored and shown. Raises Invalid."""
    given = {unicodedata.normalize("NFC", str(name)): value for name, value in dict(fields).items()}
    check_json(given, "The fields", limit=FIELDS_BYTES)
    return given


def provenance(fields: dict[str, JsonValue], by: str, tx: Transaction) -> dict[str, JsonValue]:
    """Return who wrote each of `fields`, and when."""
    return {name: {"by": by, "at": tx.now.isoformat()} for name in fields}


def _next_code(tx: Transaction, ladder: Ladder) -> str:
    make = sqlite.insert if tx.is_sqlite else postgresql.insert
    statement = make(_COUNTERS).values(ladder=ladder.name, last=1)
    counted = statement.on_conflict_do_update(
        index_elements=[_COUNTERS.c.ladder], set_={"last": _COUNTERS.c.last + 1}
    ).returning(_COUNTERS.c.last)
    return f"{ladder.prefix}{tx.execute(counted).scalar_one():04}"
