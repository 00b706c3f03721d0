"""Questions that a single press answers: a form with one field of a few choices."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from web.words import _

CHOICES_MOST = 4
"""More choices than these are a list to choose from, not buttons."""


class Choice(NamedTuple):
    """One button: what it says, and its place among the choices."""

    label: str
    value: Any


def choices_of(form: Mapping[str, Any]) -> tuple[str, list[Choice]] | None:
    """Return the only field of `form` and its few choices, or None for a form that has to be filled in."""
    properties: Mapping[str, Any] = form.get("properties") or {}
    if len(properties) != 1:
        return None
    [(name, schema)] = properties.items()
    if "$ref" in schema:
        schema = (form.get("$defs") or {}).get(str(schema["$ref"]).rpartition("/")[2], {})
    if schema.get("type") == "boolean":
        return name, [Choice(_("Yes"), True), Choice(_("No"), False)]
    values = schema.get("enum") or ([schema["const"]] if "const" in schema else [])
    if not 0 < len(values) <= CHOICES_MOST:
        return None
    return name, [Choice(str(value), value) for value in values]
