"""What happens to the database before it is opened."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text

from daemons import schema
from daemons.clock import SystemClock
from daemons.database.engines import normalise_url
from daemons.errors import Fatal
from daemons.schema import HEAD, DatabaseAway, DatabaseNewer, check, current, prepare, sqlite_path, upgrade
from daemons.schema.sqlite_file import Unusable, forget_damage, list_backups
from tests.fake_clock import FakeClock
from tests.postgres_server import PostgresServer

only_sqlite = pytest.mark.databases("sqlite")


def execute(url: str, *statements: str) -> None:
    engine = create_engine(normalise_url(url))
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


@pytest.fixture
def empty_url(database_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Return the address of a database without tables, or of a file that is not there yet."""
    if database_kind == "sqlite":
        return f"sqlite:///{tmp_path / 'data' / 'deck.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    name = server.create()
    request.addfinalizer(lambda: server.drop(name))
    return server.url(name).render_as_string(hide_password=False)


@pytest.fixture
def path(database_url: str) -> Path:
    """Return the file of the test's SQLite database."""
    path = sqlite_path(database_url)
    assert path is not None
    return path


def test_a_fresh_database_gets_all_tables(empty_url: str, tmp_path: Path, clock: FakeClock) -> None:
    assert prepare(empty_url, tmp_path, clock) == []

    assert current(empty_url) == HEAD
    assert check(empty_url) == []
    assert list_backups(tmp_path / "backups") == []


def test_a_database_at_head_starts_nothing(
    database_url: str, tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/program")

    assert prepare(database_url, tmp_path, clock) == []


def test_opening_a_database_does_not_import_alembic() -> None:
    script = "import daemons.schema, daemons.database, sys; sys.exit('alembic' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_newer_database_is_refused_naming_both_revisions(database_url: str, tmp_path: Path, clock: FakeClock) -> None:
    execute(database_url, "UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(DatabaseNewer) as refused:
        prepare(database_url, tmp_path, clock)

    assert "9999" in refused.value.message and HEAD in refused.value.message
    assert refused.value.exit_code == 78
    assert current(database_url) == "9999"


def test_a_failed_upgrade_says_why_and_names_its_backup(
    database_url: str, tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "REVISIONS", ("0000", *schema.REVISIONS))
    execute(database_url, "UPDATE alembic_version SET version_num = '0000'")

    with pytest.raises(Unusable, match="Can't locate revision identified by '0000'") as refused:
        prepare(database_url, tmp_path, clock)

    backups = list_backups(tmp_path / "backups")
    assert refused.value.exit_code == 78
    assert [str(backup) in refused.value.message for backup in backups] == [True] * len(backups)
    assert len(backups) == (1 if database_url.startswith("sqlite") else 0)
    assert all(current(f"sqlite:///{backup}") == "0000" for backup in backups)


def test_tables_without_a_revision_are_refused(empty_url: str, tmp_path: Path, clock: FakeClock) -> None:
    if path := sqlite_path(empty_url):
        path.parent.mkdir()
    execute(empty_url, "CREATE TABLE daemons (id integer)")

    with pytest.raises(Unusable, match="no revision"):
        prepare(empty_url, tmp_path, clock)


def test_a_server_that_is_not_there_is_named_without_its_password(tmp_path: Path, clock: FakeClock) -> None:
    with pytest.raises(DatabaseAway, match=r"nobody:\*\*\*@127\.0\.0\.1:1/deck cannot be reached") as refused:
        prepare("postgresql://nobody:secret@127.0.0.1:1/deck", tmp_path, clock)

    assert "secret" not in str(refused.value)


# A SQLite file that is damaged.


def spoil_the_middle(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(os.urandom(path.stat().st_size - 16384))


def spoil_the_head(path: Path) -> None:
    path.write_bytes(b"this is not a database" * 1000)


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@only_sqlite
@pytest.mark.parametrize("spoil", [spoil_the_middle, spoil_the_head, cut_short])
def test_a_damaged_file_is_moved_aside_and_said_loudly(
    spoil: object, database_url: str, path: Path, tmp_path: Path, clock: FakeClock
) -> None:
    backup = schema.back_up_database(database_url, tmp_path, clock)
    assert callable(spoil)
    spoil(path)
    spoiled = path.read_bytes()

    (finding,) = prepare(database_url, tmp_path, clock)

    aside = Path(f"{path}.corrupt-20300101T120000000000Z")
    assert finding.code == "ERR_DATABASE_CORRUPT" and finding.severity == "error"
    assert str(aside) in finding.message and str(backup) in (finding.remedy or "")
    assert aside.read_bytes() == spoiled
    assert current(database_url) == HEAD
    assert prepare(database_url, tmp_path, clock) == [finding], "it is told until somebody knows of it"
    forget_damage(path)
    assert prepare(database_url, tmp_path, clock) == []


@only_sqlite
def test_a_whole_file_with_an_unfinished_log_is_not_damaged(
    database_url: str, path: Path, tmp_path: Path, clock: FakeClock
) -> None:
    """What a killed service leaves: a log that was not moved into the database."""
    killed = f"""
import sqlite3, os
connection = sqlite3.connect({str(path)!r}, isolation_level=None)
connection.execute("PRAGMA journal_mode=WAL")
connection.execute("INSERT INTO audit (at, who, origin, action, outcome) VALUES ('2030-01-01', 'a', 'b', 'c', 'd')")
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", killed], check=False)
    assert Path(f"{path}-wal").stat().st_size > 0

    assert prepare(database_url, tmp_path, clock) == []

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT who FROM audit").fetchall() == [("a",)]


@only_sqlite
def test_a_check_tells_of_rows_that_point_nowhere(database_url: str) -> None:
    execute(database_url, "INSERT INTO leases (daemon_id) VALUES ('nobody')")

    assert check(database_url) == ["row 1 of leases points to a missing row of daemons"]


@only_sqlite
def test_a_check_tells_of_a_damaged_file(database_url: str, path: Path) -> None:
    spoil_the_head(path)

    assert check(database_url) == ["file is not a database"]


def test_a_check_tells_of_an_old_revision(database_url: str) -> None:
    execute(database_url, "UPDATE alembic_version SET version_num = '0000'")

    assert check(database_url) == [f"The database is at revision 0000, this program at {HEAD}."]


def test_a_check_tells_of_a_missing_file(tmp_path: Path) -> None:
    assert check(f"sqlite:///{tmp_path / 'deck.db'}") == [f"There is no database {tmp_path / 'deck.db'}."]


# Somebody else's tables.


def test_an_upgrade_leaves_the_tables_of_others_alone(empty_url: str, tmp_path: Path) -> None:
    if path := sqlite_path(empty_url):
        path.parent.mkdir()
    execute(empty_url, "CREATE TABLE x_plugin (id integer)", "INSERT INTO x_plugin VALUES (7)")

    upgrade(empty_url, tmp_path, SystemClock())

    engine = create_engine(normalise_url(empty_url))
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT id FROM x_plugin")) == 7
        assert "daemons" in inspect(connection).get_table_names()
    engine.dispose()


@only_sqlite
def test_a_place_that_cannot_be_used_is_refused_with_a_remedy(tmp_path: Path, clock: FakeClock) -> None:
    (tmp_path / "file").write_text("not a folder")

    for place in (tmp_path / "file" / "deck.db", tmp_path):
        with pytest.raises(Fatal) as refused:
            prepare(f"sqlite:///{place}", tmp_path, clock)

        assert (refused.value.exit_code, refused.value.error_code) == (78, "ERR_DATA_DIR")
        assert refused.value.remedy is not None
