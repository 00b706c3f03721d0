"""What is known of a record, in the order and the spelling in which people read it."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from daemons.values import JsonValue
from web.api.record_fields import PersonFields
from web.wording import in_words, plain, size

_PICTURE = "thumbnail"
"""The name of a file of the deck's own, which is shown instead."""
_BYTES = "size"


@dataclass(frozen=True, slots=True)
class Fact:
    """One field of a record."""

    name: str
    text: str
    moment: datetime | None  #: the same as a time, which is shown in the viewer's zone
    wall: str | None  #: the same as a time that a clock without a zone showed, which is every viewer's
    by: str | None  #: the step or the person it is from
    at: str | None  #: when it was written

    @property
    def label(self) -> str:
        """The name as people write it: `metadata_source` as Metadata source."""
        return in_words(self.name)


@dataclass(frozen=True, slots=True)
class Origin:
    """What a step or a person wrote at one time."""

    by: str | None
    at: str | None
    facts: list[Fact]


def by_origin(facts: Iterable[Fact]) -> list[Origin]:
    """Return `facts` with those together that are from the same step and time, in the order of the first of each."""
    groups: dict[tuple[str | None, str | None], list[Fact]] = {}
    for fact in facts:
        groups.setdefault((fact.by, fact.at), []).append(fact)
    return [Origin(by, at, found) for (by, at), found in groups.items()]


def facts_of(
    fields: Mapping[str, JsonValue], provenance: Mapping[str, Mapping[str, str]], *, without: Collection[str] = ()
) -> list[Fact]:
    """Return what people may write first, then the rest as it came; a field of `without` is left out."""
    first = [name for name in PersonFields.model_fields if name in fields]
    names = dict.fromkeys([*first, *fields])
    return [
        Fact(name, _text(name, value), _moment(name, value), _wall(name, value), origin.get("by"), origin.get("at"))
        for name in names
        if name != _PICTURE and name not in without
        for origin, value in [(provenance.get(name) or {}, fields[name])]
    ]


def _text(name: str, value: JsonValue) -> str:
    if isinstance(value, list):
        return ", ".join(map(plain, value)) or plain(None)
    if isinstance(value, dict) and not any(isinstance(inner, dict | list) for inner in value.values()):
        return " · ".join(f"{key.replace('_', ' ')} {plain(inner)}" for key, inner in value.items()) or plain(None)
    if name == _BYTES and isinstance(value, int) and not isinstance(value, bool):
        return size(value)
    return plain(value)


def _moment(name: str, value: JsonValue) -> datetime | None:
    """Return the moment of a field that names one; a camera's time has no zone, and is none."""
    try:
        moment = _time(name, value)
        return moment.astimezone(UTC) if moment is not None and moment.tzinfo is not None else None
    except OverflowError:
        return None


def _wall(name: str, value: JsonValue) -> str | None:
    moment = _time(name, value)
    return moment.isoformat("T", "seconds") if moment is not None and moment.tzinfo is None else None


def _time(name: str, value: JsonValue) -> datetime | None:
    """Return the time of day and date that a field names; a date alone is none."""
    if not name.endswith("_at") or not isinstance(value, str) or ":" not in value:
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None
