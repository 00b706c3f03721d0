"""What may come in as text or as JSON: the same for every database, and fit to be shown."""

import json
import math
import re
from collections.abc import Iterator

from daemons.errors import Invalid
from daemons.values import JsonValue

JSON_BYTES = 1024 * 1024
JSON_DEPTH = 64

# Controls; marks that turn the direction of what follows; surrogates, which are half a character each.
_NEVER_SHOWN = "\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_UNSHOWN = re.compile(f"\r\n|[{_NEVER_SHOWN}]")
_UNSHOWN_IN_A_LINE = re.compile(f"\r\n|[{_NEVER_SHOWN}\t\n\u2028\u2029]")
_MARKS = {"\r\n": "⏎", "\n": "⏎", "\r": "⏎", "\u2028": "⏎", "\u2029": "⏎", "\t": " ", "\x7f": "␡"}
_SURROGATE = re.compile("[\ud800-\udfff]")


def clean(text: str, limit: int, *, keep_newlines: bool = False) -> str:
    """Return `text` with visible marks for what cannot be stored or shown, cut to `limit` characters ending in "…".

    One line, unless `keep_newlines`. Bytes that were no UTF-8 when Python read them come out as \\xNN.
    """
    if len(text) <= limit and text.isprintable():
        return text
    # No character becomes fewer than one, but for a line's end of two: one more than `limit` decides the cut.
    head = text[: limit + 1]
    marked = (_UNSHOWN if keep_newlines else _UNSHOWN_IN_A_LINE).sub(
        _mark_between_lines if keep_newlines else _mark, head
    )
    if len(marked) <= limit and len(head) == len(text):
        return marked
    return marked[: limit - 1] + "…" if limit > 0 else ""


def own_words(message: str) -> str:
    """Return what whoever checked a value said, without what Pydantic puts before it."""
    return message.replace("Value error, ", "", 1)


def last_states(text: str) -> str:
    """Return `text` as a terminal would have left it: a line that was written over and over shows its last state."""
    if "\r" not in text:
        return text
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)


def _mark(found: re.Match[str]) -> str:
    character = found[0]
    if mark := _MARKS.get(character):
        return mark
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if 0xD800 <= code <= 0xDFFF:
        return "\N{REPLACEMENT CHARACTER}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _mark_between_lines(found: re.Match[str]) -> str:
    return "\n" if found[0] in ("\r\n", "\r") else _mark(found)


def check_json(value: JsonValue, name: str = "value", *, limit: int = JSON_BYTES) -> None:
    """Raise Invalid, naming the place, unless `value` can be stored as JSON of at most `limit` bytes and read back.

    Tuples count as arrays. NaN, infinities, half characters and more than JSON_DEPTH levels are refused.
    """
    for place, reason in _problems(value, name):
        raise Invalid(f"{place} {reason}.", code="ERR_NOT_JSON")
    size = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
    if size > limit:
        raise Invalid(
            f"{name} is {size:,} bytes of JSON; at most {limit:,} are taken.",
            code="ERR_TOO_LARGE",
            remedy="Store the data in a file and pass its path.",
        )


def _problems(value: JsonValue, name: str) -> Iterator[tuple[str, str]]:
    # Not recursive: what is too deep to walk is the very thing to find.
    waiting: list[tuple[str, JsonValue, int]] = [(name, value, 1)]
    while waiting:
        place, item, depth = waiting.pop()
        if depth > JSON_DEPTH:
            yield place[:200], f"is more than {JSON_DEPTH} levels deep"
        elif isinstance(item, dict):
            for key, inner in item.items():
                if not isinstance(key, str):
                    yield place, f"has the key {str(key)[:50]!r}; JSON keys are text"
                elif problem := _scalar_problem(key):
                    yield f"A key of {place}", problem
                waiting.append((f"{place}.{clean(str(key), 50)}", inner, depth + 1))
        elif isinstance(item, list | tuple):
            waiting.extend((f"{place}[{at}]", inner, depth + 1) for at, inner in enumerate(item))
        elif problem := _scalar_problem(item):
            yield place, problem


def _scalar_problem(item: object) -> str | None:
    if isinstance(item, str):
        return "holds half a character (a lone surrogate)" if _SURROGATE.search(item) else None
    if isinstance(item, float):
        return None if math.isfinite(item) else f"is {item}, which JSON cannot hold"
    if isinstance(item, int):
        return None if item.bit_length() <= 64 else "is a number of more than 64 bits"
    return None if item is None else f"is of type {type(item).__name__}, which JSON cannot hold"
