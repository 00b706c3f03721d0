"""Which descriptions stand before and after one in a list, for those who go through it one by one."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, select

from daemons.database import Database
from daemons.workflows.describe.tables import DescriptionTable

_D = DescriptionTable.__table__.c


class Neighbours(NamedTuple):
    """The ids of those beside one in the list, which has the newest first; None at its ends."""

    newer: str | None
    older: str | None


async def neighbours_of(database: Database, number: int, conditions: Sequence[ColumnElement[bool]]) -> Neighbours:
    """Return who is beside the description of that number, which itself need not meet the conditions."""
    newer = select(_D.id).where(_D.number > number, *conditions).order_by(_D.number)
    older = select(_D.id).where(_D.number < number, *conditions).order_by(_D.number.desc())
    found = [await database.fetch_one(beside.limit(1)) for beside in (newer, older)]
    return Neighbours(*(row.id if row else None for row in found))
