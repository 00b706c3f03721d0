"""What older scripts left: a list of what is done, one relative path a line, and JSON files with the descriptions.

Nothing here raises for what such a file holds: whatever makes no sense is counted and named.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

NAMED = 10
"""Of everything that was left out, the first so many are named."""
PATH_BYTES = 4096

_PATHS = ("path", "file", "filename", "file_name", "image", "image_path", "file_path", "relative_path", "name")
_WORDS = ("description", "text", "caption", "generated_text", "response", "output", "content")
_MODELS = ("model", "model_name", "model_id")
_SECONDS = ("generation_time", "time", "seconds", "processing_time", "duration", "elapsed", "generation_time_seconds")
_ERRORS = ("error", "error_message", "exception")
_PROMPT_TOKENS = ("prompt_tokens", "input_tokens")
_OUTPUT_TOKENS = ("generation_tokens", "output_tokens", "completion_tokens", "tokens")
_FINISHES = ("finish", "finish_reason")
_LISTS = ("results", "images", "items", "outputs", "descriptions", "data", "analyses", "files")
_LONGEST = 7 * 86_400.0
_MOST_TOKENS = 10_000_000


@dataclass(slots=True)
class Old:
    """What is known of one image from older scripts."""

    path: bytes
    description: str | None = None
    error: str | None = None
    model: str | None = None
    seconds: float | None = None
    finish: str | None = None
    prompt_tokens: int | None = None
    output_tokens: int | None = None

    @property
    def is_told(self) -> bool:
        """Whether more is known than that it was done."""
        return self.description is not None or self.error is not None


@dataclass(slots=True)
class Named:
    """How many there are, and the first of them."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        self.count += 1
        if len(self.first) < NAMED:
            self.first.append(text)


class OldFiles:
    """Gathers what old files say of the images of one folder."""

    def __init__(self, folder: bytes) -> None:
        self._folder = folder.rstrip(b"/")
        self.items: dict[bytes, Old] = {}
        self.listed = 0
        self.duplicates = Named()
        self.garbage = Named()
        """Lines, files and entries that make no sense."""
        self.outside = Named()
        """Paths that lead out of the folder."""

    def read_progress(self, data: bytes) -> None:
        """Take a list of what is done."""
        for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
            text = line.strip(b" \t\r")
            if not text:
                continue
            self.listed += 1
            path = self._path(text, f"line {number}")
            if path is not None and path in self.items:
                self.duplicates.add(_shown(path))
            elif path is not None:
                self.items[path] = Old(path)

    def read_outputs(self, data: bytes, name: str) -> None:
        """Take a JSON file of descriptions: a list, or a mapping by path, of whatever spelling."""
        try:
            found = json.loads(data)
        except (ValueError, RecursionError):
            found = _lines(data)
        if found is None:
            self.garbage.add(f"{name}: it is no JSON")
            return
        for place, entry in _entries(found):
            self._take(entry, f"{name}: {place}")

    def models(self) -> list[str]:
        """Return the models that are named, the most frequent first."""
        told = [item.model for item in self.items.values() if item.model]
        return sorted(set(told), key=told.count, reverse=True)

    def _take(self, entry: Any, place: str) -> None:
        named = _first(entry, _PATHS, str) if isinstance(entry, dict) else None
        if named is None:
            self.garbage.add(f"{place}: it names no image")
            return
        path = self._path(named.encode("utf-8", "surrogatepass"), place)
        if path is None:
            return
        old = _old(path, entry)
        if not old.is_told:
            self.garbage.add(f"{place}: it has neither a description nor an error")
            return
        known = self.items.get(path)
        # Words win over an error: a later run may have mended it.
        if known is None or not known.is_told or (known.description is None and old.description is not None):
            self.items[path] = old
        else:
            self.duplicates.add(_shown(path))

    def _path(self, text: bytes, place: str) -> bytes | None:
        if b"\0" in text or len(text) > PATH_BYTES:
            self.garbage.add(f"{place}: it is no path")
            return None
        if text.startswith(self._folder + b"/"):
            text = text[len(self._folder) + 1 :]
        path = os.path.normpath(text)
        if path.startswith((b"/", b"../")) or path in (b"..", b"."):
            self.outside.add(f"{place}: {_shown(text)}")
            return None
        return path


def _entries(found: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(found, list):
        yield from ((f"entry {number}", entry) for number, entry in enumerate(found, 1))
        return
    if not isinstance(found, dict):
        yield "the whole", found
        return
    inner = next((found[name] for name in _LISTS if isinstance(found.get(name), list | dict)), None)
    if inner is not None:
        shared = {name: found[name] for name in _MODELS if isinstance(found.get(name), str)}
        yield from (
            (place, {**shared, **entry} if isinstance(entry, dict) else entry) for place, entry in _entries(inner)
        )
    elif _first(found, _PATHS, str) is not None and any(name in found for name in (*_WORDS, *_ERRORS)):
        yield "the whole", found
    else:
        for path, entry in found.items():
            known = {"description": entry} if isinstance(entry, str) else entry
            yield (
                _shown(path.encode("utf-8", "surrogatepass")),
                {"path": path, **known} if isinstance(known, dict) else known,
            )


def _old(path: bytes, entry: dict[str, Any]) -> Old:
    said, error = _first(entry, _WORDS, str), _first(entry, _ERRORS, str)
    words = said.strip() if said else ""
    return Old(
        path,
        words or None,
        None if words else error,
        _first(entry, _MODELS, str),
        _number(entry, _SECONDS, _LONGEST),
        _first(entry, _FINISHES, str),
        *(_whole(_number(entry, names, _MOST_TOKENS)) for names in (_PROMPT_TOKENS, _OUTPUT_TOKENS)),
    )


def _first(entry: dict[str, Any], names: Iterable[str], kind: type[str]) -> str | None:
    return next((entry[name] for name in names if isinstance(entry.get(name), kind) and entry[name].strip()), None)


def _number(entry: dict[str, Any], names: Iterable[str], most: float) -> float | None:
    for name in names:
        value = entry.get(name)
        if isinstance(value, str) and (
            found := re.fullmatch(r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*(?:s|sec|seconds)?\s*", value)
        ):
            value = float(found[1])
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most:
            return float(value)
    return None


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _lines(data: bytes) -> list[Any] | None:
    """Read one JSON value a line, None where that is not so."""
    try:
        found = [json.loads(line) for line in data.splitlines() if line.strip()]
    except (ValueError, RecursionError):
        return None
    return found or None


def _shown(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")[:200]
