"""The SQLite database as a file: can it be used, is it whole, where are its copies."""

import contextlib
import errno
import os
import sqlite3
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Protocol

import psutil

from daemons.clock import Clock
from daemons.errors import Fatal
from daemons.findings import Finding

OLDEST_SQLITE = (3, 35, 0)
BACKUPS_KEPT = 5
CHECK_BUDGET = 1.0
"""Seconds that the look for damage may delay a start; a larger file is looked at in part."""

COMPANIONS = ("", "-wal", "-shm")
"""What follows a database's name: the file itself, its log, and what readers share."""
_NOTE = ".why"
"""Beside a damaged file, until somebody knows of it."""
_STAMP = "%Y%m%dT%H%M%S%fZ"
_NETWORK = ("nfs", "cifs", "smb", "afp", "ncp", "9p", "fuse.sshfs", "fuse.rclone", "fuse.s3fs", "davfs", "webdav")
_SYNCED = ("dropbox", "onedrive", "google drive", "mobile documents", "icloud drive", "nextcloud")
_OPCODES_BETWEEN_LOOKS = 10_000


class Unusable(Fatal):
    """The data cannot be used as it is."""

    code = "ERR_DATABASE_UNUSABLE"
    exit_code: ClassVar[int] = 78


class Mount(Protocol):
    @property
    def mountpoint(self) -> str: ...
    @property
    def fstype(self) -> str: ...


def require_usable(path: Path) -> None:
    """Raise Unusable, saying what to do, unless this SQLite can write a database at `path`."""
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        raise Unusable(
            f"SQLite {sqlite3.sqlite_version} is too old; {oldest} is needed.",
            remedy="Use a Python with a newer SQLite.",
            code="ERR_SQLITE_TOO_OLD",
        )
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _require_writable(path)
    except OSError as error:
        raise Unusable(
            f"{error.filename or path} cannot be used for the database: {error.strerror}.",
            remedy="Make the data directory and its files writable for this user, or set data_dir to another one.",
            code="ERR_DATA_DIR",
        ) from error


def _require_writable(path: Path) -> None:
    if path.exists() and not path.is_file():
        raise FileExistsError(errno.EEXIST, "there is something that is not a file", str(path))
    for file in (Path(f"{path}{companion}") for companion in COMPANIONS):
        if file.exists() and not os.access(file, os.R_OK | os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))
    # Asking is not enough: root may do everything but write to a read-only file system.
    probe = path.parent / f".{path.name}.probe"
    probe.touch(mode=0o600)
    probe.unlink()


def doubtful_place(path: Path, mounts: Iterable[Mount] | None = None) -> Finding | None:
    """Return a finding if `path` is on a network or in a synchronised folder, where SQLite files break."""
    place = path.resolve()
    known = psutil.disk_partitions(all=True) if mounts is None else list(mounts)
    around = [mount for mount in known if place.is_relative_to(mount.mountpoint)]
    kind = max(around, key=lambda mount: len(mount.mountpoint)).fstype.lower() if around else ""
    synced = next((part for part in place.parts if part.lower().startswith(_SYNCED)), None)
    if not kind.startswith(_NETWORK) and synced is None:
        return None
    where = f"in the synchronised folder {synced}" if synced else f"on a network file system ({kind})"
    return Finding(
        "ERR_DATABASE_PLACE",
        "warning",
        f"The database {path} is {where}, where SQLite cannot promise to keep it whole.",
        "Set data_dir to a folder on a disk of this machine.",
    )


def damage(path: Path, clock: Clock, budget: float | None = CHECK_BUDGET) -> str | None:
    """Return what is wrong with the file at `path`, or None if nothing was found within `budget` seconds."""
    if not path.exists() or path.stat().st_size == 0:
        return None
    deadline = None if budget is None else clock.monotonic() + budget
    try:
        with opened(path) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            connection.set_progress_handler(
                lambda: deadline is not None and clock.monotonic() > deadline, _OPCODES_BETWEEN_LOOKS
            )
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return str(error)
        if error.sqlite_errorcode in (sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_BUSY):
            return None
        raise Unusable(
            f"The database {path} cannot be read: {error}.", remedy="Check the disk and the file."
        ) from error
    return None if verdict == "ok" else str(verdict)


def set_aside_if_damaged(path: Path, backups: Path, clock: Clock) -> Finding | None:
    """Move a damaged database out of the way, so that a fresh one can be begun, and say so."""
    reason = damage(path, clock)
    if reason is None:
        return None
    aside = Path(f"{path}.corrupt-{stamp(clock.now())}")
    # The log before the database: half a move must not leave a log beside a file that it does not belong to.
    for companion in reversed(COMPANIONS):
        with contextlib.suppress(FileNotFoundError):
            Path(f"{path}{companion}").rename(f"{aside}{companion}")
    with contextlib.suppress(OSError):  # The disk may be what broke; then it is told in this run only.
        _note_of(aside).write_text(reason, "utf-8")
    return _damage_finding(path, aside, backups, reason)


def known_damage(path: Path, backups: Path) -> list[Finding]:
    """Return what was found damaged and set aside at earlier starts, as long as nobody said that it is known."""
    found = []
    for note in sorted(path.parent.glob(f"{path.name}.corrupt-*Z{_NOTE}")):
        with contextlib.suppress(OSError):
            aside = note.with_suffix("")
            found.append(_damage_finding(path, aside, backups, note.read_text("utf-8", "replace")[:500]))
    return found


def forget_damage(path: Path) -> None:
    """Let `known_damage` return nothing any more; the damaged files stay where they are."""
    for note in path.parent.glob(f"{path.name}.corrupt-*Z{_NOTE}"):
        note.unlink(missing_ok=True)


def _damage_finding(path: Path, aside: Path, backups: Path, reason: str) -> Finding:
    last = max(list_backups(backups), default=None)
    return Finding(
        "ERR_DATABASE_CORRUPT",
        "error",
        f"The database was damaged ({reason}) and a fresh one was begun. The damaged file is {aside}.",
        f"To go back to the last backup, stop the deck and run `daemondeck db restore {last}`." if last else None,
        str(aside),
        _moment_of(aside),
        dismissable=True,
    )


def _note_of(aside: Path) -> Path:
    return Path(f"{aside}{_NOTE}")


def _moment_of(aside: Path) -> datetime | None:
    try:
        return datetime.strptime(aside.name.rpartition(".corrupt-")[2], _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None


def integrity_problems(path: Path) -> list[str]:
    """Return everything a full check finds wrong with the file and its foreign keys."""
    try:
        with opened(path) as connection:
            found = [row[0] for row in connection.execute("PRAGMA integrity_check")]
            orphans = connection.execute("PRAGMA foreign_key_check").fetchall()
    except sqlite3.DatabaseError as error:
        return [str(error)]
    problems = [] if found == ["ok"] else found
    return problems + [f"row {row} of {table} points to a missing row of {parent}" for table, row, parent, _ in orphans]


def back_up(path: Path, backups: Path, clock: Clock, label: str) -> Path:
    """Copy the database at `path`, used or not, into `backups`, and delete the oldest copies. Raises Unusable."""
    copy = backups / f"{path.stem}-{stamp(clock.now())}-{label}.db"
    unfinished = copy.with_suffix(".tmp")
    try:
        backups.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished.unlink(missing_ok=True)
        with opened(path) as source, opened(unfinished) as target:
            source.backup(target)
        unfinished.chmod(0o600)
        sync(unfinished)
        unfinished.replace(copy)
        sync(backups)
    except (OSError, sqlite3.Error) as error:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise Unusable(
            f"The database could not be copied to {backups}: {error}.",
            remedy="Make room there, or make the folder writable for this user.",
            code="ERR_BACKUP",
        ) from error
    for old in sorted(list_backups(backups))[:-BACKUPS_KEPT]:
        old.unlink(missing_ok=True)
    return copy


def list_backups(backups: Path) -> list[Path]:
    """Return the copies in `backups`; their names sort by age."""
    return list(backups.glob("*-*Z-*.db"))


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the file for a moment, without any transaction."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=5)) as connection:
        yield connection


def stamp(moment: datetime) -> str:
    """Return a moment as it stands in the names of files."""
    return moment.strftime(_STAMP)


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, reach the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
