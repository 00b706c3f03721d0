"""`daemondeck autolog` in processes of its own: to the end, stopped, out of time, and with a deck that does it."""

import json
import os
import re
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.deck_runner import DeckRunner
from tests.cli.test_describe import read_until, rest_of
from tests.pictures.samples import busy, canon_in_berlin, saved

AWAITING = "Awaiting User Input"
KNOWN = (
    "title=Brandenburg Gate at dusk",
    "caption=The Brandenburg Gate in Berlin, photographed from Pariser Platz in the evening of 3 May 2019.",
    "place=Berlin",
)


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    """Return a folder with a picture that tells of itself, one that does not, and a text with a picture's name."""
    folder = tmp_path / "Drop here"
    folder.mkdir()
    saved(busy(), folder / "berlin.jpg", exif=canon_in_berlin())
    saved(busy(2), folder / "plain.png")
    (folder / "text.jpg").write_text("I am not an image.")
    return aged(folder)


def aged(folder: Path) -> Path:
    """Have the files be ones that nobody writes to any more."""
    for file in folder.iterdir():
        os.utime(file, (1_600_000_000, 1_600_000_000))
    return folder


def statuses(deck: DeckRunner) -> dict[str, tuple[str, bool]]:
    """Return each record's status, and whether it is parked."""
    with closing(sqlite3.connect(deck.data_dir / "daemondeck.db")) as data:
        found = data.execute("SELECT code, status, parked_at FROM records").fetchall()
    return {code: (status, parked_at is not None) for code, status, parked_at in found}


def test_stills_climb_until_nothing_is_left_and_the_worst_decides(
    own_deck: DeckRunner, drop: Path, tmp_path: Path
) -> None:
    library = tmp_path / "library"
    library.mkdir()

    first = own_deck.run_alone(
        "autolog", "stills", "--drop", str(drop), "--library", str(library), AUTOLOG_DEBUG="true", POLL_INTERVAL="60"
    )

    assert first.returncode == 1, first.stderr
    assert re.search(
        r"^\[\d\d:\d\d:\d\d\.\d{3}\] stills climb here for at most 3,600 s, told every 60 s\.$", first.stdout, re.M
    )
    assert "\n=== CYCLE 1 ===\n" in first.stdout and "=== CYCLE 2" not in first.stdout
    assert "] 3 records found, 3 to process\n" in first.stdout
    assert re.search(r"\] ST0001: copy done in 0\.\d{3} s\n", first.stdout)
    assert re.search(r"\] ST0001: .* -> 6 - Generating Embeddings", first.stdout)
    assert re.search(rf"\] ST0002: .* -> {AWAITING}", first.stdout)
    assert re.search(r"\] ST0003: file_info failed in .*: ERR_NOT_AN_IMAGE: ", first.stdout)
    assert re.search(r"Cycle 1 complete \(\d+\.\d s\): 10 steps, \d chained\n", first.stdout)
    assert "] Cycle results: 2 successful, 1 failed\n" in first.stdout
    assert first.stdout.endswith("Nothing is left to do: 1 of 3 records complete, 1 awaits input, 1 parked.\n")
    assert list(library.rglob("*.jpg"))


def test_what_is_not_configured_is_said_and_not_waited_for(own_deck: DeckRunner, drop: Path) -> None:
    nothing = own_deck.run_alone("autolog", "footage")
    missing = own_deck.run("autolog", "stills", "--drop", str(drop / "nowhere"))
    no_server = own_deck.run_alone(
        "autolog", "stills", "--drop", str(drop), DAEMONDECK_DAEMONS__STILLS__DESCRIBER="vision"
    )

    assert (nothing.returncode, missing.returncode, no_server.returncode) == (78, 2, 78), no_server.stderr
    assert "ERR_NOT_CONFIGURED: Nothing can climb: footage has no drop folder" in nothing.stderr
    assert "ERR_NO_DIRECTORY" in missing.stderr
    assert "ERR_NOT_CONFIGURED: Not configured: set vision.url" in no_server.stderr


def test_ctrl_c_finishes_the_steps_in_hand_and_a_limit_of_time_is_kept(own_deck: DeckRunner, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    saved(busy(), folder / "0.jpg", exif=canon_in_berlin())
    picture = (folder / "0.jpg").read_bytes()
    for number in range(1, 200):
        # What stands behind the picture makes it another content, which is no copy of the first.
        (folder / f"{number}.jpg").write_bytes(picture + b"%d" % number)
    aged(folder)

    over = own_deck.run_alone("autolog", "stills", "--drop", str(folder), "--duration", "0")
    with own_deck.popen("autolog", "stills") as process:
        read_until(process, " -> ")
        process.send_signal(signal.SIGINT)
        told = rest_of(process)

    assert over.returncode in (0, 8), over.stderr
    assert "The time is over: " in over.stdout
    assert process.returncode == 130
    assert "Finishing the steps in hand" in told
    assert re.search(r"\nStopped: \d+ of \d+ records complete.*, \d+ left\.\n$", told)
    with closing(sqlite3.connect(own_deck.data_dir / "daemondeck.db")) as data:
        assert data.execute("SELECT count(*) FROM records WHERE held_by IS NOT NULL").fetchone() == (0,)
        assert data.execute("SELECT DISTINCT outcome FROM record_steps").fetchall() == [("done",)]
        assert data.execute("SELECT desired FROM daemons WHERE name = 'stills'").fetchone() == ("off",)


def test_with_a_deck_the_work_is_the_decks_own(own_deck: DeckRunner, drop: Path) -> None:
    (drop / "text.jpg").unlink()
    with own_deck.serving():
        done = own_deck.run("autolog", "stills", "--drop", str(drop), "-o", "jsonl")
        assert done.returncode == 9, done.stderr
        *cycles, end = map(json.loads, done.stdout.splitlines())
        assert sum(cycle["steps"] for cycle in cycles) == end["steps"] == 10
        assert [end[name] for name in ("state", "total", "complete", "awaiting")] == ["settled", 2, 1, 1]
        assert statuses(own_deck)["ST0002"] == (AWAITING, False)

        assert own_deck.run("records", "edit", "ST0002", *KNOWN).returncode == 0
        again = own_deck.run("autolog", "stills")
        assert again.returncode == 0, again.stdout
        assert again.stdout.endswith("Nothing is left to do: 2 of 2 records complete.\n")
        assert "switched on" not in again.stdout  # it has been on since the first
        assert own_deck.run("stop", "stills").returncode == 0
        anew = own_deck.run("autolog", "stills")
        assert "stills is switched on and stays on; `daemondeck stop stills` switches it off.\n" in anew.stdout
        args = {"ladders": ["stills"], "duration": 60, "linger": None, "until_settled": True}
        asked = own_deck.run("jobs", "new", "climb", "--args", json.dumps(args))
        with own_deck.watching(asked.stdout.strip(), "completed"):
            pass
