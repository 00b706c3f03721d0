"""Which jobs describe again what somebody asks for, with the same describer and model or with others.

Which files are meant is settled as the jobs are made, from the newest file to the oldest: what is described meanwhile
is newer than all of them.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, select

from daemons.database import Database
from daemons.values import JsonValue
from daemons.workflow import JobOrder
from daemons.workflows.describe.keeper.findings import Way
from daemons.workflows.describe.paths import wire_path
from daemons.workflows.describe.tables import DescriptionTable

ITEMS_OF_A_JOB = 200
_READ_AT_ONCE = 1000
_IDS_AT_ONCE = 500

_D = DescriptionTable.__table__.c
_COLUMNS = (_D.number, _D.folder_bytes, _D.path_bytes, _D.size, _D.mtime_ns, _D.describer, _D.model)


@dataclass(frozen=True, slots=True)
class Again:
    """How files are to be described again; without a describer as each of them was."""

    describer: str | None = None
    model: str = ""
    asked: dict[str, JsonValue] = field(default_factory=dict)
    """What the model is asked, as arguments of a batch; what is not given is as it is by default."""

    def way(self, row: Row[Any]) -> Way:
        """Return the way in which the file of `row` is described then."""
        if self.describer is None:
            return Way(row.folder_bytes, row.describer, row.model)
        return Way(row.folder_bytes, self.describer, self.model)


class Redo(NamedTuple):
    """One job, how many files it describes, and a name by which the same one, unfinished, is known."""

    order: JobOrder
    files: int
    unique: str


async def redo(
    database: Database, again: Again, conditions: Sequence[ColumnElement[bool]], ids: Sequence[str] | None
) -> AsyncIterator[Redo]:
    """Yield the jobs for all files that meet the conditions; with `ids`, for those of them alone."""
    waiting: defaultdict[Way, dict[bytes, dict[str, JsonValue]]] = defaultdict(dict)
    async for row in _rows(database, conditions, ids):
        way = again.way(row)
        # By path: the same file may be here several times, as it was described in several ways.
        waiting[way][row.path_bytes] = {"path": wire_path(row.path_bytes), "size": row.size, "mtime_ns": row.mtime_ns}
        if len(waiting[way]) == ITEMS_OF_A_JOB:
            yield _job(way, again, waiting.pop(way))
    for way, items in waiting.items():
        yield _job(way, again, items)


async def _rows(
    database: Database, conditions: Sequence[ColumnElement[bool]], ids: Sequence[str] | None
) -> AsyncIterator[Row[Any]]:
    present = (*conditions, _D.gone_at.is_(None))
    if ids is not None:
        known = list(dict.fromkeys(ids))
        for at in range(0, len(known), _IDS_AT_ONCE):
            for row in await database.fetch(
                select(*_COLUMNS).where(_D.id.in_(known[at : at + _IDS_AT_ONCE]), *present)
            ):
                yield row
        return
    before: list[ColumnElement[bool]] = []
    page = select(*_COLUMNS).where(*present).order_by(_D.number.desc()).limit(_READ_AT_ONCE)
    while rows := await database.fetch(page.where(*before)):
        for row in rows:
            yield row
        before = [_D.number < rows[-1].number]


def _job(way: Way, again: Again, items: dict[bytes, dict[str, JsonValue]]) -> Redo:
    args = {"folder": wire_path(way.folder), "describer": way.describer, "model": way.model, **again.asked}
    args |= {"items": list(items.values()), "again": True}
    digest = hashlib.sha256(json.dumps(args, sort_keys=True).encode()).hexdigest()
    return Redo(JobOrder("describe_batch", args), len(items), f"redo {digest[:32]}")
