"""How disks, folders and the database's files are at one moment. Blocking, and anything of it may hang."""

import errno
import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from daemons.schema.sqlite_file import list_backups


class Disk(NamedTuple):
    """The room where a path is, in bytes."""

    total: int
    free: int


@dataclass(frozen=True, slots=True)
class FolderLook:
    """What came of looking into a folder."""

    disk: Disk | None = None
    mount: Path | None = None
    """Where what holds the folder is mounted."""
    is_empty: bool = False
    error: OSError | None = None

    @property
    def is_missing(self) -> bool:
        return self.error is not None and self.error.errno in (errno.ENOENT, errno.ENOTDIR)


@dataclass(frozen=True, slots=True)
class DataLook:
    """What the data take, and their newest copy; sizes are None where a server keeps them."""

    disk: Disk | None
    database_bytes: int | None
    wal_bytes: int | None
    backup: Path | None
    backup_at: datetime | None


def look_into(folder: Path) -> FolderLook:
    """Return whether `folder` can be read, and what is under it."""
    try:
        with os.scandir(folder) as entries:
            is_empty = next(entries, None) is None
        return FolderLook(_disk(folder), _mount_of(folder), is_empty)
    except OSError as error:
        return FolderLook(mount=_mount_of(folder), error=error)


def look_at_data(data_dir: Path, database: Path | None) -> DataLook:
    """Return how the data directory is, and the database in it unless a server keeps it."""
    backup, at = _newest(data_dir / "backups") if database else (None, None)
    return DataLook(
        _disk(data_dir),
        _size(database) if database else None,
        _size(Path(f"{database}-wal")) if database else None,
        backup,
        at,
    )


def _newest(backups: Path) -> tuple[Path | None, datetime | None]:
    try:
        newest = max(list_backups(backups))
        return newest, datetime.fromtimestamp(newest.stat().st_mtime, UTC)
    except (ValueError, OSError):
        return None, None  # There is none, or it went while we looked.


def _disk(path: Path) -> Disk | None:
    try:
        usage = shutil.disk_usage(path)
    except OSError:
        return None
    return Disk(usage.total, usage.free)


def _mount_of(path: Path) -> Path | None:
    return next((each for each in (path, *path.parents) if os.path.ismount(each)), None)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
