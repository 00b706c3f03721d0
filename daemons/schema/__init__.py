"""Which tables the database has and which it should have; everything that happens to it before it is opened."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sqlalchemy import Connection, Engine, create_engine, inspect, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from daemons.clock import Clock
from daemons.database.engines import normalise_url
from daemons.errors import Fatal
from daemons.findings import Finding
from daemons.killpoints import reach
from daemons.schema.sqlite_file import (
    Unusable,
    back_up,
    doubtful_place,
    integrity_problems,
    known_damage,
    require_usable,
    set_aside_if_damaged,
)

REVISIONS = ("0001", "0002", "0003", "0004")
"""Every migration, oldest first: known here so that a start needs no alembic unless something is to be done."""
HEAD = REVISIONS[-1]

_LINES_OF_A_FAILURE = 20


class DatabaseAway(Fatal):
    """The database server does not answer."""

    code = "ERR_DATABASE_AWAY"
    exit_code: ClassVar[int] = 69


class DatabaseNewer(Unusable):
    """The database was written by a newer version of this program."""

    code = "ERR_DATABASE_NEWER"

    def __init__(self, revision: str) -> None:
        super().__init__(
            f"The database is at revision {revision}, this program knows revisions up to {HEAD}.",
            remedy="Install the newer version again, or go back to a backup made before it.",
        )


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What an upgrade did."""

    before: str | None
    after: str
    backup: Path | None


def sqlite_path(url: str) -> Path | None:
    """Return the file that `url` names, or None if it names a server."""
    parsed = normalise_url(url)
    if parsed.get_backend_name() != "sqlite":
        return None
    assert parsed.database is not None
    return Path(parsed.database)


def prepare(url: str, data_dir: Path, clock: Clock) -> list[Finding]:
    """Make the database ready to be opened: usable, whole and at HEAD. Returns what a person should know.

    Raises Fatal when that cannot be. Blocking; for SQLite the caller holds the data lock.
    """
    findings: list[Finding | None] = []
    path = sqlite_path(url)
    if path is not None:
        require_usable(path)
        findings.append(doubtful_place(path))
        findings += known_damage(path, _backups(data_dir))
        findings.append(set_aside_if_damaged(path, _backups(data_dir), clock))
    if current(url) != HEAD:
        upgrade(url, data_dir, clock)
    return [finding for finding in findings if finding is not None]


def current(url: str) -> str | None:
    """Return the revision the database is at, None if it is empty or not there. Raises Fatal if it is not ours."""
    path = sqlite_path(url)
    if path is not None and not path.exists():
        return None
    engine = _engine(normalise_url(url))
    try:
        with engine.connect() as connection:
            return _revision(connection)
    except DBAPIError as error:
        raise _unreachable(engine.url, error) from error
    finally:
        engine.dispose()


def _revision(connection: Connection) -> str | None:
    tables = inspect(connection).get_table_names()
    if "alembic_version" in tables:
        revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        if revision is not None:
            return revision
    if "daemons" in tables:
        raise Unusable(
            "The database has tables of this program but no revision.",
            remedy="Go back to a backup, or set database_url to an empty database.",
        )
    return None


def upgrade(url: str, data_dir: Path, clock: Clock) -> Upgrade:
    """Bring the database to HEAD, after a backup where there is a file with something in it. Raises Fatal."""
    before = current(url)
    if before is not None and before not in REVISIONS:
        raise DatabaseNewer(before)
    if before == HEAD:
        return Upgrade(before, HEAD, None)
    copy = back_up_database(url, data_dir, clock) if before is not None else None
    reach("backed up")
    _migrate(url, copy)
    reach("migrated")
    after = current(url)
    if after != HEAD:
        raise Unusable(f"The database is at revision {after} after the upgrade, not at {HEAD}.", code="ERR_UPGRADE")
    return Upgrade(before, HEAD, copy)


def back_up_database(url: str, data_dir: Path, clock: Clock) -> Path | None:
    """Copy the database into the data directory's backups and return where; None on PostgreSQL, which has its own."""
    path = sqlite_path(url)
    if path is None:
        return None
    if not path.exists():
        raise Unusable(f"There is no database {path}.", code="ERR_NO_DATABASE")
    return back_up(path, _backups(data_dir), clock, current(url) or "empty")


def check(url: str) -> list[str]:
    """Return what is wrong with the database: its revision, and on SQLite its pages, indexes and foreign keys."""
    path = sqlite_path(url)
    if path is not None and not path.exists():
        return [f"There is no database {path}."]
    problems = [] if path is None else integrity_problems(path)
    if problems:
        return problems
    revision = current(url)
    return [] if revision == HEAD else [f"The database is at revision {revision}, this program at {HEAD}."]


def _migrate(url: str, copy: Path | None) -> None:
    # A process of its own, because alembic alone would be a third of what an idle service weighs. The address goes
    # by the environment: everybody may read a command line.
    done = subprocess.run(
        [sys.executable, "-m", "daemons.schema.migrate"],
        env={**os.environ, "DAEMONDECK_DATABASE_URL": url},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        reason = "\n".join(done.stderr.strip().splitlines()[-_LINES_OF_A_FAILURE:]) or f"exit code {done.returncode}"
        kept = f" The backup is {copy}." if copy else ""
        raise Unusable(
            f"The database could not be upgraded; nothing of the last step was kept.{kept}\n{reason}",
            remedy="Mend the cause and start again: the upgrade goes on where it was.",
            code="ERR_UPGRADE",
        )


def _engine(url: URL) -> Engine:
    postgres = {"connect_timeout": 5, "options": "-c statement_timeout=10000"}
    return create_engine(url, poolclass=NullPool, connect_args=postgres if "psycopg" in url.drivername else {})


def _unreachable(url: URL, error: DBAPIError) -> Fatal:
    reason = str(error.orig).strip().splitlines()[0]
    if url.get_backend_name() == "sqlite":
        return Unusable(f"The database {url.database} cannot be read: {reason}.")
    return DatabaseAway(
        f"{url.render_as_string()} cannot be reached: {reason}", remedy="Start it, or set database_url."
    )


def _backups(data_dir: Path) -> Path:
    return data_dir / "backups"
