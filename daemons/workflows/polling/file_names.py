"""What names of files and folders say to people: words, and dates."""

import re

from daemons.workflows.polling.evaluation import is_machine_made
from daemons.workflows.polling.metadata.dates import iso_date

_ENDING = re.compile(r"\.\w{2,5}$")
_ESCAPED = re.compile(r"\\(\\|x[0-9a-f]{2})")
_COUNTED = re.compile(r"[ _-]*\(\d+\)$")
_STAMP = re.compile(
    r"(?<!\d)(?P<year>(?:1[5-9]|20)\d\d)(?P<between>[-_.]?)(?P<month>0[1-9]|1[0-2])(?P=between)"
    r"(?P<day>0[1-9]|[12]\d|3[01])(?:[-_ T](?P<time>[0-2]\d[-_.:]?[0-5]\d[-_.:]?[0-5]\d))?(?!\d)",
    re.ASCII,
)
_BETWEEN = re.compile(r"[\s_+,;]+")
_JOINED = re.compile(r"[-.]+")
_CAMERA = re.compile(r"(img|dscn?|dscf|pict|p|image|photo|scan|screenshot|mvi|pxl|sam)[-.]?(?P<number>\d*)", re.I)
# Hashes, and numbers that nobody reads.
_CODE = re.compile(r"(?=[^\d]*\d)[0-9a-f-]{8,}|\w*\d{5,}\w*|[\W_]+", re.I)
_LETTERS = re.compile(r"[^\W\d_]{3,}")
_SAYS_NOTHING = frozenset(
    ("copy", "kopie", "edit", "edited", "final", "small", "large", "web", "original", "scan", "image", "photo", "img")
)


def folder_of(source: str) -> str | None:
    """Return the folder of a record's source, None where it is no path of a file."""
    folder, slash, _ = source.rpartition("/")
    return folder if slash and source.startswith("/") else None


def date_in_name(name: str) -> str | None:
    """Return the day, or the moment, that a name such as IMG_20210503_140322 tells, as ISO text."""
    found = _STAMP.search(name)
    if found is None:
        return None
    day = f"{found['year']}-{found['month']}-{found['day']}"
    time = re.sub(r"\D", "", found["time"] or "")
    return iso_date(f"{day} {time[:2]}:{time[2:4]}:{time[4:]}" if time else day)


def readable(name: str) -> str:
    """Return the words of a name as a title, empty where it has none but what a machine wrote."""
    text = _COUNTED.sub("", _ENDING.sub("", name))
    text = _STAMP.sub(" ", _ESCAPED.sub(" ", text))
    if " " not in name:
        # Without spaces hyphens stand for them; beside spaces they belong to a word.
        text = _JOINED.sub(" ", text)
    words = _BETWEEN.split(text.strip())
    words = [word.strip("-.") for word in _without_camera(words) if word.strip("-.") and not _CODE.fullmatch(word)]
    title = " ".join(words)
    if not _LETTERS.search(title) or is_machine_made(title) or {*title.casefold().split()} <= _SAYS_NOTHING:
        return ""
    return title[:1].upper() + title[1:]


def _without_camera(words: list[str]) -> list[str]:
    """Leave out what a camera begins a name with: IMG_1234."""
    camera = _CAMERA.fullmatch(words[0]) if words else None
    if camera is None:
        return words
    if camera["number"]:
        return words[1:]
    return words[2:] if len(words) > 1 and words[1].isdigit() else words
