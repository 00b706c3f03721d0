"""How much is known of a record: points out of 50 by named parts, a letter, and a sentence for each part.

text        12   how much is said, in characters
keywords    15   words of what is seen or of its time, and the record's own keywords; two are enough
archival    10   a word that says what kind of document it is, or where it is kept; one is enough
names       10   people, places and organisations; two are enough
dates        6   a day, a year, or about when
technical    5   what it was taken with, and where
boilerplate -8   phrases of stock photo sites, each 2
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from daemons.workflows.polling.records import Reason, Record
from daemons.workflows.polling.vocabulary import ARCHIVAL, BOILERPLATE, KEYWORDS, TECHNICAL

FULL = 50.0
MOST = {"text": 12.0, "keywords": 15.0, "archival": 10.0, "names": 10.0, "dates": 6.0, "technical": 5.0}
BOILERPLATE_MOST, BOILERPLATE_EACH = 8.0, 2.0
GRADES = ((40, "A+"), (30, "A"), (25, "B+"), (20, "B"), (15, "C+"), (10, "C"), (5, "D"), (0, "F"))
ENOUGH_CHARACTERS = 150
CHARACTERS_READ = 20_000
"""Of each text: a page of the web may be a book."""

_TEXTS = ("title", "headline", "caption", "description", "notes", "url_title", "url_text", "transcript")
_NAMED = ("creator", "place", "credit")
_MACHINE_MADE = re.compile(
    r"(img|dscn?|dscf|pict|p|image|photo|scan|screenshot|mvi|pxl|sam)?[-_ ()\d.]*(\.\w{2,5})?", re.I
)
WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_YEAR = re.compile(r"\b(1[5-9]\d\d|20\d\d)(s|er)?\b")
DAY = re.compile(
    r"\b\d{4}-\d{2}-\d{2}|\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b|\b\d{1,2}\.? (?:jan|feb|mar|mär|apr|ma[iy]|jun|jul|aug|sep|"
    r"o[ck]t|nov|de[cz])\w* \d{4}\b|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\w* \d{1,2}, \d{4}\b",
    re.I,
)
_ABOUT = re.compile(r"\b(circa|ca\.|c\. ?\d|about \d{4}|around \d{4}|um \d{4}|early|late|mid-?)\b", re.I)
# Two words or more that begin with capitals, as names do; what begins a sentence may be one word of it too many.
_NAME = re.compile(r"\b[A-Z][\w’'-]+(?: (?:of|the|de|la|von|van|der|and|&) [A-Z][\w’'-]+| [A-Z][\w’'-]+)+")
_PHRASES = re.compile("|".join(re.escape(phrase).replace(r"\ ", r"\s+") for phrase in sorted(BOILERPLATE)), re.I)
_WITHIN = re.compile(r"(?<=[a-z,;] )[A-Z][a-z’'-]{2,}")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How much is known."""

    parts: Mapping[str, float]  #: points by part; boilerplate is negative
    sentences: tuple[str, ...]  #: why, part by part
    reasons: tuple[Reason, ...]  #: what would bring more, the largest gain first

    @property
    def points(self) -> float:
        return max(0.0, min(FULL, sum(self.parts.values())))

    @property
    def quality(self) -> float:
        """0 to 1."""
        return round(self.points / FULL, 4)

    @property
    def grade(self) -> str:
        return next(letter for least, letter in GRADES if self.points >= least)

    @property
    def explanation(self) -> str:
        return f"{self.points:g} of {FULL:g} points, grade {self.grade}. " + " ".join(self.sentences)


def is_machine_made(name: str) -> bool:
    """Whether a name is what a camera or a scanner counts by, such as IMG_1234.jpg."""
    return _MACHINE_MADE.fullmatch(name) is not None


def has_boilerplate(text: str) -> bool:
    """Whether `text` holds a phrase of stock photo sites."""
    return _PHRASES.search(text) is not None


def evaluate(record: Record) -> Evaluation:
    """Return how much is known of `record`; what a describer made up of the image alone does not count."""
    said = "\n".join(_texts(record))
    # What a stock photo site calls everything must not count for it.
    text = _PHRASES.sub(" ", said)
    words = [word.casefold() for word in WORD.findall(text)]
    rated = (
        _text(len(text.strip())),
        _keywords(record.fields, words),
        _archival(words),
        _names(record.fields, text),
        _dates(record.fields, text),
        _technical(record.fields, words),
        _boilerplate({" ".join(phrase.casefold().split()) for phrase in _PHRASES.findall(said)}),
    )
    # The largest gain first; what counts against it comes last.
    gains = [(MOST.get(part, 0.0) - max(0.0, points), reason) for part, points, _, reason in rated if reason]
    gains.sort(key=lambda pair: -pair[0])
    return Evaluation(
        {part: round(points, 1) for part, points, _, _ in rated},
        tuple(sentence for _, _, sentence, _ in rated if sentence),
        tuple(reason for _, reason in gains),
    )


Rated = tuple[str, float, str, Reason | None]
"""A part, its points, why, and what would bring more."""


def _texts(record: Record) -> list[str]:
    said = []
    for name in _TEXTS:
        value = record.fields.get(name)
        if name == "description" and record.provenance.get(name, {}).get("by") == "describe":
            continue
        if isinstance(value, str) and not (name == "title" and is_machine_made(value)):
            said.append(value[:CHARACTERS_READ].strip())
    return [text for text in dict.fromkeys(said) if text]


def _text(characters: int) -> Rated:
    points = MOST["text"] * min(1.0, characters / ENOUGH_CHARACTERS)
    sentence = f"{characters:,} characters of text (+{points:.1f})."
    if characters >= ENOUGH_CHARACTERS:
        return "text", points, sentence, None
    said = {0: "There is no text at all", 1: "There is one character of text"}.get(
        characters, f"There are only {characters} characters of text"
    )
    why = Reason("text_too_short", f"{said}; {ENOUGH_CHARACTERS} characters are enough.", "caption")
    return "text", points, sentence, why


def _keywords(fields: Mapping[str, Any], words: list[str]) -> Rated:
    own = fields.get("keywords")
    found = {*KEYWORDS.intersection(words)} | {str(word).casefold() for word in (own if isinstance(own, list) else [])}
    points = min(MOST["keywords"], 7.5 * len(found))
    if len(found) >= 2:
        return "keywords", points, f"Keywords: {_few(found)} (+{points:g}).", None
    have = f"Only one keyword is known, {_few(found)}" if found else "No keywords are known"
    sentence = f"Keywords: {_few(found)} (+{points:g})." if found else ""
    return "keywords", points, sentence, Reason("too_few_keywords", f"{have}; two are enough.", "keywords")


def _archival(words: list[str]) -> Rated:
    found = ARCHIVAL.intersection(words)
    if found:
        return "archival", MOST["archival"], f"It is called {_few(found)} (+{MOST['archival']:g}).", None
    sentence = "Nothing says what kind of document it is or where it is kept, such as “negative” or “collection”."
    return "archival", 0.0, "", Reason("no_archival_word", sentence, "notes")


def _names(fields: Mapping[str, Any], text: str) -> Rated:
    found = {value.strip() for name in _NAMED if isinstance(value := fields.get(name), str) and value.strip()}
    found |= {*_NAME.findall(text), *_WITHIN.findall(text)}
    points = min(MOST["names"], 5.0 * len(found))
    sentence = f"Names: {_few(found)} (+{points:g})." if found else ""
    if len(found) >= 2:
        return "names", points, sentence, None
    have = f"Only one name is known, {_few(found)}" if found else "No person, place or organisation is named"
    return "names", points, sentence, Reason("too_few_names", f"{have}; two are enough.", "place")


def _dates(fields: Mapping[str, Any], text: str) -> Rated:
    taken = fields.get("taken_at")
    text = f"{taken if isinstance(taken, str) else ''}\n{text}"
    if day := DAY.search(text):
        return "dates", 6.0, f"A date: {day[0]} (+6).", None
    year, about = _YEAR.search(text), _ABOUT.search(text)
    if year:
        points = 5.0 if about is None else 4.0
        return "dates", points, f"A year: {year[0]} (+{points:g}).", None
    return "dates", 0.0, "", Reason("no_date", "Nothing says when it was taken, not even about.", "taken_at")


def _technical(fields: Mapping[str, Any], words: list[str]) -> Rated:
    found = {
        "camera": 3.0 if fields.get("camera") else 0.0,
        "coordinates": 2.0 if fields.get("latitude") is not None else 0.0,
        **dict.fromkeys(TECHNICAL.intersection(words), 1.0),
    }
    points = min(MOST["technical"], sum(found.values()))
    known = {name for name, worth in found.items() if worth}
    return "technical", points, f"Technical: {_few(known)} (+{points:g})." if known else "", None


def _boilerplate(found: set[str]) -> Rated:
    if not found:
        return "boilerplate", 0.0, "", None
    points = min(BOILERPLATE_MOST, BOILERPLATE_EACH * len(found))
    sentence = f"Phrases of stock photo sites: {_few(found)} (-{points:g})."
    return "boilerplate", -points, sentence, Reason("boilerplate", f"{sentence} Say what is seen instead.", "caption")


def _few(found: Iterable[str], most: int = 4) -> str:
    every = sorted(found)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(word[:60] for word in every[:most]) + more
