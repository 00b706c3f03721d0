"""What a film says about itself in words: title, maker, when and where it was filmed."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import av.container

from daemons.text import clean

WORDS_CHARACTERS = 5000
TITLE_CHARACTERS = 255
KEYWORDS_MOST = 200
_APPLE = "com.apple.quicktime."

# The names under which writers of films keep what we ask for, the best first.
_NAMES = {
    "title": ("title", _APPLE + "title", _APPLE + "displayname"),
    "caption": ("description", _APPLE + "description", "synopsis", "comment", _APPLE + "comment"),
    "creator": ("artist", _APPLE + "author", "author", _APPLE + "director", "director"),
    "copyright": ("copyright", _APPLE + "copyright"),
}
_CREATED = (_APPLE + "creationdate", "creation_time", "date_recorded", "date")
_KEYWORDS = ("keywords", _APPLE + "keywords")
_PLACES = (_APPLE + "location.iso6709", "location", "location-eng")
_POSITION = re.compile(r"(?P<latitude>[+-]\d{2}(?:\.\d+)?)(?P<longitude>[+-]\d{3}(?:\.\d+)?)")
_TIMECODE = re.compile(r"\d{2}:\d{2}:\d{2}[:;.]\d{2,3}")


def read_tags(container: av.container.InputContainer) -> dict[str, Any]:
    """Return what is said, cleaned and short; a name is missing where nothing is."""
    tags = _all(container)
    found: dict[str, Any] = {}
    for field, names in _NAMES.items():
        if words := _first(tags, names):
            found[field] = clean(words, TITLE_CHARACTERS if field == "title" else WORDS_CHARACTERS).strip()
    if keywords := _first(tags, _KEYWORDS):
        words_of = (clean(word.strip(), TITLE_CHARACTERS) for word in re.split(r"[,;]", keywords[: 50 * KEYWORDS_MOST]))
        found["keywords"] = list(dict.fromkeys(word for word in words_of if word))[:KEYWORDS_MOST]
    if created := next(_moments(tags), None):
        found["taken_at"] = created.isoformat()
    if match := _POSITION.match(_first(tags, _PLACES)):
        latitude, longitude = float(match["latitude"]), float(match["longitude"])
        if abs(latitude) <= 90 and abs(longitude) <= 180 and (latitude, longitude) != (0, 0):
            found |= {"latitude": latitude, "longitude": longitude}
    if camera := _camera(tags):
        found["camera"] = camera
    if match := _TIMECODE.search(tags.get("timecode", "")):
        found["timecode"] = match[0]
    return {name: value for name, value in found.items() if value}


def _all(container: av.container.InputContainer) -> dict[str, str]:
    tags: dict[str, str] = {}
    # The film's own words go before those of its streams; the timecode is in one of these as a rule.
    for source in (container.metadata, *(stream.metadata for stream in container.streams)):
        for name, value in source.items():
            tags.setdefault(name.lower(), value)
    return tags


def _first(tags: dict[str, str], names: tuple[str, ...]) -> str:
    return next((tags[name] for name in names if tags.get(name, "").strip()), "")


def _moments(tags: dict[str, str]) -> Iterator[datetime]:
    for name in _CREATED:
        try:
            moment = datetime.fromisoformat(tags.get(name, "").strip())
        except ValueError:
            continue
        # Clocks that were never set say the year in which their counting begins.
        if moment.year > 1904 and moment.date() != datetime(1970, 1, 1, tzinfo=UTC).date():
            yield moment


def _camera(tags: dict[str, str]) -> str:
    make = _first(tags, (_APPLE + "make", "make", "com.android.manufacturer"))
    model = _first(tags, (_APPLE + "model", "model", "com.android.model"))
    words = model if make.lower() in model.lower() else f"{make} {model}"
    return clean(words.strip(), TITLE_CHARACTERS)
