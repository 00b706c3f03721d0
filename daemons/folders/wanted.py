"""Which files of a folder are wanted, by patterns as in a .gitignore."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathspec import PathSpec

SYNTAX = "gitignore"


class Wanted:
    """Tells by its path below the folder whether a file is wanted. No `include` means all."""

    def __init__(self, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        self._include = _compiled(include) if include else None
        self._exclude = _compiled(exclude) if exclude else None

    def has_file(self, path: bytes) -> bool:
        """Return whether the file is wanted; folders above it are `has_folder`'s to refuse."""
        text = os.fsdecode(path)
        if self._exclude is not None and self._exclude.match_file(text):
            return False
        return self._include is None or self._include.match_file(text)

    def has_folder(self, path: bytes) -> bool:
        """Return whether anything below the folder may be wanted."""
        return self._exclude is None or not self._exclude.match_file(os.fsdecode(path) + "/")


ALL = Wanted()
"""Every file."""


def checked_patterns(patterns: Sequence[str]) -> list[str]:
    """Return the patterns that say something. Raises ValueError naming one that is none."""
    kept = [pattern.strip() for pattern in patterns if pattern.strip()]
    for pattern in kept:
        try:
            _compiled([pattern])
        except ValueError as error:
            raise ValueError(f"{pattern[:80]!r} is not a pattern: {error}") from error
    return kept


def _compiled(patterns: Sequence[str]) -> "PathSpec[Any]":
    # Imported here: most folders have no patterns.
    from pathspec import PathSpec

    return PathSpec.from_lines(SYNTAX, patterns)
