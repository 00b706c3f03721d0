"""A SQLite database put back from a copy, or made smaller; nobody else may have it open meanwhile."""

import contextlib
import shutil
import sqlite3
from pathlib import Path
from typing import NamedTuple

from daemons.clock import Clock
from daemons.schema.sqlite_file import COMPANIONS, Unusable, integrity_problems, opened, stamp, sync

VACUUM_ROOM = 2.2
"""Times its own size, what SQLite needs while it writes the database anew: a copy, and a log of it."""


class Vacuumed(NamedTuple):
    """The size before and after, in bytes."""

    before: int
    after: int


def restore(path: Path, copy: Path, clock: Clock) -> Path | None:
    """Put `copy` in the place of the database at `path`; return where the present one was set aside, if there was one.

    Raises Unusable, with everything as it was, when the copy is not whole or cannot be read.
    """
    if not copy.is_file():
        raise Unusable(f"There is no file {copy}.", remedy="`daemondeck doctor --figures` names the last backup.")
    if path.exists() and copy.samefile(path):
        raise Unusable(f"{copy} is the database itself.", remedy="Name one of its backups.")
    fresh = path.with_name(f".{path.name}.restored.tmp")
    try:
        fresh.unlink(missing_ok=True)
        with _only_read(copy) as source, opened(fresh) as target:
            source.backup(target)
        if problems := integrity_problems(fresh):
            raise Unusable(f"{copy} is damaged: {problems[0]}.", remedy="Take another backup.", code="ERR_BACKUP")
        if not _is_ours(fresh):
            raise Unusable(f"{copy} is not a database of this program.", remedy="Take another file.", code="ERR_BACKUP")
        fresh.chmod(0o600)
        sync(fresh)
        aside = _set_aside(path, clock)
        fresh.replace(path)
        sync(path.parent)
    except (OSError, sqlite3.Error) as error:
        raise Unusable(f"{copy} cannot be put back: {error}.", remedy="Look at the file and the disk.") from error
    finally:
        for companion in COMPANIONS:
            Path(f"{fresh}{companion}").unlink(missing_ok=True)
    return aside


def vacuum(path: Path) -> Vacuumed:
    """Write the database anew without what was deleted. Raises Unusable when it is not whole or there is no room."""
    if not path.exists():
        raise Unusable(f"There is no database {path}.", code="ERR_NO_DATABASE")
    before = path.stat().st_size
    free, needed = shutil.disk_usage(path.parent).free, int(before * VACUUM_ROOM)
    if free < needed:
        raise Unusable(
            f"{needed:,} bytes must be free in {path.parent} for that, and {free:,} are.", remedy="Free some space."
        )
    if problems := integrity_problems(path):
        raise Unusable(
            f"The database is damaged: {problems[0]}.", remedy="Go back to a backup with `daemondeck db restore`."
        )
    try:
        with opened(path) as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise Unusable(f"The database could not be made smaller: {error}.", remedy="Nothing was changed.") from error
    return Vacuumed(before, path.stat().st_size)


def _only_read(copy: Path) -> "contextlib.closing[sqlite3.Connection]":
    # Without a log beside it nobody is writing it; and where nothing may be written, it could not be opened else.
    mode = "mode=ro" if Path(f"{copy}-wal").exists() else "mode=ro&immutable=1"
    return contextlib.closing(sqlite3.connect(f"{copy.absolute().as_uri()}?{mode}", uri=True))


def _is_ours(path: Path) -> bool:
    with opened(path) as connection:
        found = connection.execute("SELECT count(*) FROM sqlite_master WHERE name IN ('alembic_version', 'daemons')")
        return bool(found.fetchone()[0] == 2)


def _set_aside(path: Path, clock: Clock) -> Path | None:
    if not path.exists():
        return None
    aside = Path(f"{path}.before-restore-{stamp(clock.now())}")
    # The log before the database: half a move must not leave a log beside a file that it does not belong to.
    for companion in reversed(COMPANIONS):
        with contextlib.suppress(FileNotFoundError):
            Path(f"{path}{companion}").rename(f"{aside}{companion}")
    return aside
