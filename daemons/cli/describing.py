"""`serve --describe DIR`: one describing daemon for each folder that was ever named."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from daemons.cli.exits import CommandError, Exit
from daemons.values import DaemonRow

if TYPE_CHECKING:
    from daemons.service import Service

TYPE = "describe_images"
NAME_CHARACTERS = 63


def readable_folder(text: str) -> Path:
    """Return the folder that was named, as an absolute path. Raises CommandError if it cannot be described."""
    path = Path(text).expanduser()
    try:
        path = path.resolve(strict=True)
        is_folder, is_readable = path.is_dir(), os.access(path, os.R_OK | os.X_OK)
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not a path"
        raise _refused(str(path), f"cannot be opened: {reason}") from error
    if not is_folder:
        raise _refused(str(path), "is not a folder")
    if not is_readable:
        raise _refused(str(path), "cannot be read by this user")
    if not _is_text(str(path)):
        raise _refused(str(path), "has a name that is not UTF-8, which a setting cannot hold")
    return path


async def describe_folder(service: "Service", directory: Path) -> DaemonRow:
    """Make the daemon that describes `directory`, or take the one there is, and start it."""
    rows = await service.roster.rows()
    mine = [row for row in rows if row.type == TYPE and row.configuration.get("directory") == str(directory)]
    if mine:
        row = mine[0]
        if not row.enabled:
            await service.edit_daemon(row.name, enabled=True)
    else:
        name = free_name(directory, {row.name for row in rows})
        row = await service.add_daemon(TYPE, name, {"directory": str(directory)})
    return await service.roster.start(row.name, reason="serve --describe")


def free_name(directory: Path, taken: set[str]) -> str:
    """Return a name for the daemon of `directory` that nobody has: describe-pictures, describe-pictures-2."""
    word = re.sub(r"[^a-z0-9]+", "-", directory.name.lower()).strip("-")
    stem = f"describe-{word or 'folder'}"[: NAME_CHARACTERS - 6].rstrip("-")
    names = (stem if number == 1 else f"{stem}-{number}" for number in range(1, len(taken) + 2))
    return next(name for name in names if name not in taken)


def _is_text(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _refused(path: str, why: str) -> CommandError:
    shown = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return CommandError(
        Exit.USAGE,
        f"{shown} {why}.",
        remedy="Give --describe a folder of photographs that you can read.",
        code="ERR_NO_DIRECTORY",
    )
