"""The only writer of descriptions, and how they are read back."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from uuid import uuid4

from sqlalchemy import ColumnElement, Row, func, insert, select, update

from daemons.clock import Clock
from daemons.database import Database
from daemons.database.transaction import Transaction
from daemons.errors import ErrorInfo, Invalid
from daemons.events import ItemChanged
from daemons.text import clean
from daemons.values import JsonValue, Page
from daemons.workflow import FailedItem, JobOrder
from daemons.workflows.describe.keeper.descriptions import TOPIC, Description, UnknownDescription
from daemons.workflows.describe.keeper.filters import STATES, DescriptionFilter, conditions_of
from daemons.workflows.describe.paths import wire_path
from daemons.workflows.describe.tables import DescriptionTable

LIMIT_MOST = 500
_ASKED_AT_ONCE = 500

__all__ = [
    "STATES",
    "Description",
    "DescriptionFilter",
    "DescriptionKeeper",
    "FileStamp",
    "Finding",
    "UnknownDescription",
    "Way",
    "clean_path",
    "record",
]

_D = DescriptionTable.__table__.c


class FileStamp(NamedTuple):
    """A file as it was seen: if size and time of change are the same, its content is taken to be."""

    path: bytes
    size: int
    mtime_ns: int


class FolderOptions(Protocol):
    """The part of a daemon's options that says what is described, and how."""

    @property
    def directory(self) -> Path | None: ...

    @property
    def describer(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Way:
    """How a folder is described: the same file described in another way is another description."""

    folder: bytes
    describer: str
    model: str = ""

    @classmethod
    def of(cls, options: FolderOptions) -> "Way | None":
        """Return how a daemon with these options describes its folder, None while it has none."""
        if options.directory is None:
            return None
        return cls(bytes(options.directory.expanduser().absolute()), options.describer)

    def digest(self, path: bytes) -> str:
        """Return what a file's row is found by."""
        parts = (self.folder, path, self.describer.encode(), self.model.encode())
        return hashlib.sha256(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).hexdigest()


@dataclass(frozen=True, slots=True)
class Finding:
    """What describing one file came to: facts and a description, or an error."""

    stamp: FileStamp
    seconds: float | None
    sha256: str | None = None
    facts: dict[str, JsonValue] | None = None
    description: str | None = None
    error: ErrorInfo | None = None

    @property
    def state(self) -> str:
        return "failed" if self.error else "done"


class DescriptionKeeper:
    """Reads descriptions; `record` writes one."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self.clock = clock

    async def not_yet_described(self, way: Way, stamps: Sequence[FileStamp]) -> list[FileStamp]:
        """Return those of `stamps` that have no row, or whose file has changed since."""
        left: list[FileStamp] = []
        for at in range(0, len(stamps), _ASKED_AT_ONCE):
            part = stamps[at : at + _ASKED_AT_ONCE]
            digests = {way.digest(stamp.path): stamp for stamp in part}
            known = select(_D.digest, _D.size, _D.mtime_ns).where(_D.digest.in_(digests))
            for row in await self._database.fetch(known):
                stamp = digests[row.digest]
                if (stamp.size, stamp.mtime_ns) == (row.size, row.mtime_ns):
                    del digests[row.digest]
            left += digests.values()
        return left

    async def failed(self, way: Way) -> int:
        """Return how many files of the folder could not be described in this way."""
        row = await self._database.fetch_one(select(func.count()).where(_D.state == "failed", *_of_way(way)))
        return int(row[0]) if row else 0

    async def failed_items(self, options: FolderOptions, *, limit: int) -> list[FailedItem]:
        """Return the images of a daemon's folder that could not be described, newest first."""
        way = Way.of(options)
        if way is None:
            return []
        failed = select(*_D).where(_D.state == "failed", *_of_way(way)).order_by(_D.number.desc()).limit(limit)
        return [
            FailedItem(row.id, row.path, ErrorInfo.from_dict(row.error), row.created_at, row.job_id)
            for row in await self._database.fetch(failed)
            if row.error
        ]

    async def try_again(self, options: FolderOptions, ids: Sequence[str]) -> JobOrder:
        """Return the job that describes these images of a daemon's folder again. Raises UnknownDescription."""
        way = Way.of(options)
        rows: Sequence[Row[Any]] = []
        if way is not None:
            rows = await self._database.fetch(select(*_D).where(_D.id.in_(ids), *_of_way(way)))
        if way is None or len(rows) != len(set(ids)):
            raise UnknownDescription("There is no such description of this daemon's folder.")
        items = [{"path": wire_path(row.path_bytes), "size": row.size, "mtime_ns": row.mtime_ns} for row in rows]
        args = {"folder": wire_path(way.folder), "describer": way.describer, "model": way.model}
        return JobOrder("describe_batch", {**args, "items": items, "again": True})

    async def get(self, description_id: str) -> Description:
        """Return one description. Raises UnknownDescription."""
        row = await self._database.fetch_one(select(*_D).where(_D.id == description_id))
        if row is None:
            raise UnknownDescription(f"There is no description {clean(description_id, 36)}.")
        return Description.of(row)

    async def list(
        self, chosen: DescriptionFilter | None = None, *, before: int | None = None, limit: int = 50
    ) -> Page:
        """Return the newest descriptions that meet every condition; `next` is the number to go on before.

        Raises UnknownName for a state that does not exist, Invalid for a limit out of range.
        """
        if not 1 <= limit <= LIMIT_MOST:
            raise Invalid(f"limit must be between 1 and {LIMIT_MOST}.", code="ERR_BAD_LIMIT")
        conditions = list(conditions_of(chosen or DescriptionFilter()))
        if before is not None:
            conditions.append(_D.number < before)
        statement = select(*_D).where(*conditions).order_by(_D.number.desc()).limit(limit + 1)
        rows = await self._database.fetch(statement)
        shown = [Description.of(row) for row in rows[:limit]]
        return Page(shown, str(shown[-1].number) if len(rows) > limit else None)


def record(tx: Transaction, way: Way, finding: Finding, job_id: str) -> None:
    """Write what describing a file came to, in place of what was known of it in the same way, and tell it."""
    digest = way.digest(finding.stamp.path)
    values: dict[str, Any] = {
        "size": finding.stamp.size,
        "mtime_ns": finding.stamp.mtime_ns,
        "sha256": finding.sha256,
        "state": finding.state,
        "description": finding.description,
        "facts": finding.facts,
        "error": finding.error.as_dict() if finding.error else None,
        "seconds": finding.seconds,
        "job_id": job_id,
        "created_at": tx.now,
    }
    again = update(DescriptionTable).where(_D.digest == digest).values(**values, revision=_D.revision + 1)
    row = tx.execute(again.returning(*_D)).first() or _insert(tx, way, finding.stamp.path, {"digest": digest, **values})
    shown = Description.of(row)
    tx.announce(ItemChanged(TOPIC, shown.id, shown.as_dict()))


def _insert(tx: Transaction, way: Way, path: bytes, values: dict[str, Any]) -> Row[Any]:
    place = {
        "id": str(uuid4()),
        "folder": clean_path(way.folder),
        "path": clean_path(path),
        "folder_bytes": way.folder,
        "path_bytes": path,
        "describer": way.describer,
        "model": way.model,
        "revision": 1,
    }
    return tx.execute(insert(DescriptionTable).returning(*_D), {**place, **values}).one()


def clean_path(path: bytes) -> str:
    """Return a path as it is shown: what is not UTF-8 as \\xNN, what cannot be shown as a mark."""
    return clean(path.decode("utf-8", "surrogateescape"), 4096)


def _of_way(way: Way) -> tuple[ColumnElement[bool], ...]:
    return _D.folder_bytes == way.folder, _D.describer == way.describer, _D.model == way.model
