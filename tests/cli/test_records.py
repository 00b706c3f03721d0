"""`daemondeck records`: find them, read their story, write, move, and have many go on at once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.deck_runner import DeckRunner
from tests.web.toy_ladder import ASKING, FORCED, NEW, TOP


@pytest.fixture(scope="module")
def climbing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeckRunner]:
    """Serve a deck with three toys."""
    deck = DeckRunner(Path(tmp_path_factory.mktemp("home")), DAEMONDECK_PLUGINS="tests.web.toy_ladder")
    with deck.serving():
        for name in ("harbour", "barn", "boat"):
            assert deck.run("records", "add", "toys", f"/toys/{name}.jpg", "--title", name).returncode == 0
        yield deck


def test_they_are_listed_shown_and_counted(climbing: DeckRunner) -> None:
    assert [one["code"] for one in climbing.json("records", "ls", "--ladder", "toys", "--search", "barn")] == ["TO0002"]
    assert climbing.run("records", "ls", "-o", "name", "-n", "1").stdout == "TO0003\n"
    shown = climbing.run("records", "show", "TO0001").stdout
    assert "/toys/harbour.jpg" in shown and "SUGGESTED FOR" in shown and "from the file's name" in shown
    assert climbing.json("records", "show", "TO0002")["suggestions"][0]["value"] == "Barn"
    assert climbing.json("records", "board", "toys")[0]["status"] == NEW
    assert "find" in climbing.run("records", "ladders", "toys").stdout
    assert "toys" in [one["name"] for one in climbing.json("records", "ladders")]
    assert climbing.json("records", "figures", "toys", "--hours", "1")[0]["done"] == 0
    assert climbing.run("records", "show", "TO0099").returncode == 4
    assert climbing.run("records", "board", "nowhere").returncode == 4


def test_fields_are_written_and_what_is_stale_or_wrong_is_refused(climbing: DeckRunner) -> None:
    written = climbing.json("records", "edit", "TO0001", "title=The harbour", 'keywords=["ice"]')
    stale = climbing.run("records", "edit", "TO0001", "title=Port", "--revision", "1")

    assert written["fields"] == {"title": "The harbour", "keywords": ["ice"]}
    assert (stale.returncode, "ERR_STALE_RECORD" in stale.stderr) == (5, True)
    assert climbing.run("records", "edit", "TO0001", "sha256=0").returncode == 2
    assert climbing.run("records", "edit", "TO0001", "title").returncode == 2
    again = climbing.run("records", "edit", "TO0001", "keywords=")
    assert (again.returncode, again.stdout) == (0, f"TO0001: saved; its next step is due, from {NEW}\n")
    assert climbing.json("records", "show", "TO0001")["fields"] == {"title": "The harbour"}


def test_what_is_like_a_record_is_listed_once_it_can_be_compared(climbing: DeckRunner) -> None:
    for name in ("boats in the harbour", "two boats in the harbour"):
        picture = climbing.data_dir / f"{name}.png"
        Image.new("RGB", (40, 30), (len(name) * 5, 90, 120)).save(picture)
        assert climbing.run("records", "add", "stills", str(picture), f"caption={name}").returncode == 0

    early = climbing.run("records", "similar", "ST0001")
    assert climbing.run("config", "set", "stills", "threshold=0").returncode == 0
    assert climbing.run("autolog", "stills", "--duration", "60").returncode == 0
    [found] = climbing.json("records", "similar", "ST0001")
    shown = climbing.run("records", "similar", "ST0001", "-n", "1").stdout

    assert (early.returncode, "ERR_NO_VECTOR" in early.stderr, "Let it climb on" in early.stderr) == (5, True, True)
    assert (found["code"], 0.3 < found["score"] < 1) == ("ST0002", True)
    assert f"{round(100 * found['score'])} %" in shown and "two boats in the harbour.png" in shown
    assert climbing.run("records", "similar", "ST0099").returncode == 4


def test_they_are_moved_and_many_go_on_at_once(climbing: DeckRunner) -> None:
    for code in ("TO0001", "TO0002"):
        assert climbing.run("records", "move", code, ASKING).stdout == f"{code}: {ASKING}\n"

    inbox = climbing.run("inbox", "ls")
    unsure = climbing.run_alone("records", "resume", "--all")
    resumed = climbing.run("records", "resume", "--all", "--ladder", "toys", "--yes")
    again = climbing.run("records", "resume", "TO0001", "TO0099")
    skipped = climbing.run("records", "skip", "TO0001")

    assert inbox.stderr == (
        "Nobody asks anything now.\n2 records wait for a person: `daemondeck records ls --state awaiting` lists them.\n"
    )
    assert unsure.returncode == 5
    assert sorted(resumed.stdout.splitlines()) == [f"TO0001: {FORCED}", f"TO0002: {FORCED}"]
    assert (again.returncode, again.stderr.count("\n")) == (5, 2)
    assert skipped.stdout == f"TO0001: {TOP}\n"
    assert climbing.run("records", "retry").returncode == 2
    none = climbing.run("records", "retry", "--all", "--code", "ERR_NOWHERE")
    assert (none.returncode, none.stdout, none.stderr) == (0, "", "0 records: there is none to retry.\n")
    assert climbing.json("records", "lock", "TO0003")["edited_by"]
    assert climbing.json("records", "unlock", "TO0003")["edited_by"] is None


def test_a_status_that_the_ladder_does_not_have_is_refused_with_those_that_it_has(climbing: DeckRunner) -> None:
    moved = climbing.run("records", "move", "TO0003", "0 - new")
    added = climbing.run("records", "add", "toys", "/toys/other.jpg", "--status", "0 - new")

    for done in (moved, added):
        assert done.returncode == 2
        assert f"0 - new is no status of toys. There are: {NEW}, " in done.stderr


def test_those_below_one_are_listed_and_retried_by_its_code(climbing: DeckRunner) -> None:
    assert climbing.json("records", "ls", "--parent", "TO0001") == []
    assert climbing.run("records", "retry", "--all", "--parent", "TO0001").returncode == 0
    for command in (("ls",), ("retry", "--all")):
        assert climbing.run("records", *command, "--parent", "TO0099").returncode == 4


def test_what_steps_logged_is_shown(climbing: DeckRunner) -> None:
    silent = climbing.run("records", "logs", "TO0001")
    assert (silent.stdout, silent.stderr) == ("", "TO0001: no such line was logged.\n")
    assert climbing.json("records", "logs", "TO0001", "-n", "5", "--level", "warning", "--since", "1h") == []
    assert climbing.run("records", "logs", "TO0099").returncode == 4
