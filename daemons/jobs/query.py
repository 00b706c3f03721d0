"""Questions about jobs as people type them: `state:failed daemon:night_watch since:1h -type:scan holiday`.

A word with a colon asks about one property, its values between commas; a minus before it asks for the others.
All other words are one text, looked for in id, type, key and daemon name. Quotes keep blanks and colons as they are.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from daemons.errors import UnknownName
from daemons.states import JobState

QUERY_CHARACTERS = 1000

_WORD = re.compile(r'(?P<minus>-?)(?P<key>[A-Za-z_]+):(?P<value>(?:"[^"]*(?:"|$)|[^\s"])*)(?=\s|$)')
_TEXT = re.compile(r'"(?P<quoted>[^"]*)"(?=\s|$)|(?P<plain>\S+)')
_VALUE = re.compile(r'"(?P<quoted>[^"]*)(?:"|$)|(?P<plain>[^",]+)|,')
_AGE = re.compile(r"(\d{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_PLAIN_VALUE = re.compile(r'[^\s",]+')


class BadQuery(UnknownName):
    """The question cannot be understood."""

    code = "ERR_BAD_QUERY"

    def __init__(self, token: str, place: int, why: str) -> None:
        super().__init__(
            f"{token[:100]} (character {place + 1}): {why}",
            remedy=f"Words may begin with {', '.join(f'{key}:' for key in KEYS)}. Put text that has a colon in quotes.",
        )
        self.token, self.place = token, place


class Term(NamedTuple):
    """One property that is asked about, and its values, any of which will do; negated, none of them."""

    key: str
    values: tuple[str, ...]
    is_negated: bool = False

    def __str__(self) -> str:
        return f"{'-' * self.is_negated}{self.key}:{','.join(map(_quoted, self.values))}"


@dataclass(frozen=True, slots=True)
class JobQuery:
    """A question, read. `str()` writes it so that it reads the same."""

    terms: tuple[Term, ...] = ()
    text: str = ""

    def __str__(self) -> str:
        if not self.terms:
            return f'"{self.text}"' if _has_terms(self.text) else self.text
        words = self.text.split(" ")
        # What would be read as a property, or lose blanks, has to stand in quotes.
        if '"' not in self.text and ("" in words[:-1] or self.text.split() != words):
            words = [f'"{self.text}"'] if self.text else []
        return " ".join([*map(str, self.terms), *(f'"{word}"' if _WORD.fullmatch(word) else word for word in words)])

    def without(self, *keys: str) -> "JobQuery":
        """Return the question without what it asks of these properties."""
        return JobQuery(tuple(term for term in self.terms if term.key not in keys), self.text)

    def less(self, term: Term) -> "JobQuery":
        """Return the question without one of its terms."""
        return JobQuery(tuple(other for other in self.terms if other != term), self.text)

    def also(self, key: str, *values: str) -> "JobQuery":
        """Return the question with one more term, in the first place."""
        return JobQuery((Term(key, values), *self.terms), self.text)


def parse(text: str) -> JobQuery:
    """Read a question. Raises BadQuery naming the word that is wrong, and where it stands."""
    if not _has_terms(text):
        # Words alone are looked for as they stand; quotes count only where they keep a colon from its meaning.
        text = text.strip()
        inner = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else ""
        return JobQuery((), inner if '"' not in inner and _has_terms(inner) else text)
    terms: list[Term] = []
    words: list[str] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        if found := _WORD.match(text, at):
            terms.append(_term(found))
        else:
            found = _TEXT.match(text, at)
            assert found is not None  # whatever is no blank is a text
            words.append(found["plain"] if found["quoted"] is None else found["quoted"])
        at = found.end()
    return JobQuery(tuple(terms), " ".join(words))


def _has_terms(text: str) -> bool:
    at = 0
    while at < len(text):
        if _WORD.match(text, at):
            return True
        found = _TEXT.match(text, at)
        at = found.end() if found else at + 1
    return False


def _term(found: re.Match[str]) -> Term:
    key = found["key"].lower()
    if key not in KEYS:
        raise BadQuery(found[0], found.start(), f"jobs cannot be asked for {key}.")
    values = tuple(_values(found["value"].lower() if key == "state" else found["value"]))
    if not values:
        raise BadQuery(found[0], found.start(), f"a value belongs behind {key}:, such as {KEYS[key]}.")
    for value in values:
        if (why := _CHECKS.get(key, _anything)(value)) is not None:
            raise BadQuery(found[0], found.start(), why)
    if key in ("since", "until", "ended") and (len(values) > 1 or found["minus"]):
        raise BadQuery(found[0], found.start(), f"{key}: takes one time and no minus.")
    return Term(key, values, bool(found["minus"]))


def _values(text: str) -> list[str]:
    values = [""]
    for found in _VALUE.finditer(text):
        if found[0] == ",":
            values.append("")
        else:
            values[-1] += found["plain"] if found["quoted"] is None else found["quoted"]
    return [value.strip() for value in values if value.strip()]


def _quoted(value: str) -> str:
    return value if _PLAIN_VALUE.fullmatch(value) else f'"{value}"'


def moment(text: str, now: datetime) -> datetime:
    """Return the time that `1h` (ago), `2026-01-31` or an ISO time means. Raises ValueError."""
    age = _AGE.fullmatch(text)
    given = now - timedelta(**{_UNITS[age[2]]: int(age[1])}) if age else datetime.fromisoformat(text)
    # Both ends of the calendar are no times that every database can compare.
    if not 1000 <= given.year <= 2900:
        raise ValueError(text)
    return given if given.tzinfo else given.replace(tzinfo=UTC)


def _anything(value: str) -> str | None:
    return None


def _known_state(value: str) -> str | None:
    return None if value in [*JobState] else f"there is no job state {value}; there are {', '.join(JobState)}."


def _known_time(value: str) -> str | None:
    try:
        moment(value, datetime(2000, 1, 1, tzinfo=UTC))
    except (ValueError, OverflowError):
        return f"{value} is no time; write 30m, 2h, 7d, 2026-01-31 or 2026-01-31T07:00Z."
    return None


KEYS: dict[str, str] = {
    "state": "state:failed,cancelled",
    "type": "type:describe",
    "daemon": "daemon:night_watch",
    "code": "code:ERR_TIMEOUT",
    "parent": "parent: and the id of a job",
    "lane": "lane:io",
    "since": "since:1h, created in the last hour",
    "until": "until:7d, created before the last seven days",
    "ended": "ended:1h, ended in the last hour",
}
"""What may be asked about, each with an example."""
_CHECKS: dict[str, Callable[[str], str | None]] = {
    "state": _known_state,
    "since": _known_time,
    "until": _known_time,
    "ended": _known_time,
}


def states_of(terms: Sequence[Term]) -> list[JobState] | None:
    """Return the states that these terms leave, None when they leave all."""
    asked = [term for term in terms if term.key == "state"]
    left = [state for state in JobState if all((state in term.values) is not term.is_negated for term in asked)]
    return left if asked else None
