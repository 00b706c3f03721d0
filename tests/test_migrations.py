"""The migrations give exactly the tables of the models, on both databases, also when they are interrupted."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, select, text

from daemons import killpoints
from daemons.clock import SystemClock
from daemons.database.engines import normalise_url, sqlite_engine
from daemons.models import Base
from daemons.schema import HEAD, REVISIONS, check, current, sqlite_path, upgrade
from daemons.schema.migrate import configuration
from daemons.workflows.describe.keeper.search import search
from daemons.workflows.describe.tables import DescriptionTable
from tests.test_schema import empty_url, execute

__all__ = ["empty_url"]

ROOT = Path(__file__).parent.parent


@pytest.fixture
def url(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the address of an empty database that `alembic` finds in the environment."""
    monkeypatch.setenv("DAEMONDECK_DATABASE_URL", empty_url)
    return empty_url


def test_the_revisions_known_at_boot_are_those_of_alembic_in_one_line() -> None:
    known = [revision.revision for revision in ScriptDirectory.from_config(configuration()).walk_revisions()]

    assert list(reversed(known)) == list(REVISIONS)
    assert REVISIONS[-1] == HEAD


def test_every_revision_can_be_undone_and_done_again(url: str) -> None:
    for target in ("head", "base", "head"):
        (command.downgrade if target == "base" else command.upgrade)(configuration(), target)

    assert check(url) == []


def test_there_is_nothing_to_generate(url: str) -> None:
    command.upgrade(configuration(), "head")
    execute(url, "CREATE TABLE x_plugin (id integer)")

    command.check(configuration())


def test_descriptions_made_before_there_was_a_search_are_found_by_their_words(url: str) -> None:
    command.upgrade(configuration(), "0002")
    columns = "id, digest, folder, path, folder_bytes, path_bytes, size, mtime_ns, describer, model, state, revision"
    nothing = f"CAST('' AS {'BLOB' if url.startswith('sqlite') else 'BYTEA'})"
    execute(
        url,
        f"INSERT INTO descriptions ({columns}, description, created_at)"
        f" VALUES ('1', '1', '/a', 'holiday.jpg', {nothing}, {nothing},"
        " 1, 1, 'basic', '', 'done', 1, 'A dog.', '2026-01-01 00:00:00')",
    )
    command.upgrade(configuration(), "head")
    engine = create_engine(normalise_url(url))
    with engine.connect() as connection:
        condition = search("dog holi", is_sqlite=url.startswith("sqlite"))
        found = connection.execute(select(DescriptionTable.id).where(condition)).all()
    engine.dispose()

    assert [row.id for row in found] == ["1"]


@pytest.mark.databases("sqlite")
def test_the_migrated_tables_are_those_of_the_models_to_the_word(url: str, tmp_path: Path) -> None:
    command.upgrade(configuration(), "head")
    command.check(configuration())  # brings the tables of the workflows along
    models = f"sqlite:///{tmp_path / 'models.db'}"
    engine = sqlite_engine(normalise_url(models))
    Base.metadata.create_all(engine)
    engine.dispose()

    assert statements(url) == statements(models)


def statements(url: str) -> dict[str, list[str]]:
    """Return the words of each table and index; the order of a table's constraints means nothing."""
    engine = create_engine(normalise_url(url))
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND tbl_name <> 'alembic_version'"
                # Of SQLite alone, so of no model.
                " AND name NOT LIKE 'descriptions_words%' AND name <> 'ix_descriptions_folder_path'"
            )
        ).all()
    engine.dispose()
    return {name: sorted(re.findall(r"[^\s,]+", sql)) for name, sql in rows}


@pytest.mark.parametrize("place", ["migration statement:3", "migration statement:20", "migration written"])
def test_an_upgrade_killed_in_the_middle_leaves_nothing_and_can_be_repeated(
    empty_url: str, place: str, tmp_path: Path
) -> None:
    killed = migrate(empty_url, place)

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert tables(empty_url) <= {"alembic_version"}
    assert current(empty_url) is None

    assert upgrade(empty_url, tmp_path, SystemClock()).after == HEAD
    assert check(empty_url) == []


def migrate(url: str, place: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "DAEMONDECK_DATABASE_URL": url, killpoints.VARIABLE: place}
    return subprocess.run(
        [sys.executable, "-m", "daemons.schema.migrate"], env=environment, capture_output=True, text=True, check=False
    )


def tables(url: str) -> set[str]:
    engine = create_engine(normalise_url(url))
    names = set(inspect(engine).get_table_names())
    engine.dispose()
    return names


def test_alembic_works_in_the_projects_root_without_any_settings(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DAEMONDECK_")}
    environment |= {"DAEMONDECK_DATA_DIR": str(tmp_path / "data")}

    done = subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert current(f"sqlite:///{tmp_path / 'data' / 'daemondeck.db'}") == HEAD


@pytest.mark.databases("sqlite")
def test_an_upgrade_refuses_rows_that_would_point_nowhere(empty_url: str, tmp_path: Path) -> None:
    path = sqlite_path(empty_url)
    assert path is not None
    path.parent.mkdir()
    execute(
        empty_url,
        "CREATE TABLE x_parent (id integer PRIMARY KEY)",
        "CREATE TABLE x_child (id integer REFERENCES x_parent (id))",
        "INSERT INTO x_child VALUES (1)",
    )

    with pytest.raises(Exception, match="rows point to rows that are not there"):
        upgrade(empty_url, tmp_path, SystemClock())

    assert tables(empty_url) == {"x_parent", "x_child"}


@pytest.mark.databases("postgresql")
def test_two_managers_that_start_at_once_take_turns_to_upgrade(empty_url: str) -> None:
    environment = {**os.environ, "DAEMONDECK_DATABASE_URL": empty_url}
    managers = [
        subprocess.Popen(
            [sys.executable, "-m", "daemons.schema.migrate"], env=environment, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]

    errors = [manager.communicate()[1] for manager in managers]

    assert [manager.returncode for manager in managers] == [0, 0], errors
    assert check(empty_url) == []
