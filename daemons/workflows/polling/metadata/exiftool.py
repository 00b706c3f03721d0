"""exiftool, where it is installed: it reads what no library here does, old maker notes and odd formats among them."""

import json
import shutil
import subprocess
from typing import Any

from daemons.workflows.polling.metadata.dates import iso_date
from daemons.workflows.polling.metadata.notes import Notes, joined_place

SECONDS = 60.0
ANSWER_BYTES = 8 * 1024 * 1024
_TAGS = {
    "title": ("Title", "ObjectName", "XPTitle"),
    "headline": ("Headline",),
    "caption": ("Description", "Caption-Abstract", "ImageDescription", "UserComment", "Comment"),
    "keywords": ("Subject", "Keywords", "XPKeywords"),
    "creator": ("Creator", "By-line", "Artist", "Author"),
    "copyright": ("Rights", "CopyrightNotice", "Copyright"),
    "credit": ("Credit",),
    "taken_at": ("DateTimeOriginal", "DateCreated", "CreateDate"),
    "latitude": ("GPSLatitude",),
    "longitude": ("GPSLongitude",),
    "place": ("Sub-location", "Location", "City", "Province-State", "State", "Country-PrimaryLocationName", "Country"),
    "camera": ("Make", "Model"),
    "url": ("Source", "Identifier"),
    "rights": ("UsageTerms", "SpecialInstructions"),
}


class ExiftoolFailed(Exception):
    """exiftool gave no answer that can be used."""


def exiftool() -> str | None:
    """Return where exiftool is, None where there is none."""
    return shutil.which("exiftool")


def exiftool_notes(program: str, path: bytes) -> Notes:
    """Return what exiftool says of the picture. Raises ExiftoolFailed."""
    said = _ask(program, path)

    def values(field: str) -> list[Any]:
        return [said[tag] for tag in _TAGS[field] if said.get(tag) not in (None, "", [])]

    def first(field: str) -> Any:
        return next(iter(values(field)), None)

    keywords = first("keywords")
    maker, model = str(said.get("Make", "")), str(said.get("Model", ""))
    return Notes.of(
        title=_text(first("title")),
        headline=_text(first("headline")),
        caption=_text(first("caption")),
        keywords=[str(word) for word in keywords] if isinstance(keywords, list) else [str(keywords or "")],
        creator=_text(first("creator")),
        copyright=_text(first("copyright")),
        credit=_text(first("credit")),
        taken_at=next((on for value in values("taken_at") if (on := iso_date(str(value)))), None),
        latitude=_degrees(first("latitude"), 90),
        longitude=_degrees(first("longitude"), 180),
        place=joined_place(str(part) for part in values("place")),
        camera=model if model.casefold().startswith(maker.casefold()) else f"{maker} {model}",
        url=[str(value) for value in values("url")],
        rights=_text(first("rights")),
    )


def _ask(program: str, path: bytes) -> dict[str, Any]:
    tags = [f"-{tag}" for tags in _TAGS.values() for tag in tags]
    # The path is absolute, so that it begins with no dash and is never taken for an option.
    command: list[str | bytes] = [program, "-json", "-n", "-q", "-q", "-m", *tags, path]
    try:
        ended = subprocess.run(command, capture_output=True, timeout=SECONDS, stdin=subprocess.DEVNULL, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        raise ExiftoolFailed(f"it could not be run: {error}") from error
    if len(ended.stdout) > ANSWER_BYTES:
        raise ExiftoolFailed("it answered with more than is read")
    try:
        answers = json.loads(ended.stdout.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise ExiftoolFailed(f"it answered with no JSON, and exit code {ended.returncode}") from error
    answer = answers[0] if isinstance(answers, list) and answers else None
    if not isinstance(answer, dict) or "Error" in answer:
        raise ExiftoolFailed("it cannot read the file")
    return answer


def _text(value: Any) -> str | list[str] | None:
    if isinstance(value, list):
        return [str(one) for one in value]
    return None if value is None else str(value)


def _degrees(value: Any, limit: int) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return round(float(value), 6) if is_number and 0 < abs(value) <= limit else None
