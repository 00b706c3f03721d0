"""Which daemon describes which folder, and what one for another folder is called."""

import re
from collections.abc import Iterable
from pathlib import Path

from daemons.values import DaemonRow

TYPE = "describe_images"
NAME_CHARACTERS = 63


def describer_of(rows: Iterable[DaemonRow], directory: Path) -> DaemonRow | None:
    """Return the daemon that describes `directory`, None where none does."""
    named = str(directory)
    return next((row for row in rows if row.type == TYPE and row.configuration.get("directory") == named), None)


def free_name(directory: Path, taken: Iterable[str]) -> str:
    """Return a name for the daemon of `directory` that nobody has: describe-pictures, describe-pictures-2."""
    word = re.sub(r"[^a-z0-9]+", "-", directory.name.lower()).strip("-")
    stem = f"describe-{word or 'folder'}"[: NAME_CHARACTERS - 6].rstrip("-")
    known = set(taken)
    names = (stem if number == 1 else f"{stem}-{number}" for number in range(1, len(known) + 2))
    return next(name for name in names if name not in known)
