"""`daemondeck jobs` for many at once: all that match, as an operation; views; files."""

import csv
import io
from pathlib import Path

from tests.cli.deck_runner import DeckRunner, Serving


def test_all_that_match_need_a_yes_and_become_an_operation(deck: DeckRunner, serving: Serving, tmp_path: Path) -> None:
    ids = [deck.run("jobs", "new", "toy_ask").stdout.strip() for _ in range(2)]

    dry = deck.run("jobs", "cancel", "type:toy_ask", "--all-matching", "--dry-run")
    unsure = deck.run_alone("jobs", "cancel", "type:toy_ask", "--all-matching")
    done = deck.run("jobs", "cancel", "type:toy_ask", "--all-matching", "--yes")

    assert (dry.returncode, sorted(dry.stdout.split())) == (0, sorted(ids))
    assert unsure.returncode == 5
    assert done.returncode == 0
    assert deck.json("jobs", "operation", done.stdout.strip())["total"] == 2
    assert deck.json("jobs", "operations")[0]["id"] == done.stdout.strip()
    assert deck.run("jobs", "cancel", "x", "--dry-run").returncode == 2


def test_views_and_files(deck: DeckRunner, serving: Serving, tmp_path: Path) -> None:
    job_id = deck.run("jobs", "new", "toy_ask").stdout.strip()
    file = tmp_path / "jobs.csv"

    saved = deck.run("jobs", "views", "--save", "Asking", "type:toy_ask", "since:1h")
    written = deck.run("jobs", "export", "--file", str(file), "--", "type:toy_ask", "-state:completed")

    assert (saved.returncode, written.returncode) == (0, 0)
    assert job_id in file.read_text()
    assert deck.json("jobs", "views")[0]["query"] == "type:toy_ask since:1h"
    assert deck.run("jobs", "views", "--remove", "Asking").returncode == 0
    assert deck.run("jobs", "views", "--remove", "Asking").returncode == 4
    assert job_id in [
        row["id"] for row in csv.DictReader(io.StringIO(deck.run("jobs", "export", "type:toy_ask").stdout))
    ]
    deck.run("jobs", "cancel", job_id)


def test_only_what_has_failed_is_set_aside(deck: DeckRunner, serving: Serving) -> None:
    for how in (["--skip", "ERR_NOBODY"], ["--mute", "ERR_NOBODY", "--for", "2h"], ["--count", "ERR_NOBODY"]):
        refused = deck.run("failures", "toy_talker", *how)
        assert (refused.returncode, "ERR_NOBODY" in refused.stderr) == (4, True), how
