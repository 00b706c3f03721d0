"""`option=value` as people type it, read by the schema of the option."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import typer


def read_assignments(typed: Iterable[str], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that were assigned; text where the schema takes text, JSON elsewhere. Raises BadParameter.

    Names that the schema does not know are kept: the deck refuses them with a sentence of its own.
    """
    values: dict[str, Any] = {}
    for assignment in typed:
        name, equals, value = assignment.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{assignment} is no assignment; write OPTION=VALUE.")
        if name in values:
            raise typer.BadParameter(f"{name} is assigned twice.")
        values[name] = read_value(value, _kinds(schema.get("properties", {}).get(name), schema))
    return values


def read_value(text: str, kinds: set[str]) -> Any:
    """Return `text` as a value of one of these JSON types."""
    if text == "null" and "null" in kinds:
        return None
    if "string" in kinds:
        return text
    try:
        return json.loads(text)
    except ValueError:
        pass
    # A list without its brackets is what people write; so are yes and no.
    if "array" in kinds:
        return [part.strip() for part in text.split(",") if part.strip()]
    if "boolean" in kinds and text.lower() in ("yes", "no", "on", "off"):
        return text.lower() in ("yes", "on")
    return text


def _kinds(property: Any, schema: Mapping[str, Any]) -> set[str]:
    """Return the JSON types that a property may have."""
    if not isinstance(property, Mapping):
        return set()
    if "$ref" in property:
        return _kinds(schema.get("$defs", {}).get(str(property["$ref"]).rpartition("/")[2]), schema)
    kinds = {property["type"]} if isinstance(property.get("type"), str) else set(property.get("type") or ())
    if "enum" in property or isinstance(property.get("const"), str):
        kinds |= {"string"} if any(isinstance(one, str) for one in property.get("enum", [""])) else set()
    for group in ("anyOf", "oneOf", "allOf"):
        for part in property.get(group, ()):
            kinds |= _kinds(part, schema)
    return kinds
