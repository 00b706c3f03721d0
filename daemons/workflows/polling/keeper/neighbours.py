"""What is written in the records beside one: those of its folder that came in with it."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select

from daemons.database import Database
from daemons.workflows.polling.file_names import folder_of
from daemons.workflows.polling.keeper.rows import RECORDS
from daemons.workflows.polling.records import Record

LOOKED_AT = 50
"""Numbers before it, and after it. A folder is looked through in one go, so that its files stand together; to find all
of a folder, every record would have to be read."""

_R = RECORDS.c


async def neighbours(database: Database, record: Record, names: Sequence[str]) -> Sequence[Mapping[str, Any]]:
    """Return these fields of the records in the same folder, the nearest first."""
    folder = folder_of(record.source)
    if folder is None or not names:
        return []
    # Not whole fields: a page of the web may be among them.
    asked = select(_R.source, *(_R.fields[name].label(f"field_{at}") for at, name in enumerate(names)))
    beside = asked.where(
        _R.number.between(record.number - LOOKED_AT, record.number + LOOKED_AT),
        _R.number != record.number,
        _R.ladder == record.ladder,
        _R.source.startswith(f"{folder}/", autoescape=True),
    )
    rows = await database.fetch(beside.order_by(func.abs(_R.number - record.number), _R.number.desc()))
    # Neither of folders below, nor of one that differs only in small letters, which SQLite takes for the same.
    return [dict(zip(names, row[1:], strict=True)) for row in rows if folder_of(row.source) == folder]
