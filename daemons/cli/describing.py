"""One describing daemon for each folder that was ever named: `serve --describe DIR` and `describe DIR`."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemons.cli.exits import CommandError, Exit
from daemons.describers import TYPE, describer_of, free_name
from daemons.values import DaemonRow

if TYPE_CHECKING:
    from daemons.service import Service

WORKFLOW = "describe"
NOT_CONFIGURED = "Not configured"
SET_WHERE = "Settings are in daemondeck.toml, or variables such as DAEMONDECK_VISION__URL."
RESTS_MOST = 30
"""Rests after which work is over, although files are found that nothing is known of: a second or two each."""


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
    row = await folder_daemon(service, directory, {})
    return await service.roster.start(row.name, reason="serve --describe")


async def folder_daemon(
    service: "Service", directory: Path, configuration: Mapping[str, Any], new: Mapping[str, Any] | None = None
) -> DaemonRow:
    """Return the daemon that describes `directory` with these options; made with the `new` ones if there is none."""
    rows, named = await service.roster.rows(), str(directory)
    mine = describer_of(rows, directory)
    if mine is None:
        name = free_name(directory, {row.name for row in rows})
        return await service.add_daemon(TYPE, name, merged({"directory": named}, new or configuration))
    changed = merged(mine.configuration, configuration)
    if mine.enabled and changed == mine.configuration:
        return mine
    return await service.edit_daemon(mine.name, enabled=True, configuration=changed)


def merged(configuration: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options with what is given put in; what is given as None is left to its default."""
    return {name: value for name, value in {**configuration, **given}.items() if value is not None}


class EndOfWork:
    """Finds out when a daemon that slept until `slept_until` has described all there is."""

    def __init__(self, slept_until: str | None = None) -> None:
        self._slept_until = slept_until
        self._rests = 0

    def may_be(self, daemon: Mapping[str, Any]) -> bool:
        """Whether it has looked through its folder since, rests, and has nothing at hand: worth a closer look."""
        far = daemon["progress"] or {}
        rests = daemon["state"] == "running" and daemon["next_wake_at"] not in (None, self._slept_until)
        if not rests or far.get("total") is None or far["done"] < far["total"]:
            return False
        self._slept_until = daemon["next_wake_at"]
        self._rests += 1
        return True

    def is_here(self, daemon: Mapping[str, Any], items: Mapping[str, Any] | None) -> bool:
        """Whether as much is settled as there is; a file that is still written to is waited for, not for ever."""
        settled = items["done"] + items["failed"] if items else 0
        return bool(settled >= daemon["progress"]["total"] or self._rests >= RESTS_MOST)


def check_configured(daemon: Mapping[str, Any], said_at: str | None = None) -> None:
    """Raise CommandError when the daemon waits for a setting, and has said so since `said_at`."""
    said = str(daemon["current_status"] or "")
    if said.startswith(NOT_CONFIGURED) and daemon["status_updated_at"] != said_at:
        raise CommandError(
            Exit.SETTINGS,
            said if said.endswith(".") else f"{said}.",
            remedy=SET_WHERE if said.startswith(f"{NOT_CONFIGURED}: set ") else None,
            code="ERR_NOT_CONFIGURED",
        )


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
        remedy="Name a folder of photographs that you can read.",
        code="ERR_NO_DIRECTORY",
    )
