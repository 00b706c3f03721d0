"""EXIF, as cameras and Windows write it, and what PNG and GIF say in plain text."""

from collections.abc import Mapping
from typing import Any

from PIL import ExifTags, Image

from daemons.pictures.exif import read_shot
from daemons.workflows.polling.metadata.dates import iso_date
from daemons.workflows.polling.metadata.notes import Notes, decoded, split_keywords, text_of

_DOCUMENT_NAME = 0x010D
_COMMENT_CODES = {b"ASCII\x00\x00\x00": ("utf-8", "cp1252", "latin-1"), b"JIS\x00\x00\x00\x00\x00": ("iso2022_jp",)}
_UNICODE = b"UNICODE\x00"
_CODE_BYTES = 8


def exif_notes(image: Image.Image) -> Notes:
    """Return what EXIF says; what decoding raises is the caller's."""
    exif = image.getexif()
    details = exif.get_ifd(ExifTags.IFD.Exif)
    shot = read_shot(image)
    where = shot.coordinates
    return Notes.of(
        title=_windows(exif.get(ExifTags.Base.XPTitle)) or _ascii(exif.get(_DOCUMENT_NAME)),
        caption=_first(
            _ascii(exif.get(ExifTags.Base.ImageDescription)),
            _comment(details.get(ExifTags.Base.UserComment)),
            _windows(exif.get(ExifTags.Base.XPComment)),
            _windows(exif.get(ExifTags.Base.XPSubject)),
        ),
        keywords=split_keywords(_windows(exif.get(ExifTags.Base.XPKeywords))),
        creator=_ascii(exif.get(ExifTags.Base.Artist)) or _windows(exif.get(ExifTags.Base.XPAuthor)),
        copyright=_ascii(exif.get(ExifTags.Base.Copyright)),
        taken_at=shot.taken_at,
        latitude=where.latitude if where else None,
        longitude=where.longitude if where else None,
        camera=shot.camera,
    )


def plain_notes(image: Image.Image) -> Notes:
    """Return what the text chunks of a PNG, or the comment of a JPEG or GIF, say."""
    said: Mapping[Any, Any] = image.info
    return Notes.of(
        title=said.get("Title"),
        caption=_first(*(text_of(said.get(name)) for name in ("Description", "Comment", "comment"))),
        keywords=split_keywords(text_of(said.get("Keywords"))),
        creator=said.get("Author"),
        copyright=said.get("Copyright"),
        taken_at=iso_date(text_of(said.get("Creation Time"))),
        url=_first(text_of(said.get("URL")), text_of(said.get("Source"))),
    )


def _first(*texts: str) -> str:
    return next((text for text in texts if text), "")


def _ascii(value: Any) -> str:
    # Pillow takes each byte for a character of Latin-1; most programs write UTF-8.
    if isinstance(value, str):
        try:
            value = value.encode("latin-1")
        except UnicodeEncodeError:
            return text_of(value)
    return text_of(value)


def _windows(value: Any) -> str:
    """Return text that Windows wrote: UTF-16, as bytes or as numbers."""
    if isinstance(value, tuple):
        value = bytes(number & 0xFF for number in value if isinstance(number, int))
    if not isinstance(value, bytes):
        return ""
    return text_of(value.decode("utf-16-le", "replace"))


def _comment(value: Any) -> str:
    if not isinstance(value, bytes):
        return _ascii(value)
    code, rest = value[:_CODE_BYTES], value[_CODE_BYTES:]
    if code == _UNICODE:
        # The standard does not say in which order; a NUL in every other place tells.
        is_little = rest[1::2].count(0) >= rest[0::2].count(0)
        return text_of(rest.decode("utf-16-le" if is_little else "utf-16-be", "replace"))
    if code in _COMMENT_CODES:
        return text_of(decoded(rest, _COMMENT_CODES[code]))
    return text_of(rest if not code.strip(b"\x00") else value)
