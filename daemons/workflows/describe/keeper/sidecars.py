"""Which descriptions are written beside their images, one at once or many by jobs."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version

from sqlalchemy import ColumnElement, select

from daemons.clock import Clock
from daemons.database import Database
from daemons.errors import Conflict
from daemons.workflow import JobOrder
from daemons.workflows.describe.keeper.descriptions import unknown_description
from daemons.workflows.describe.keeper.filters import IS_THERE
from daemons.workflows.describe.keeper.portions import Portion, rows_of
from daemons.workflows.describe.keeper.recording import clean_path
from daemons.workflows.describe.sidecar import write_sidecar
from daemons.workflows.describe.tables import DescriptionTable

SIDECARS_OF_A_JOB = 1_000

_D = DescriptionTable.__table__.c


async def write_one(database: Database, clock: Clock, description_id: str, *, merge: bool) -> str:
    """Write one description beside its image and return the sidecar's path as it is shown.

    Raises UnknownDescription, Conflict where nothing is said, and what `write_sidecar` raises.
    """
    row = await database.fetch_one(
        select(_D.folder_bytes, _D.path_bytes, _D.description).where(_D.id == description_id)
    )
    if row is None:
        raise unknown_description(description_id)
    if not row.description:
        raise Conflict("Nothing is said of that image.", remedy="Describe it first.", code="ERR_NO_WORDS")
    write = partial(write_sidecar, merge=merge, version=_version(), now=clock.now())
    # The end is awaited even by who is cancelled: half a second more, and nobody writes behind his back.
    writing = asyncio.ensure_future(asyncio.to_thread(write, row.folder_bytes, row.path_bytes, row.description))
    try:
        written = await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait({writing})
        raise
    return clean_path(written)


async def write_many(
    database: Database, conditions: Sequence[ColumnElement[bool]], ids: Sequence[str] | None, *, merge: bool
) -> AsyncIterator[Portion]:
    """Yield the jobs that write the sidecars of all described images that meet the conditions, and are there."""
    waiting: list[str] = []
    present = (*conditions, IS_THERE, _D.description.is_not(None))
    async for row in rows_of(database, (_D.id,), present, ids):
        waiting.append(row.id)
        if len(waiting) == SIDECARS_OF_A_JOB:
            yield _job(waiting, merge=merge)
            waiting = []
    if waiting:
        yield _job(waiting, merge=merge)


def _job(ids: list[str], *, merge: bool) -> Portion:
    digest = hashlib.sha256(" ".join([*sorted(ids), str(merge)]).encode()).hexdigest()
    return Portion(JobOrder("write_sidecars", {"ids": ids, "merge": merge}), len(ids), f"sidecars {digest[:32]}")


def _version() -> str:
    try:
        return version("daemondeck")
    except PackageNotFoundError:
        return "0"
