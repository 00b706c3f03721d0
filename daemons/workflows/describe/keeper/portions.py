"""Many descriptions at once: those that are meant now, from the newest to the oldest, cut into jobs."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, select

from daemons.database import Database
from daemons.workflow import JobOrder
from daemons.workflows.describe.tables import DescriptionTable

_READ_AT_ONCE = 1000
_IDS_AT_ONCE = 500

_D = DescriptionTable.__table__.c


class Portion(NamedTuple):
    """One job, how many files it is about, and a name by which the same one, unfinished, is known."""

    order: JobOrder
    files: int
    unique: str


async def rows_of(
    database: Database,
    columns: Sequence[ColumnElement[Any]],
    conditions: Sequence[ColumnElement[bool]],
    ids: Sequence[str] | None,
) -> AsyncIterator[Row[Any]]:
    """Yield what meets the conditions, of these `ids` if there are any. What comes meanwhile is newer than all."""
    found = select(_D.number, *columns).where(*conditions)
    if ids is not None:
        known = list(dict.fromkeys(ids))
        for at in range(0, len(known), _IDS_AT_ONCE):
            for row in await database.fetch(found.where(_D.id.in_(known[at : at + _IDS_AT_ONCE]))):
                yield row
        return
    before: list[ColumnElement[bool]] = []
    page = found.order_by(_D.number.desc()).limit(_READ_AT_ONCE)
    while rows := await database.fetch(page.where(*before)):
        for row in rows:
            yield row
        before = [_D.number < rows[-1].number]
