"""Reads a still's facts: what its bytes say it is, how large, its hash, and a small copy to show."""

import base64
from datetime import UTC, datetime
from functools import partial

from daemons.folders.paths import wire_path
from daemons.pictures.image_kinds import recognise
from daemons.pictures.thumbnails import THUMBNAIL_WORKER, Size
from daemons.text import clean
from daemons.values import JsonValue
from daemons.workflows.polling.ladder import Outcome, StepContext
from daemons.workflows.polling.records import Record
from daemons.workflows.polling.steps.file_threads import GoOn, in_thread
from daemons.workflows.polling.steps.files import (
    FileGone,
    FileReplaced,
    FileUnfit,
    Stamp,
    ensure_same,
    file_of,
    reading,
    sha256_of,
    source_of,
    stamp_of,
)
from daemons.workflows.polling.steps.workers import STILLS_WORKER, ask_worker

NAME_CHARACTERS = 255
MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "BMP": "image/bmp",
    "AVIF": "image/avif",
    "TIFF": "image/tiff",
}


async def file_info(ctx: StepContext, record: Record) -> Outcome:
    """Read the facts of the file. Raises what `steps.files` names."""
    # Before the hash, which takes long: what is no image is found out from its head.
    path, kind, stamp = await in_thread(partial(_recognise, record))
    facts = await ask_worker(ctx, STILLS_WORKER, {"what": "facts", "path": wire_path(path)})
    sha256 = await in_thread(partial(_hash, path, stamp))
    thumbnail, note = await _small_copy(ctx, path, sha256)
    fields: dict[str, JsonValue] = {
        "file_name": name_of(path),
        "file_type": MEDIA_TYPES[kind],
        "size": stamp.size,
        "width": facts["width"],
        "height": facts["height"],
        "sha256": sha256,
        "modified_at": moment_of(stamp.mtime_ns),
        "thumbnail": sha256 if thumbnail else None,
    }
    if path != file_of(record):
        fields |= {"library_path": None, "copied_at": None}
    return Outcome(fields, note=note, thumbnail=thumbnail)


def name_of(path: bytes) -> str:
    """Return the last part of `path`, fit to be shown."""
    return clean(wire_path(path.rpartition(b"/")[2]), NAME_CHARACTERS)


def moment_of(mtime_ns: int) -> str | None:
    """Return a file's time as ISO text in UTC, None where it makes no sense."""
    try:
        return datetime.fromtimestamp(mtime_ns // 10**9, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return None


def _recognise(record: Record, go_on: GoOn) -> tuple[bytes, str, Stamp]:
    """Return which file it is, by the name of its decoder, and as it is now."""
    path = file_of(record)
    try:
        return path, *_kind_of(path)
    except FileGone:
        # Somebody has deleted the copy: then it is copied again.
        source = source_of(record)
        if path == source:
            raise
        return source, *_kind_of(source)


def _kind_of(path: bytes) -> tuple[str, Stamp]:
    with reading(path) as file:
        stamp = stamp_of(file)
        return recognise(file).name, stamp


def _hash(path: bytes, stamp: Stamp, go_on: GoOn) -> str:
    with reading(path) as file:
        if stamp_of(file) != stamp:
            raise FileReplaced
        sha256 = sha256_of(file, go_on)
        ensure_same(file, path, stamp)
    return sha256


async def _small_copy(ctx: StepContext, path: bytes, sha256: str) -> tuple[bytes | None, str | None]:
    request = {"path": wire_path(path), "sha256": sha256, "edge": Size.THUMBNAIL.value}
    try:
        result = await ask_worker(ctx, THUMBNAIL_WORKER, request)
    except FileUnfit as error:
        return None, f"There is no small copy to show: {error.message}"
    return base64.b64decode(result["webp"]), None
