"""How descriptions are written: the latest in its row, those before it as versions."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Row, func, insert, literal, select, update

from daemons.database.transaction import Transaction
from daemons.events import ItemChanged
from daemons.text import clean
from daemons.workflows.describe.keeper.descriptions import TOPIC, Description
from daemons.workflows.describe.keeper.findings import FileStamp, Finding, Way
from daemons.workflows.describe.tables import DescriptionTable, DescriptionVersionTable

_D = DescriptionTable.__table__.c
_V = DescriptionVersionTable.__table__.c
# What a version keeps under the same name.
_KEPT = [column.name for column in _V if column.name in _D and column.name not in ("id", "created_at")]


def record(tx: Transaction, way: Way, finding: Finding, job_id: str | None, *, asked: bool = False) -> None:
    """Write what describing a file came to, in place of what was known of it in the same way, and tell it.

    What was known before becomes a version. What a person wrote stays, unless somebody `asked` to describe it again.
    """
    digest = way.digest(finding.stamp.path)
    values: dict[str, Any] = {
        "file_digest": way.file_digest(finding.stamp.path),
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
        "origin": finding.origin,
        "copied_from": finding.copied_from,
        "edited_at": None,
        "edited_by": None,
        "gone_at": None,
        "prompt_hash": finding.prompt_hash,
        "finish": finding.finish,
        "prompt_tokens": finding.prompt_tokens,
        "output_tokens": finding.output_tokens,
        **finding.searched_by(),
    }
    # Locked: who edits it at this moment would be overwritten, and his words be in no version.
    known = tx.execute(select(_D.origin).where(_D.digest == digest).with_for_update()).first()
    if known is not None and known.origin == "hand" and not asked:
        values = _facts_of(values, failed=finding.error is not None)
    else:
        keep_version(tx, _D.digest == digest)
    again = update(DescriptionTable).where(_D.digest == digest).values(**values, revision=_D.revision + 1)
    row = tx.execute(again.returning(*_D)).first() or _insert(tx, way, finding.stamp.path, {"digest": digest, **values})
    shown = Description.of(row)
    tx.announce(ItemChanged(TOPIC, shown.id, shown.as_dict()))


def _facts_of(values: dict[str, Any], *, failed: bool) -> dict[str, Any]:
    """Return what changes of a description that a person wrote: which file it is of, and what that looks like."""
    names = {"size", "mtime_ns", "gone_at"}
    if not failed:
        names |= {"sha256", "facts", "taken_at", "colour", "perceptual_hash"}
    return {name: value for name, value in values.items() if name in names}


def keep_version(tx: Transaction, which: ColumnElement[bool]) -> None:
    """Keep what the descriptions that `which` holds for say now, before they are changed."""
    said_at = func.coalesce(_D.edited_at, _D.created_at)
    values = [_D.id, _D.edited_by, said_at, literal(tx.now, _V.replaced_at.type), *(_D[name] for name in _KEPT)]
    names = ["description_id", "by", "created_at", "replaced_at", *_KEPT]
    tx.execute(insert(DescriptionVersionTable).from_select(names, select(*values).where(which)))


def restamp(tx: Transaction, way: Way, stamp: FileStamp) -> None:
    """Note that a file looks changed but has the content that is described."""
    changed = update(DescriptionTable).where(_D.digest == way.digest(stamp.path))
    tx.execute(changed.values(size=stamp.size, mtime_ns=stamp.mtime_ns, gone_at=None))


def mark_gone(tx: Transaction, ids: Sequence[str], *, gone: bool) -> None:
    """Note that the files of these descriptions are not there any more, or are there again, and tell it."""
    changed = update(DescriptionTable).where(_D.id.in_(ids)).values(gone_at=tx.now if gone else None)
    for row in tx.execute(changed.returning(*_D)):
        tx.announce(ItemChanged(TOPIC, row.id, Description.of(row).as_dict()))


def _insert(tx: Transaction, way: Way, path: bytes, values: dict[str, Any]) -> Row[Any]:
    place = {
        "id": str(uuid4()),
        "way": way.key,
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
