"""TOML, written: what `tomllib` reads back as it was."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def assignments(values: Mapping[str, Any], comments: Mapping[str, str] | None = None) -> str:
    """Return `values` as lines of TOML; None, for which TOML has no word, becomes a comment."""
    return "".join(_lines(values, comments or {}))


def _lines(values: Mapping[str, Any], comments: Mapping[str, str]) -> Iterator[str]:
    for name, value in values.items():
        for line in comments.get(name, "").splitlines():
            yield f"# {line}\n"
        yield f"# {key(name)} =\n" if value is None else f"{key(name)} = {spelled(value)}\n"


def key(name: str) -> str:
    """Return `name` as a key."""
    return name if _BARE.fullmatch(name) else _quoted(name)


def spelled(value: Any) -> str:
    """Return a JSON value on one line; what is None within a table or a list is left out."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, Mapping):
        inner = ", ".join(f"{key(name)} = {spelled(one)}" for name, one in value.items() if one is not None)
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(spelled(one) for one in value if one is not None) + "]"
    return json.dumps(value)


def _quoted(text: str) -> str:
    # A JSON string is a TOML string, but for the one control character that JSON lets stand.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
