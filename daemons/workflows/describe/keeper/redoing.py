"""Which jobs describe again what somebody asks for, with the same describer and model or with others."""

import hashlib
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Row

from daemons.database import Database
from daemons.folders.paths import wire_path
from daemons.values import JsonValue
from daemons.workflow import JobOrder
from daemons.workflows.describe.keeper.filters import IS_THERE
from daemons.workflows.describe.keeper.findings import Way
from daemons.workflows.describe.keeper.portions import Portion, rows_of
from daemons.workflows.describe.tables import DescriptionTable

ITEMS_OF_A_JOB = 200

_D = DescriptionTable.__table__.c
_COLUMNS = (_D.folder_bytes, _D.path_bytes, _D.size, _D.mtime_ns, _D.describer, _D.model)


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


async def redo(
    database: Database, again: Again, conditions: Sequence[ColumnElement[bool]], ids: Sequence[str] | None
) -> AsyncIterator[Portion]:
    """Yield the jobs for all files that meet the conditions; with `ids`, for those of them alone."""
    waiting: defaultdict[Way, dict[bytes, dict[str, JsonValue]]] = defaultdict(dict)
    async for row in rows_of(database, _COLUMNS, (*conditions, IS_THERE), ids):
        way = again.way(row)
        # By path: the same file may be here several times, as it was described in several ways.
        waiting[way][row.path_bytes] = {"path": wire_path(row.path_bytes), "size": row.size, "mtime_ns": row.mtime_ns}
        if len(waiting[way]) == ITEMS_OF_A_JOB:
            yield _job(way, again, waiting.pop(way))
    for way, items in waiting.items():
        yield _job(way, again, items)


def _job(way: Way, again: Again, items: dict[bytes, dict[str, JsonValue]]) -> Portion:
    args = {"folder": wire_path(way.folder), "describer": way.describer, "model": way.model, **again.asked}
    args |= {"items": list(items.values()), "again": True}
    digest = hashlib.sha256(json.dumps(args, sort_keys=True).encode()).hexdigest()
    return Portion(JobOrder("describe_batch", args), len(items), f"redo {digest[:32]}")
