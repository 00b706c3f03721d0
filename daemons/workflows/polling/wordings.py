"""What texts about a picture say that a form asks for: a first line, a date, a name, words, addresses."""

import re
from collections.abc import Iterator

from daemons.workflows.polling.evaluation import DAY, WORD
from daemons.workflows.polling.vocabulary import KEYWORDS

TITLE_CHARACTERS = 100
WORDS_READ = 2_000

_SENTENCE = re.compile(r"[.!?…](?=\s|$)")
_WHEN = re.compile(
    r"\b(?:(?:circa|ca\.|c\.|about|around|um|early|late|mid-?)\s?)?(?:1[5-9]\d\d|20\d\d)(?:s|er)?\b", re.IGNORECASE
)
_URL = re.compile(r"https?://[^\s<>\"'“”]{1,2000}", re.IGNORECASE)
_NO_NAME = re.compile(
    r"©|\(c\)|\bcopyright\b|\ball rights reserved\b|\b(?:1[5-9]|20)\d\d\b(?:\s?[-–]\s?\d{2,4}\b)?", re.IGNORECASE
)


def headline(text: str) -> str:
    """Return the first line or sentence of `text` where it is short enough to be a title, else ""."""
    line = text.strip().split("\n")[0].strip()
    end = _SENTENCE.search(line)
    first = line[: end.start()] if end else line
    return first.strip() if len(first) <= TITLE_CHARACTERS else ""


def beginning(text: str, most: int) -> str:
    """Return `text`, or as many whole sentences of it as `most` characters hold; else as many words."""
    if len(text) <= most:
        return text
    ends = [found.end() for found in _SENTENCE.finditer(text, 0, most)]
    if ends and ends[-1] >= most // 4:
        return text[: ends[-1]]
    return text[: most - 1].rsplit(None, 1)[0] + "…"


def date_in(text: str) -> str | None:
    """Return the day that `text` names, else the year, with the word that says it is only about then."""
    found = DAY.search(text) or _WHEN.search(text)
    return found[0] if found else None


def name_in(notice: str) -> str:
    """Return whose a copyright notice says something is."""
    return " ".join(_NO_NAME.sub(" ", notice).split()).strip(" ,.;:?-–/")


def keywords_in(text: str) -> Iterator[str]:
    """Yield the words of `text` by which pictures are looked for, each once, as they stand in the vocabulary."""
    words = (found[0].casefold() for found in WORD.finditer(text[:WORDS_READ]))
    yield from dict.fromkeys(word for word in words if word in KEYWORDS)


def urls_in(text: str) -> Iterator[str]:
    """Yield the addresses in `text`, without what ends their sentence."""
    for found in _URL.finditer(text):
        yield found[0].rstrip(".,;:!?)]}")
