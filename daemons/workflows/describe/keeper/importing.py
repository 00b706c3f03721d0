"""Descriptions that older programs made, taken over as they are: what is known already is never touched."""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import uuid4

from sqlalchemy import insert, select, update

from daemons.database.transaction import Transaction
from daemons.errors import ErrorInfo
from daemons.folders.paths import joined
from daemons.folders.scan import has_image_ending
from daemons.text import clean
from daemons.workflows.describe.keeper.editing import DESCRIPTION_CHARACTERS
from daemons.workflows.describe.keeper.findings import FileStamp, Way
from daemons.workflows.describe.keeper.recording import clean_path, keep_version
from daemons.workflows.describe.tables import DescriptionTable

SLICE = 500
"""Images in one unit of writing."""
NAMED = 10
_MESSAGE_CHARACTERS = 2000

_D = DescriptionTable.__table__.c


class Brought(NamedTuple):
    """What is brought of one image: words, or why there are none, or only that it was done."""

    path: bytes
    description: str | None = None
    error: str | None = None
    seconds: float | None = None
    finish: str | None = None
    prompt_tokens: int | None = None
    output_tokens: int | None = None

    @property
    def is_worded(self) -> bool:
        return bool(self.description)


@dataclass(slots=True)
class Imported:
    """What became of everything that was brought; of what was left out, the first are named."""

    described: int = 0
    without_words: int = 0
    failed: int = 0
    known: int = 0
    missing: int = 0
    missing_first: list[str] = field(default_factory=list)
    refused: int = 0
    refused_first: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the answer of the HTTP API."""
        return asdict(self)

    def is_missing(self, path: bytes) -> None:
        self.missing += 1
        self.missing_first += [clean_path(path)] if len(self.missing_first) < NAMED else []

    def is_refused(self, path: bytes) -> None:
        """Note a path that leads out of the folder, or is of no image."""
        self.refused += 1
        self.refused_first += [clean_path(path)] if len(self.refused_first) < NAMED else []

    def add(self, item: Brought) -> None:
        """Note that it was taken."""
        if item.error:
            self.failed += 1
        elif item.is_worded:
            self.described += 1
        else:
            self.without_words += 1


def look_at(way: Way, items: Sequence[Brought], result: Imported) -> list[tuple[FileStamp, Brought]]:
    """Return those whose file is there, each with what it looks like; note the others."""
    found: dict[bytes, tuple[FileStamp, Brought]] = {}
    real: dict[bytes, bool] = {}
    root = os.path.realpath(way.folder)
    for item in items:
        path = os.path.normpath(item.path)
        if not _is_below(path) or not has_image_ending(path):
            result.is_refused(item.path)
            continue
        stamp = next((stamp for one in _spellings(way.folder, path) if (stamp := _stamp(way, one))), None)
        if stamp is None:
            result.is_missing(item.path)
            continue
        parent = os.path.dirname(stamp.path)  # noqa: PTH120 - pathlib knows no bytes
        if parent not in real:
            real[parent] = os.path.realpath(joined(way.folder, parent)) == joined(root, parent)
        if not real[parent]:
            result.is_refused(item.path)
        elif stamp.path not in found:
            found[stamp.path] = (stamp, item)
    return list(found.values())


def take_in(
    tx: Transaction, way: Way, found: Sequence[tuple[FileStamp, Brought]], at: datetime
) -> tuple[list[Brought], int]:
    """Write what is not known yet, as told at `at`; return what was taken, and how much was known already.

    Where a file could not be described, words that are brought take the place of its error.
    """
    digests = {way.digest(stamp.path): (stamp, item) for stamp, item in found}
    rows = tx.execute(select(_D.digest, _D.state).where(_D.digest.in_(digests))).all()
    known: dict[str, str] = {row.digest: row.state for row in rows}
    mended = [digest for digest, state in known.items() if state == "failed" and digests[digest][1].is_worded]
    fresh = [digest for digest in digests if digest not in known]
    for digest in mended:
        keep_version(tx, _D.digest == digest)
        stamp, item = digests[digest]
        values = _values(way, stamp, item, min(at, tx.now))
        tx.execute(update(DescriptionTable).where(_D.digest == digest).values(**values, revision=_D.revision + 1))
    if fresh:
        made = [_row(way, digest, *digests[digest], min(at, tx.now)) for digest in fresh]
        tx.execute(insert(DescriptionTable), made)
    return [digests[digest][1] for digest in (*fresh, *mended)], len(known) - len(mended)


def _row(way: Way, digest: str, stamp: FileStamp, item: Brought, at: datetime) -> dict[str, Any]:
    return {
        "id": str(uuid4()),
        "digest": digest,
        "way": way.key,
        "folder": clean_path(way.folder),
        "path": clean_path(stamp.path),
        "folder_bytes": way.folder,
        "path_bytes": stamp.path,
        "describer": way.describer,
        "model": way.model,
        "revision": 1,
        **_values(way, stamp, item, at),
    }


def _values(way: Way, stamp: FileStamp, item: Brought, at: datetime) -> dict[str, Any]:
    words = clean(item.description.strip(), DESCRIPTION_CHARACTERS, keep_newlines=True) if item.description else ""
    error = None
    if item.error:
        message = clean(item.error, _MESSAGE_CHARACTERS)
        error = ErrorInfo("ERR_FAILED_BEFORE_IMPORT", f"An older program could not describe it: {message}").as_dict()
    return {
        "file_digest": way.file_digest(stamp.path),
        "size": stamp.size,
        "mtime_ns": stamp.mtime_ns,
        "sha256": None,
        "state": "failed" if error else "done",
        "description": None if error else words,
        "facts": None,
        "error": error,
        "seconds": item.seconds,
        "job_id": None,
        "created_at": at,
        "origin": "import",
        "gone_at": None,
        "finish": item.finish if item.finish in ("stop", "length") else None,
        "prompt_tokens": item.prompt_tokens,
        "output_tokens": item.output_tokens,
    }


def _is_below(path: bytes) -> bool:
    return b"\0" not in path and not path.startswith((b"/", b"../")) and path not in (b"..", b".")


def _spellings(folder: bytes, path: bytes) -> Iterator[bytes]:
    """Yield the path as it is, then without a beginning that is the end of the folder's own name."""
    yield path
    parts = folder.strip(b"/").split(b"/")
    for at in range(len(parts)):
        beginning = b"/".join(parts[at:]) + b"/"
        if path.startswith(beginning):
            yield path[len(beginning) :]


def _stamp(way: Way, path: bytes) -> FileStamp | None:
    try:
        status = os.lstat(joined(way.folder, path))
    except (OSError, ValueError):
        return None
    return FileStamp(path, status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None
