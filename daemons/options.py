"""A daemon's options: declared once as a model, given in four places, read as one value."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, PydanticUserError, TypeAdapter, ValidationError

from daemons.errors import Invalid
from daemons.text import own_words

NEEDS_RESTART: dict[str, Any] = {"restart": True}
"""`Field(…, json_schema_extra=NEEDS_RESTART)`: a change of this option takes effect at the next start."""
NEEDS_FOLDER: dict[str, Any] = {"needs": "folder"}
"""`Field(…, json_schema_extra=NEEDS_FOLDER)`: a folder without which the daemon cannot work; its health is watched."""


class DaemonOptions(BaseModel):
    """What every daemon can be told; subclasses add fields, each with a default and a description."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    silent_after: float = Field(
        90.0, ge=0, description="Seconds without a sign of life after which the daemon is marked silent; 0: never."
    )


class InvalidOption(Invalid):
    """An option is not known or its value is not valid."""

    code = "ERR_INVALID_OPTION"
    remedy = "GET /api/types lists the options of each type with their bounds."

    def __init__(self, message: str, keys: tuple[str, ...], problems: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.keys = keys
        self.problems = problems or {}
        """What is wrong, by option."""


class ConfiguredOptions(Protocol):
    """The part of the settings that speaks of daemons."""

    def daemon_overrides(self, name: str) -> Mapping[str, Any]:
        """Return what the environment fixes."""
        ...

    def daemon_defaults(self, name: str) -> Mapping[str, Any]:
        """Return what the settings file gives."""
        ...


def validate(
    model: type[DaemonOptions], values: Mapping[str, Any], sources: Mapping[str, str] | None = None
) -> DaemonOptions:
    """Return the options that `values` give. Raises InvalidOption naming each key, and its source if told."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise _refused(error, sources or {}) from error


def effective(
    model: type[DaemonOptions], name: str, configuration: Mapping[str, Any], settings: ConfiguredOptions
) -> tuple[DaemonOptions, dict[str, str]]:
    """Return the options of the daemon `name` and the source of each: environment > row > file > default.

    Raises InvalidOption naming the key and where its value came from.
    """
    layers = (
        ("file", settings.daemon_defaults(name)),
        ("row", configuration),
        ("environment", settings.daemon_overrides(name)),
    )
    values: dict[str, Any] = {}
    sources = dict.fromkeys(model.model_fields, "default")
    for source, layer in layers:
        values |= layer
        sources |= dict.fromkeys(layer, source)
    return validate(model, values, sources), sources


def needing_restart(model: type[DaemonOptions]) -> frozenset[str]:
    """Return the options whose change takes effect at the next start."""
    return frozenset(
        name
        for name, field in model.model_fields.items()
        if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("restart")
    )


def folders_needed(options: DaemonOptions) -> list[Path]:
    """Return the folders that `options` name in fields declared with NEEDS_FOLDER."""
    declared = type(options).model_fields.items()
    marked = [
        name
        for name, field in declared
        if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("needs") == "folder"
    ]
    given = [getattr(options, name) for name in marked]
    return [Path(folder).expanduser().absolute() for folder in given if folder]


def secret(model: type[DaemonOptions]) -> frozenset[str]:
    """Return the options that are written and never shown: all that hold one of pydantic's secret types."""
    return frozenset(
        field.alias or name for name, field in model.model_fields.items() if _holds_a_secret(field.annotation)
    )


def _holds_a_secret(annotation: Any) -> bool:
    if annotation in (bool, int, float, str):
        # Most are, and a schema is dear at a start.
        return False
    try:
        return '"writeOnly": true' in json.dumps(TypeAdapter(annotation).json_schema())
    except PydanticUserError:
        return True  # A type of its author's own, of which nothing is known.


def changed(old: DaemonOptions, new: DaemonOptions) -> frozenset[str]:
    """Return the names of the options that differ."""
    return frozenset(name for name in type(new).model_fields if getattr(old, name) != getattr(new, name))


def _refused(error: ValidationError, sources: Mapping[str, str]) -> InvalidOption:
    sentences, keys = [], []
    problems: dict[str, str] = {}
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        path = ".".join(str(part) for part in problem["loc"]) or "options"
        key = str(problem["loc"][0]) if problem["loc"] else ""
        what = "there is no such option" if problem["type"] == "extra_forbidden" else problem["msg"]
        what = own_words(what)
        source = sources.get(key, "default")
        origin = "" if source == "default" else f" (from the {source})"
        sentences.append(f"{path}: {what}{origin}")
        keys.append(path)
        problems.setdefault(key, f"{what}.")
    return InvalidOption("; ".join(sentences) + ".", tuple(keys), problems)
