"""Reads all standards of one picture and makes one set of fields of them."""

import os
from collections.abc import Callable
from typing import Any

from PIL import Image

from daemons.pictures.content import opened
from daemons.pictures.exif import GARBAGE
from daemons.pictures.image_errors import FileMissing, FileUnreadable, ImageError, NotAFile
from daemons.pictures.image_file import decoded
from daemons.workflows.polling.metadata.exif_notes import exif_notes, plain_notes
from daemons.workflows.polling.metadata.exiftool import ExiftoolFailed, exiftool, exiftool_notes
from daemons.workflows.polling.metadata.iptc_notes import iptc_notes
from daemons.workflows.polling.metadata.notes import Notes, merged
from daemons.workflows.polling.metadata.xmp_notes import xmp_notes

EXIF, IPTC, XMP, TEXT, EXIFTOOL = "EXIF", "IPTC", "XMP", "text", "exiftool"

# EXIF first: it also finds what a PNG has behind its pixels.
_READERS: dict[str, Callable[[Image.Image], Notes]] = {
    EXIF: exif_notes,
    IPTC: iptc_notes,
    XMP: xmp_notes,
    TEXT: plain_notes,
}
# People write with programs that keep XMP; what only the camera said comes last.
_WORDS = (XMP, IPTC, EXIF, TEXT, EXIFTOOL)
_FACTS = (EXIF, XMP, IPTC, TEXT, EXIFTOOL)
_TOLD_BY_CAMERAS = ("taken_at", "latitude", "longitude", "camera")


def read_metadata(path: bytes) -> dict[str, Any]:
    """Return {"fields", "problems"} of the picture; a standard that cannot be read costs itself.

    Raises FileMissing, FileUnreadable or NotAFile. An image that cannot be decoded is one of the problems.
    """
    found: dict[str, Notes] = {}
    problems: list[str] = []
    try:
        with opened(path) as file, decoded(file, os.fstat(file.fileno()).st_size) as image:
            _read(image, found, problems)
    except (FileMissing, FileUnreadable, NotAFile):
        raise
    except ImageError as error:
        problems.append(error.message)
    if (program := exiftool()) is not None:
        try:
            found[EXIFTOOL] = exiftool_notes(program, path)
        except ExiftoolFailed as error:
            problems.append(f"exiftool: {error}.")
    return {"fields": _fields(found), "problems": problems}


def _read(image: Image.Image, found: dict[str, Notes], problems: list[str]) -> None:
    for standard, read in _READERS.items():
        try:
            found[standard] = read(image)
        except GARBAGE as error:
            problems.append(f"The {standard} cannot be read: {str(error)[:200] or type(error).__name__}.")


def _fields(found: dict[str, Notes]) -> dict[str, Any]:
    words = merged(found[name] for name in _WORDS if name in found).known()
    facts = merged(found[name] for name in _FACTS if name in found).known()
    fields = {name: value for name, value in words.items() if name not in _TOLD_BY_CAMERAS}
    fields |= {name: value for name, value in facts.items() if name in _TOLD_BY_CAMERAS}
    sources = [name for name, notes in found.items() if not notes.is_empty]
    return fields | ({"metadata_source": sources} if sources else {})
