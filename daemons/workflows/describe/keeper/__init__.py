"""The only writer of descriptions, and how they are read back."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Row, select

from daemons.errors import Conflict, ErrorInfo, Invalid
from daemons.findings import Finding as HealthFinding
from daemons.folders.paths import disk_path as path_of
from daemons.folders.paths import wire_path
from daemons.items import FailedItem, ItemStatistics
from daemons.pictures.colours import COLOURS
from daemons.pictures.originals import Original
from daemons.pictures.thumbnails import Size
from daemons.values import Page
from daemons.workflow import JobOrder, KeeperTools
from daemons.workflows.describe.keeper.descriptions import Description, UnknownDescription, unknown_description
from daemons.workflows.describe.keeper.editing import DESCRIPTION_CHARACTERS, StaleDescription, edit, restore
from daemons.workflows.describe.keeper.facets import Facet, FacetCounts, Facets
from daemons.workflows.describe.keeper.figures import failures_of, statistics_of
from daemons.workflows.describe.keeper.filters import FINISHES, GONE, STATES, DescriptionFilter, conditions_of
from daemons.workflows.describe.keeper.findings import ORIGINS, FileStamp, Finding, FolderOptions, Way
from daemons.workflows.describe.keeper.folder import FolderRecords, of_options
from daemons.workflows.describe.keeper.history import DescriptionDetail, detail_of
from daemons.workflows.describe.keeper.importing import SLICE, Brought, Imported, look_at, take_in
from daemons.workflows.describe.keeper.likeness import GROUP_DISTANCE_MOST
from daemons.workflows.describe.keeper.neighbours import Neighbours, neighbours_of
from daemons.workflows.describe.keeper.pictures import Pictures
from daemons.workflows.describe.keeper.portions import Portion
from daemons.workflows.describe.keeper.recording import clean_path, keep_version, mark_gone, record, restamp
from daemons.workflows.describe.keeper.redoing import Again, redo
from daemons.workflows.describe.keeper.search import SEARCH_CHARACTERS
from daemons.workflows.describe.keeper.sidecars import SIDECARS_OF_A_JOB, write_many, write_one
from daemons.workflows.describe.keeper.similar import DISTANCE, DISTANCE_MOST, GROUP_DISTANCE, Group, SimilarImages
from daemons.workflows.describe.tables import DescriptionTable

LIMIT_MOST = 500
_ASKED_AT_ONCE = 500

__all__ = [
    "COLOURS",
    "DESCRIPTION_CHARACTERS",
    "DISTANCE",
    "DISTANCE_MOST",
    "FINISHES",
    "GONE",
    "GROUP_DISTANCE",
    "GROUP_DISTANCE_MOST",
    "ORIGINS",
    "SEARCH_CHARACTERS",
    "SIDECARS_OF_A_JOB",
    "STATES",
    "Again",
    "Brought",
    "Description",
    "DescriptionDetail",
    "DescriptionFilter",
    "DescriptionKeeper",
    "Facet",
    "Facets",
    "FileStamp",
    "Finding",
    "FolderRecords",
    "Group",
    "Imported",
    "Neighbours",
    "Original",
    "Pictures",
    "Portion",
    "Size",
    "StaleDescription",
    "UnknownDescription",
    "Way",
    "clean_path",
    "keep_version",
    "path_of",
    "record",
    "restamp",
]

_D = DescriptionTable.__table__.c


class DescriptionKeeper:
    """Reads descriptions; `record` writes one."""

    def __init__(self, tools: KeeperTools) -> None:
        self._database = tools.database
        self.clock = tools.clock
        self.facets = FacetCounts(tools.database, tools.clock)
        self.pictures = Pictures(tools)
        self._similar = SimilarImages(tools.database, tools.clock)
        self.local_model = asyncio.Lock()
        """Held by the job of a single image that a model on this machine looks at."""

    async def __aenter__(self) -> Self:
        await self.pictures.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.pictures.__aexit__(kind, error, trace)

    def findings(self) -> list[HealthFinding]:
        """Return what is wrong with what is kept beside the database."""
        return self.pictures.findings()

    def folder(self, way: Way) -> FolderRecords:
        """Return what is known of the files of a folder that is described in this way."""
        return FolderRecords(self._database, way)

    async def mark_gone(self, ids: Sequence[str], *, gone: bool) -> None:
        """Note that the files of these descriptions are not there any more, or are there again."""
        for at in range(0, len(ids), _ASKED_AT_ONCE):
            await self._database.write(partial(mark_gone, ids=ids[at : at + _ASKED_AT_ONCE], gone=gone))

    async def failed_items(self, options: FolderOptions, *, limit: int) -> list[FailedItem]:
        """Return the images of a daemon's folder that could not be described, newest first."""
        mine = of_options(options)
        if mine is None:
            return []
        failed = (
            select(*_D).where(_D.state == "failed", _D.gone_at.is_(None), *mine).order_by(_D.number.desc()).limit(limit)
        )
        return [
            FailedItem(row.id, row.path, ErrorInfo.from_dict(row.error), row.created_at, row.job_id)
            for row in await self._database.fetch(failed)
            if row.error
        ]

    async def item_statistics(self, options: FolderOptions, since: datetime, step: timedelta) -> ItemStatistics | None:
        """Return what became of the images of a daemon's folder, None while it has none."""
        mine = of_options(options)
        if mine is None:
            return None
        return await statistics_of(self._database, mine, since, self.clock.now(), step)

    async def item_failures(
        self, options: FolderOptions, since: datetime, excused: Mapping[str, datetime]
    ) -> tuple[int, int]:
        """Return how many images failed since then and how many were settled; what is excused is settled only."""
        mine = of_options(options)
        return await failures_of(self._database, mine, since, excused) if mine is not None else (0, 0)

    async def take_in(self, options: Any, items: Sequence[Brought], at: datetime) -> Imported:
        """Take over what older programs made of a daemon's folder by `at`; repeated, it changes nothing more.

        Raises Conflict while the daemon has no folder.
        """
        way, result = Way.of(options), Imported()
        if way is None:
            raise Conflict("The daemon has no folder yet.", remedy="Set its directory.", code="ERR_NO_DIRECTORY")
        for start in range(0, len(items), SLICE):
            part = items[start : start + SLICE]
            found = await asyncio.to_thread(look_at, way, part, result)
            taken, known = await self._database.write(partial(take_in, way=way, found=found, at=at))
            result.known += known
            for item in taken:
                result.add(item)
        return result

    async def try_again(self, options: FolderOptions, ids: Sequence[str]) -> JobOrder:
        """Return the job that describes these images of a daemon's folder again. Raises UnknownDescription."""
        mine = of_options(options)
        rows: Sequence[Row[Any]] = []
        if mine is not None:
            rows = await self._database.fetch(select(*_D).where(_D.id.in_(ids), *mine))
        if len(rows) != len(set(ids)) or not rows:
            raise UnknownDescription("There is no such description of this daemon's folder.")
        items = [{"path": wire_path(row.path_bytes), "size": row.size, "mtime_ns": row.mtime_ns} for row in rows]
        args = {"folder": wire_path(rows[0].folder_bytes), "describer": rows[0].describer, "model": rows[0].model}
        asked = options.ask() if options.describer != "basic" else {}
        return JobOrder("describe_batch", {**args, **asked, "items": items, "again": True})

    async def get(self, description_id: str) -> Description:
        """Return one description. Raises UnknownDescription."""
        row = await self._database.fetch_one(select(*_D).where(_D.id == description_id))
        if row is None:
            raise unknown_description(description_id)
        return Description.of(row)

    async def detail(self, description_id: str) -> DescriptionDetail:
        """Return one description with what it said before and what others say. Raises UnknownDescription."""
        return await detail_of(self._database, description_id)

    async def neighbours(self, description: Description, chosen: DescriptionFilter) -> Neighbours:
        """Return which descriptions stand beside one in the list of those chosen. Raises as `list`."""
        conditions = tuple(conditions_of(chosen, is_sqlite=self._database.is_sqlite))
        return await neighbours_of(self._database, description.number, conditions)

    async def edit(self, description_id: str, text: str, *, who: str, revision: int | None = None) -> Description:
        """Let a person say what a file shows. Raises UnknownDescription, StaleDescription, Invalid."""
        return await self._database.write(lambda tx: edit(tx, description_id, text, revision, who))

    async def restore(self, description_id: str, version: int, *, who: str, revision: int | None = None) -> Description:
        """Let it say again what it said at revision `version`. Raises as `edit`, and NotFound, Conflict."""
        return await self._database.write(lambda tx: restore(tx, description_id, version, revision, who))

    async def similar(
        self,
        description_id: str,
        chosen: DescriptionFilter | None = None,
        *,
        distance: int = DISTANCE,
        after: tuple[int, int] | None = None,
        limit: int = 50,
    ) -> Page:
        """Return images that look like one and meet every condition, see `SimilarImages.like`. Raises as that."""
        _check_limit(limit)
        conditions = tuple(conditions_of(chosen or DescriptionFilter(), is_sqlite=self._database.is_sqlite))
        return await self._similar.like(description_id, conditions, distance=distance, after=after, limit=limit)

    async def groups(
        self, *, distance: int = GROUP_DISTANCE, after: tuple[int, int] | None = None, limit: int = 20
    ) -> Page:
        """Return groups of files whose images look alike, the largest first. Raises Invalid."""
        _check_limit(limit)
        return await self._similar.groups(distance=distance, after=after, limit=limit)

    def redo(
        self, again: Again, *, chosen: DescriptionFilter | None = None, ids: Sequence[str] | None = None
    ) -> AsyncIterator[Portion]:
        """Return the jobs that describe again what is chosen now, of files that are there. Raises as `list`."""
        conditions = tuple(conditions_of(chosen or DescriptionFilter(), is_sqlite=self._database.is_sqlite))
        return redo(self._database, again, conditions, ids)

    async def write_sidecar(self, description_id: str, *, merge: bool = False) -> str:
        """Write what is said into an XMP file beside the image, see `sidecar.write_sidecar`; return its path.

        Raises UnknownDescription, Conflict where nothing is said, and as that does.
        """
        return await write_one(self._database, self.clock, description_id, merge=merge)

    def write_sidecars(
        self, *, chosen: DescriptionFilter | None = None, ids: Sequence[str] | None = None, merge: bool = False
    ) -> AsyncIterator[Portion]:
        """Return the jobs that do so for all that is chosen now and says something. Raises as `list`."""
        conditions = tuple(conditions_of(chosen or DescriptionFilter(), is_sqlite=self._database.is_sqlite))
        return write_many(self._database, conditions, ids, merge=merge)

    async def list(
        self, chosen: DescriptionFilter | None = None, *, before: int | None = None, limit: int = 50
    ) -> Page:
        """Return the newest descriptions that meet every condition; `next` is the number to go on before.

        Raises UnknownName for a value that does not exist, Invalid for a limit out of range.
        """
        _check_limit(limit)
        conditions = list(conditions_of(chosen or DescriptionFilter(), is_sqlite=self._database.is_sqlite))
        if before is not None:
            conditions.append(_D.number < before)
        statement = select(*_D).where(*conditions).order_by(_D.number.desc()).limit(limit + 1)
        rows = await self._database.fetch(statement)
        shown = [Description.of(row) for row in rows[:limit]]
        return Page(shown, str(shown[-1].number) if len(rows) > limit else None)


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= LIMIT_MOST:
        raise Invalid(f"limit must be between 1 and {LIMIT_MOST}.", code="ERR_BAD_LIMIT")
