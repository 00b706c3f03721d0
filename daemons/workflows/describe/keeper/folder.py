"""What is known of the files of one folder: which are new, which are copies of others, which are gone."""

from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, false, func, select

from daemons.database import Database
from daemons.workflows.describe.keeper.filters import IS_THERE
from daemons.workflows.describe.keeper.findings import FileStamp, FolderOptions, Way
from daemons.workflows.describe.tables import DescriptionTable

_ASKED_AT_ONCE = 500
_D = DescriptionTable.__table__.c


class Compared(NamedTuple):
    """Files as they were seen, beside what is known of them."""

    pending: list[FileStamp]  #: without a description of what they are now
    known: int  #: how many have a row, of whatever they were
    returned: list[str]  #: ids of descriptions whose files were gone and are there again


class Counts(NamedTuple):
    """How many files have a row and are not gone, and how many of them failed."""

    present: int
    failed: int


class FolderRecords:
    """Reads what is known of the files of a folder that is described in one way."""

    def __init__(self, database: Database, way: Way) -> None:
        self._database = database
        self._way = way

    async def compare(self, stamps: Sequence[FileStamp]) -> Compared:
        """Return which of `stamps` have no description, or one of an earlier content."""
        compared = Compared([], 0, [])
        for at in range(0, len(stamps), _ASKED_AT_ONCE):
            part = stamps[at : at + _ASKED_AT_ONCE]
            digests = {self._way.digest(stamp.path): stamp for stamp in part}
            statement = select(_D.id, _D.digest, _D.size, _D.mtime_ns, _D.gone_at).where(_D.digest.in_(digests))
            rows = await self._database.fetch(statement)
            for row in rows:
                stamp = digests[row.digest]
                if (stamp.size, stamp.mtime_ns) == (row.size, row.mtime_ns):
                    del digests[row.digest]
            compared.pending.extend(digests.values())
            compared.returned.extend(row.id for row in rows if row.gone_at is not None)
            compared = compared._replace(known=compared.known + len(rows))
        return compared

    async def not_yet_described(self, stamps: Sequence[FileStamp]) -> list[FileStamp]:
        """Return those of `stamps` that have no row, or whose file has changed since."""
        return (await self.compare(stamps)).pending

    async def counts(self) -> Counts:
        """Return how many files are known and there."""
        failed = func.count().filter(_D.state == "failed")
        row = await self._database.fetch_one(
            select(func.count(), failed).where(_D.gone_at.is_(None), *of_way(self._way))
        )
        return Counts(*map(int, row)) if row else Counts(0, 0)

    async def present(self) -> AsyncIterator[list[tuple[str, bytes]]]:
        """Yield id and path of the files that are not known to be gone, page by page."""
        last = 0
        # Asked in a way that has no index: with one, SQLite would sort all of the folder for each page.
        is_mine = (_D.way != self._way.key).is_(false())
        while True:
            statement = select(_D.number, _D.id, _D.path_bytes).where(_D.number > last, IS_THERE, is_mine)
            rows = await self._database.fetch(statement.order_by(_D.number).limit(_ASKED_AT_ONCE))
            if not rows:
                return
            last = rows[-1].number
            yield [(row.id, row.path_bytes) for row in rows]

    async def sizes_known(self, sizes: Collection[int]) -> set[int]:
        """Return those of `sizes` that a described file has, of whatever folder."""
        rows = await self._database.fetch(
            select(_D.size).where(_D.size.in_(sizes), *self._is_described()).group_by(_D.size)
        )
        return {row.size for row in rows}

    async def same_content(self, digests: Collection[str]) -> dict[str, Row[Any]]:
        """Return a described file for each of these SHA-256 sums that has one, of whatever folder."""
        rows = await self._database.fetch(
            select(*_D).where(_D.sha256.in_(digests), *self._is_described()).order_by(_D.number)
        )
        return {row.sha256: row for row in rows}

    def _is_described(self) -> tuple[ColumnElement[bool], ...]:
        return _D.state == "done", _D.describer == self._way.describer, _D.model == self._way.model


def of_options(options: FolderOptions) -> tuple[ColumnElement[bool], ...] | None:
    """Return the conditions that hold for what a daemon with these options described, None while it has no folder.

    Where the options name no model, the one that was asked then may be any.
    """
    way = Way.of(options)
    if way is None:
        return None
    if way.model or way.describer == "basic":
        return of_way(way)
    return _D.folder_bytes == way.folder, _D.describer == way.describer


def of_way(way: Way) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that hold for the descriptions of a folder that were made in this way."""
    return (_D.way == way.key,)
