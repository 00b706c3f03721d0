"""What is known of a record, in the order and the spelling in which people read it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from daemons.values import JsonValue
from web.api.record_fields import PersonFields
from web.wording import plain, size

_PICTURE = "thumbnail"
"""The name of a file of the deck's own, which is shown instead."""
_BYTES = "size"


@dataclass(frozen=True, slots=True)
class Fact:
    """One field of a record."""

    name: str
    text: str
    moment: datetime | None  #: the same as a time, which is shown in the viewer's zone
    by: str | None  #: the step or the person it is from
    at: str | None  #: when it was written


def facts_of(
    fields: Mapping[str, JsonValue], provenance: Mapping[str, Mapping[str, str]], *, without: Collection[str] = ()
) -> list[Fact]:
    """Return what people may write first, then the rest as it came; a field of `without` is left out."""
    first = [name for name in PersonFields.model_fields if name in fields]
    names = dict.fromkeys([*first, *fields])
    return [
        Fact(name, _text(name, fields[name]), _moment(name, fields[name]), origin.get("by"), origin.get("at"))
        for name in names
        if name != _PICTURE and name not in without
        for origin in [provenance.get(name) or {}]
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
    """Return the moment of a field that names one; a camera's time has no zone, and stays as it was written."""
    if not name.endswith("_at") or not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
