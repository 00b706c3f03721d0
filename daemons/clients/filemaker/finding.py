"""What to find and what to write, as FileMaker wants it spelled."""

import re
from collections.abc import Mapping
from typing import Any

from daemons.errors import Invalid
from daemons.values import JsonValue

Query = Mapping[str, str]
"""Criteria by field, all of which have to fit."""

EMPTY, ANYTHING = "=", "*"
# Each of these would be an operator; two dots or more are a range.
_OPERATORS = re.compile(r'[\\@#?!=<>≤≥"*~/…{}]|\.(?=\.)')


def exact(value: str) -> str:
    """Return the criterion for fields that hold this text and nothing else.

    FileMaker takes upper and lower case for the same all the same: whoever minds looks again.
    """
    return "==" + escaped(value) if value else EMPTY


def escaped(value: str) -> str:
    """Return text in which FileMaker takes no character for an operator."""
    return _OPERATORS.sub(lambda found: "\\" + found[0], value)


def as_field(value: JsonValue) -> str | int | float:
    """Return a value as a field takes it: text, or a number; a list as lines. Raises Invalid for an object."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, list | tuple):
        return "\r".join(str(as_field(one)) for one in value)
    if isinstance(value, str):
        return value.replace("\r\n", "\r").replace("\n", "\r")
    if isinstance(value, int | float):
        return value
    raise Invalid("A field of FileMaker holds text or a number, and no object.", code="ERR_NOT_A_FIELD")


def as_fields(fields: Mapping[str, JsonValue]) -> dict[str, Any]:
    """Return values by field name, as a call takes them. Raises Invalid."""
    return {name: as_field(value) for name, value in fields.items()}


def reads_as(value: JsonValue) -> str | int | float:
    """Return what `value` is read back as, once it was written."""
    written = as_field(value)
    return written.replace("\r", "\n") if isinstance(written, str) else written
