"""`doctor`, `diag`, `audit`, `log-level`, `db restore` and `db vacuum`: with a deck and on its data alone."""

import json
import re
import socket
import sqlite3
import stat
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.deck_runner import DeckRunner, Serving


def test_a_running_deck_is_told_of_looked_at_and_changed(deck: DeckRunner, serving: Serving, tmp_path: Path) -> None:
    well = deck.run("doctor")
    figures = deck.json("doctor", "--figures")
    deck.json("start", "toy_keeper")
    record = deck.json("audit", "--action", "daemon start")
    level = deck.json("log-level", "debug", "--for", "10m")
    back = deck.json("log-level", "info")
    made = deck.run("diag", str(tmp_path / "d.zip"))
    refused = [deck.run("diag", str(tmp_path / "d.zip")), deck.run("db", "vacuum"), deck.run("db", "restore", "x.db")]

    assert (well.returncode, "All is well" in well.stderr) == (0, True), well.stdout
    assert figures["database_bytes"] > 0 or figures["database_bytes"] is None
    assert record[0]["target"] == "toy_keeper"
    assert level["log_level"] == "debug" and level["log_level_until"]
    assert back == {"log_level": "info", "log_level_until": None}
    assert made.returncode == 0 and stat.S_IMODE((tmp_path / "d.zip").stat().st_mode) == 0o600
    assert [done.returncode for done in refused] == [5, 75, 75]
    assert deck.run("doctor", "--dismiss", "ERR_NOTHING").returncode == 4


def test_without_a_deck_the_data_tells(own_deck: DeckRunner, tmp_path: Path) -> None:
    own_deck.run("db", "upgrade")
    token = own_deck.data_dir / "token"
    token.write_text("dd_canary_canary_canary_canary")
    token.chmod(0o644)
    (own_deck.data_dir / "deck.1.tmp").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ill = own_deck.run("doctor", "-o", "json", DAEMONDECK_PORT=port)
    mended = own_deck.run("doctor", "--fix")
    diag = own_deck.run("diag", str(tmp_path / "d.zip"))

    assert ill.returncode == 3
    wrong = {one["code"] for one in json.loads(ill.stdout) if one["severity"] != "info"}
    assert wrong == {"ERR_DATA_RIGHTS", "ERR_LEFTOVER", "ERR_PORT"}
    assert (mended.returncode, stat.S_IMODE(token.stat().st_mode)) == (0, 0o600), mended.stdout
    assert not (own_deck.data_dir / "deck.1.tmp").exists()
    assert diag.returncode == 0, diag.stderr
    with zipfile.ZipFile(tmp_path / "d.zip") as archive:
        texts = [archive.read(name).decode() for name in archive.namelist()]
    assert not any("canary" in text for text in texts)
    assert own_deck.json("audit") == []


def test_settings_that_cannot_be_used_are_a_finding(own_deck: DeckRunner) -> None:
    done = own_deck.run("doctor", DAEMONDECK_PORT="many")

    assert done.returncode == 3
    assert "DAEMONDECK_PORT" in done.stdout


def test_a_damaged_database_is_found_and_a_backup_put_back(own_deck: DeckRunner) -> None:
    own_deck.run("db", "upgrade")
    database = own_deck.data_dir / "daemondeck.db"
    backup = Path(own_deck.json("db", "backup")["backup"])
    with database.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * 65_536)

    ill = own_deck.run("doctor")
    vacuumed = own_deck.run("db", "vacuum")
    restored = own_deck.json("db", "restore", str(backup))

    assert ill.returncode == 3 and "ERR_DATABASE_DAMAGED" in ill.stdout
    assert vacuumed.returncode == 78 and "damaged" in vacuumed.stderr
    assert Path(restored["aside"]).stat().st_size == backup.stat().st_size
    assert own_deck.run("db", "check").returncode == 0
    assert own_deck.run("doctor").returncode == 0


@pytest.mark.parametrize("kind", ["missing", "text", "foreign", "itself"])
def test_what_is_no_backup_is_refused_and_nothing_changes(own_deck: DeckRunner, tmp_path: Path, kind: str) -> None:
    own_deck.run("db", "upgrade")
    database = own_deck.data_dir / "daemondeck.db"
    file = tmp_path / "some file.db"
    if kind == "text":
        file.write_text("not a database" * 1000)
    elif kind == "foreign":
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("CREATE TABLE songs (title TEXT)")
    elif kind == "itself":
        file = database
    before = database.read_bytes()

    done = own_deck.run("db", "restore", str(file))

    assert done.returncode == 78, done.stdout
    assert database.read_bytes() == before
    assert [path.name for path in own_deck.data_dir.iterdir() if re.search("restore|tmp", path.name)] == []


def test_room_is_given_back(own_deck: DeckRunner) -> None:
    own_deck.run("db", "upgrade")
    database = own_deck.data_dir / "daemondeck.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE x_large (content BLOB)")
        connection.execute("INSERT INTO x_large VALUES (zeroblob(4000000))")
        connection.commit()
        connection.execute("DROP TABLE x_large")

    done = own_deck.json("db", "vacuum")

    assert done["before"] > 4_000_000 > 1_000_000 > done["after"]
    assert own_deck.run("db", "check").returncode == 0
