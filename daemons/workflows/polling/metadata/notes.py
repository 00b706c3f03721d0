"""What a picture says of itself, whichever standard it says it in, cleaned of what cannot be stored or shown."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from daemons.text import clean

KEYWORDS_MOST = 100
KEYWORD_CHARACTERS = 100
LIMITS = {
    "title": 255,
    "headline": 255,
    "caption": 8_000,
    "creator": 255,
    "copyright": 500,
    "credit": 255,
    "place": 255,
    "camera": 100,
    "rights": 1_000,
    "url": 2_000,
}
"""Characters of each text; a caption may have several lines."""
CODECS = ("utf-8", "cp1252", "latin-1")
"""In which text of unknown encoding is tried; the last one takes any bytes."""

_URL = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_BLANK = re.compile(r"[^\S\n]+")
# What cameras and scanners write where a person should have.
_DEFAULTS = re.compile(
    r"(olympus|konica minolta|kodak|nikon|sony|samsung|minolta) (digital camera|dsc|camera)|dcf 1\.0|default|"
    r"untitled|unknown|none|null|n/a|image|picture|photo|exif_jpeg_picture|created with gimp|screenshot|_*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Notes:
    """Fields of a record; None is unknown."""

    title: str | None = None
    headline: str | None = None  #: where it is not the title
    caption: str | None = None
    keywords: tuple[str, ...] | None = None
    creator: str | None = None
    copyright: str | None = None
    credit: str | None = None
    taken_at: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    place: str | None = None
    camera: str | None = None
    url: str | None = None
    rights: str | None = None

    @classmethod
    def of(cls, **said: Any) -> Self:
        """Return notes of texts as they were found, cleaned; a list of texts is joined, of keywords kept."""
        known = {name: _cleaned(name, value) for name, value in said.items()}
        title, headline = known.get("title") or known.get("headline"), known.get("headline")
        return cls(**{**known, "title": title, "headline": headline if headline != title else None})

    @property
    def is_empty(self) -> bool:
        return self == Notes()

    def known(self) -> dict[str, Any]:
        """Return what is known, as JSON values."""
        said = {name: value for name, value in asdict(self).items() if value is not None}
        return said | ({"keywords": list(self.keywords)} if self.keywords else {})


def merged(notes: Iterable[Notes]) -> Notes:
    """Return of each field what the first says that knows it."""
    every = list(notes)
    known = {
        one.name: next((value for said in every if (value := getattr(said, one.name)) is not None), None)
        for one in fields(Notes)
    }
    if known["headline"] == known["title"]:
        known["headline"] = None
    if known["latitude"] is None or known["longitude"] is None:
        known["latitude"] = known["longitude"] = None
    return Notes(**known)


def text_of(value: Any) -> str:
    """Return text of whatever a decoder gave: bytes in any encoding, text up to its first NUL; empty for the rest."""
    if isinstance(value, bytes):
        value = decoded(value)
    return value.split("\x00")[0].strip() if isinstance(value, str) else ""


def decoded(data: bytes, codecs: Iterable[str] = CODECS) -> str:
    """Return `data` as text in the first of `codecs` that it makes sense in."""
    for codec in codecs:
        try:
            return data.decode(codec)
        except UnicodeDecodeError:
            continue
    return data.decode("utf-8", "replace")


def split_keywords(text: str) -> list[str]:
    """Return the words of a single text."""
    return re.split(r"[;\n]" if ";" in text else r"[,\n]", text)


def joined_place(parts: Iterable[str]) -> str:
    """Return a place of its parts, the narrowest first."""
    return ", ".join(dict.fromkeys(part for part in parts if part))


def _cleaned(name: str, value: Any) -> Any:
    if value is None or isinstance(value, float):
        return value
    if name == "keywords":
        words = dict.fromkeys(word for one in value if (word := _line(text_of(one), KEYWORD_CHARACTERS)))
        return tuple(words)[:KEYWORDS_MOST] or None
    texts = [text_of(one) for one in value] if isinstance(value, list | tuple) else [text_of(value)]
    if name == "url":
        return next((url[0][: LIMITS["url"]] for text in texts if (url := _URL.fullmatch(text))), None)
    if name == "caption":
        lines = "\n".join(text for text in texts if text)
        text = clean(_BLANK.sub(" ", unicodedata.normalize("NFC", lines)), LIMITS[name], keep_newlines=True).strip()
    else:
        text = _line(", ".join(text for text in texts if text), LIMITS.get(name, 255))
    return None if not text or _DEFAULTS.fullmatch(text) else text


def _line(text: str, limit: int) -> str:
    return clean(" ".join(unicodedata.normalize("NFC", text).split()), limit)
