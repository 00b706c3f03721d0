"""FileMaker's find syntax, as far as text goes, and its sort."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

_TOKEN = re.compile(r"\\(?P<escaped>.)|(?P<sign>[*@#])|(?P<plain>.)", re.DOTALL)
_WORD = re.compile(r"[^\W_]+(?:[-'.][^\W_]+)*")
_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<=": lambda mine, given: mine <= given,
    "≤": lambda mine, given: mine <= given,
    ">=": lambda mine, given: mine >= given,
    "≥": lambda mine, given: mine >= given,
    "<": lambda mine, given: mine < given,
    ">": lambda mine, given: mine > given,
}
_SIGNS = {"*": ".*", "@": ".", "#": r"\d"}


def is_found(fields: Mapping[str, Any], query: Sequence[Mapping[str, str]], today: datetime) -> bool:
    """Whether a record is in the found set: any request adds to it, one with `omit` takes away from what is before."""
    found = False
    for at, request in enumerate(query):
        criteria = {name: criterion for name, criterion in request.items() if name != "omit"}
        fits = all(fits_criterion(fields[name], criterion, today) for name, criterion in criteria.items())
        if str(request.get("omit", "false")).lower() == "true":
            found = (found or at == 0) and not fits
        else:
            found = found or fits
    return found


def fits_criterion(value: Any, criterion: str, today: datetime) -> bool:
    """Whether a field's value fits one criterion. Upper and lower case are the same, in exact matches too."""
    text, wanted = as_text(value), str(criterion)
    if wanted in ("=", "=="):
        return not text
    if wanted == "*":
        return bool(text)
    if wanted == "//":
        return text == today.strftime("%m/%d/%Y")
    if wanted.startswith("=="):
        return _pattern(wanted[2:], whole=True).fullmatch(text) is not None
    for sign, holds in _COMPARISONS.items():
        if wanted.startswith(sign):
            return bool(text) and holds(*_comparable(text, _plain(wanted[len(sign) :])))
    if (ends := _range(wanted)) is not None:
        return bool(text) and ends[0] <= text.casefold() <= ends[1]
    if wanted.startswith("="):
        words = [_pattern(word, whole=True) for word in wanted[1:].split()]
        return all(any(word.fullmatch(mine) for mine in _words(text)) for word in words)
    if len(wanted) > 1 and wanted[0] == wanted[-1] == '"':
        return _plain(wanted[1:-1]).casefold() in text.casefold()
    # Bare text: each word begins some word of the field, in any order.
    return all(any(_pattern(word, whole=False).match(mine) for mine in _words(text)) for word in _split(wanted))


def as_text(value: Any) -> str:
    """Return a field's value as FileMaker compares it."""
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def in_order(records: Iterable[Any], sort: Sequence[Mapping[str, str]]) -> list[Any]:
    """Return records, which have `fields`, in the order of `sort`; equal ones stay as they are, by creation."""
    ordered = list(records)
    for key in reversed(sort):
        name = key["fieldName"]
        ordered.sort(key=lambda record: _sort_key(record.fields[name]), reverse=key.get("sortOrder") == "descend")
    return ordered


def _sort_key(value: Any) -> tuple[int, float, str]:
    return (0, float(value), "") if isinstance(value, int | float) else (1, 0.0, str(value).casefold())


@lru_cache(maxsize=1000)
def _pattern(criterion: str, *, whole: bool) -> re.Pattern[str]:
    parts = []
    for token in _TOKEN.finditer(criterion):
        sign = token["sign"]
        parts.append(_SIGNS[sign] if sign else re.escape(token["escaped"] or token["plain"] or ""))
    return re.compile("".join(parts) + ("" if whole else ".*"), re.IGNORECASE | re.DOTALL)


def _plain(criterion: str) -> str:
    return re.sub(r"\\(.)", r"\1", criterion, flags=re.DOTALL)


def _split(criterion: str) -> list[str]:
    """Return the words of bare text, with their signs and escapes; other characters part words."""
    words = re.findall(r"(?:\\.|[^\W_]|[*@#'.-])+", criterion)
    return [word for word in words if word.strip("-'.")]


def _words(text: str) -> list[str]:
    return _WORD.findall(text)


def _range(criterion: str) -> tuple[str, str] | None:
    first, dots, last = criterion.partition("...")
    return (first.strip().casefold(), last.strip().casefold()) if dots and "\\" not in criterion else None


def _comparable(mine: str, given: str) -> tuple[Any, Any]:
    try:
        return float(mine), float(given)
    except ValueError:
        return mine.casefold(), given.casefold()
