"""`daemondeck schedule`: made, looked at, switched, run and removed."""

import pytest

from tests.cli.deck_runner import DeckRunner

pytestmark = pytest.mark.usefixtures("serving")


def test_a_schedule_lives_from_add_to_rm(deck: DeckRunner) -> None:
    made = deck.run("schedule", "add", "nightly", "--cron", "0 3 * * *", "--zone", "Asia/Kolkata", "--job", "toy_steps")
    assert made.returncode == 0, made.stderr
    assert deck.run("schedule", "add", "nightly", "--every", "1h", "--job", "toy_steps").returncode == 5

    [listed] = deck.json("schedule", "ls")
    assert (listed["name"], listed["in_words"]) == ("nightly", "At 03:00 every day")
    assert "Asia/Kolkata" in deck.run("schedule", "next", "nightly", "-n", "2").stdout
    assert deck.json("schedule", "disable", "nightly")["next_at"] is None
    assert deck.json("schedule", "edit", "nightly", "--every", "6h")["in_words"] == "Every 6h"
    assert deck.json("schedule", "enable", "nightly")["next_at"]
    assert deck.json("schedule", "run", "nightly")["job_id"]
    assert [run["outcome"] for run in deck.json("schedule", "runs", "nightly")] == ["ran"]
    assert deck.run("schedule", "rm", "nightly").returncode == 0
    assert deck.run("schedule", "get", "nightly").returncode == 4
    assert deck.json("schedule", "ls") == []


def test_a_daemon_is_paused_and_resumed_at_set_times(deck: DeckRunner) -> None:
    rest = ("schedule", "add", "rest", "--cron", "0 22 * * *", "--pause", "toy_talker", "--for", "07:00")
    made = deck.run(*rest)
    assert made.returncode == 0, made.stderr

    assert "pauses toy_talker until 07:00" in deck.run("schedule", "ls").stdout
    assert deck.json("schedule", "edit", "rest", "--resume", "toy_talker")["pause"] is None
    assert deck.run("schedule", "rm", "rest").returncode == 0


@pytest.mark.parametrize(
    "wrong",
    [
        ("add", "x", "--job", "toy_steps"),
        ("add", "x", "--cron", "soon", "--job", "toy_steps"),
        ("add", "x", "--every", "1h"),
        ("add", "x", "--every", "1h", "--job", "toy_steps", "--args", "{"),
        ("preview", "61 * * * *"),
    ],
)
def test_what_makes_no_sense_is_refused(deck: DeckRunner, wrong: tuple[str, ...]) -> None:
    assert deck.run("schedule", *wrong).returncode == 2


def test_a_preview_tells_the_next_times(deck: DeckRunner) -> None:
    seen = deck.run("schedule", "preview", "30 7 * * 1-5", "--zone", "UTC")

    assert seen.stdout.splitlines()[0] == "At 07:30 on Monday through Friday, UTC"
    assert len(seen.stdout.splitlines()) == 6
