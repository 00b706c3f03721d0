"""What may come in as JSON: every database can store it, and it is read back as it was."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from pydantic_core import to_json

from daemons.errors import Invalid
from daemons.text import clean
from daemons.values import JsonValue

JSON_BYTES = 1024 * 1024
JSON_DEPTH = 64

_SURROGATE = re.compile("[\ud800-\udfff]")


def json_text(value: JsonValue) -> str:
    """Return `value`, which `check_json` would take, as JSON without spaces. Raises ValueError for NaN."""
    # In a quarter of the time of json's encoder, which is made anew for each value.
    text = to_json(value, inf_nan_mode="constants").decode()
    if "NaN" in text or "Infinity" in text:
        json.dumps(value, allow_nan=False)  # which tells a number that is none from a word
    return text


def check_json(value: JsonValue, name: str = "value", *, limit: int = JSON_BYTES) -> None:
    """Raise Invalid, naming the place, unless `value` can be stored as JSON of at most `limit` bytes and read back.

    Tuples count as arrays. NaN, infinities, half characters and more than JSON_DEPTH levels are refused.
    """
    if not _is_flat_and_sound(value):
        for problem in _problems(value, name):
            raise Invalid(f"{problem}.", code="ERR_NOT_JSON")
    size = len(to_json(value))
    if size > limit:
        raise Invalid(
            f"{name} is {size:,} bytes of JSON; at most {limit:,} are taken.",
            code="ERR_TOO_LARGE",
            remedy="Store the data in a file and pass its path.",
        )


def _is_flat_and_sound(value: JsonValue) -> bool:
    """Whether there is nothing to walk: so it is with most, and what a step found out is checked with each step."""
    return type(value) is dict and all(
        type(key) is str and _scalar_problem(key) is None and _scalar_problem(item) is None
        for key, item in value.items()
    )


def _problems(value: JsonValue, name: str) -> Iterator[str]:
    # Not recursive: what is too deep to walk is the very thing to find. A place is (what it is in, key or number).
    waiting: list[tuple[Any, JsonValue, int]] = [((None, name), value, 1)]
    while waiting:
        place, item, depth = waiting.pop()
        if depth > JSON_DEPTH:
            yield f"{_spelled(place)[:200]} is more than {JSON_DEPTH} levels deep"
        elif isinstance(item, dict):
            for key in item:
                if not isinstance(key, str):
                    yield f"{_spelled(place)} has the key {str(key)[:50]!r}; JSON keys are text"
                elif problem := _scalar_problem(key):
                    yield f"A key of {_spelled(place)} {problem}"
            waiting.extend([((place, key), inner, depth + 1) for key, inner in item.items()])
        elif isinstance(item, list | tuple):
            waiting.extend([((place, at), inner, depth + 1) for at, inner in enumerate(item)])
        elif problem := _scalar_problem(item):
            yield f"{_spelled(place)} {problem}"


def _spelled(place: Any) -> str:
    names: list[str] = []
    while place is not None:
        place, name = place
        names.append(f"[{name}]" if isinstance(name, int) else f".{clean(name, 50)}")
    return "".join(reversed(names)).removeprefix(".")


def _scalar_problem(item: object) -> str | None:
    if item is None or item is True or item is False:
        return None
    if isinstance(item, str):
        whole = item.isascii() or not _SURROGATE.search(item)
        return None if whole else "holds half a character (a lone surrogate)"
    if isinstance(item, float):
        return None if math.isfinite(item) else f"is {item}, which JSON cannot hold"
    if isinstance(item, int):
        return None if item.bit_length() <= 64 else "is a number of more than 64 bits"
    return f"is of type {type(item).__name__}, which JSON cannot hold"
