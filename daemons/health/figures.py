"""How much there is of what runs out: the numbers of a picture, as the HTTP API shows them."""

import sqlite3
from pathlib import Path
from typing import Any

from daemons.health.picture import Picture
from daemons.health.places import Disk
from daemons.keep_awake import Wakefulness


def figures(picture: Picture, awake: Wakefulness) -> dict[str, Any]:
    """Return the figures; None stands for what nobody looked at yet, or what a database server keeps."""
    data = picture.data
    disks = [_disk(picture.data_dir, data.disk if data else None, [])]
    for folder, look in picture.folders.items():
        disks.append(_disk(folder, look.disk if look else None, picture.needs.get(folder, [])))
    return {
        "event_loop_lag": round(picture.lag, 3),
        "event_loop_blocks": picture.blocked.times if picture.blocked else 0,
        "database": "sqlite" if picture.is_sqlite else "postgresql",
        "sqlite_version": sqlite3.sqlite_version if picture.is_sqlite else None,
        "database_bytes": picture.database_bytes,
        "wal_bytes": data.wal_bytes if data else None,
        "backup": str(data.backup) if data and data.backup else None,
        "backup_at": data.backup_at if data else None,
        "disks": disks,
        "keeps_awake": awake.holds,
        "keeps_awake_by": awake.tool,
        "keeps_awake_for": list(awake.needed_for),
        "cannot_keep_awake": awake.problem,
        "stays_awake": str(awake),
    }


def _disk(path: Path, disk: Disk | None, needed_by: list[str]) -> dict[str, Any]:
    return {
        "path": str(path),
        "free": disk.free if disk else None,
        "total": disk.total if disk else None,
        "needed_by": needed_by,
    }
