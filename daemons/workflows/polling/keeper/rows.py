"""A record as a row and as a value."""

import hashlib
from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import ColumnElement, Table

from daemons.errors import Conflict, ErrorInfo, NotFound
from daemons.events import Event, ItemChanged
from daemons.text import clean
from daemons.workflows.polling.records import Reason, Record
from daemons.workflows.polling.tables import RecordTable

TOPIC = "records"
RECORDS = cast(Table, RecordTable.__table__)
_R = RECORDS.c

COLUMNS: Sequence[ColumnElement[Any]] = [
    _R.id,
    _R.number,
    _R.ladder,
    _R.code,
    _R.source,
    _R.title,
    _R.status,
    _R.fields,
    _R.provenance,
    _R.revision,
    _R.fence,
    _R.parent_id,
    _R.is_complete,
    _R.attempts,
    _R.error,
    _R.reasons,
    _R.due_at,
    _R.running_since,
    _R.parked_at,
    _R.status_at,
    _R.created_at,
    _R.updated_at,
    _R.edited_by,
    _R.edited_until,
]
"""What `record_of` reads: the fields of Record in their order."""

_ERROR, _REASONS = 14, 15


class UnknownRecord(NotFound):
    """There is no such record."""

    code = "ERR_UNKNOWN_RECORD"


class StaleRecord(Conflict):
    """Somebody else changed the record meanwhile."""

    code = "ERR_STALE_RECORD"
    remedy = "Look at the record as it is now, and save again."

    def __init__(self, code: str, expected: int, actual: int) -> None:
        super().__init__(f"The change was made on revision {expected}, but {code} is at revision {actual}.")
        self.expected = expected
        self.actual = actual


def unknown_record(name: str) -> UnknownRecord:
    """Return the refusal that names what there is not."""
    return UnknownRecord(f"There is no record {clean(name, 60)}.")


def record_of(row: Sequence[Any]) -> Record:
    """Return the record that a row of COLUMNS is."""
    values = list(row)
    error, reasons = values[_ERROR], values[_REASONS]
    values[_ERROR] = ErrorInfo.from_dict(error) if error else None
    values[_REASONS] = tuple(Reason(**reason) for reason in reasons or ())
    return Record(*values)


def record_told(event: Event) -> Record | None:
    """Return the record that an event tells of, None if it tells of something else."""
    return event.item if isinstance(event, ItemChanged) and isinstance(event.item, Record) else None


def digest_of(ladder: str, source: str) -> str:
    """Return by what the record of this source is found again."""
    return hashlib.sha256(f"{ladder}\n{source}".encode()).hexdigest()
