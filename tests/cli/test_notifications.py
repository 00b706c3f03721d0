"""`daemondeck notify`: somebody is told, told less, and told no more."""

import pytest

from tests.cli.deck_runner import DeckRunner

pytestmark = pytest.mark.usefixtures("serving")


def test_a_target_lives_from_add_to_rm(deck: DeckRunner) -> None:
    made = deck.run("notify", "add", "hook", "http://127.0.0.1:1/secret", "--webhook", "--quiet-hours", "22:00-07:00")
    assert made.returncode == 0, made.stderr
    assert "secret" not in made.stdout

    changed = deck.json("notify", "edit", "hook", "--errors-wait", "--events", "input,storage")
    assert (changed["errors_at_once"], changed["events"], changed["quiet_from"]) == (
        False,
        ["input", "storage"],
        "22:00",
    )
    assert deck.run("notify", "test", "hook").returncode == 1
    assert [one["outcome"] for one in deck.json("notify", "log")] == ["failed"]
    assert deck.json("notify", "incidents") == []
    assert deck.run("notify", "edit", "hook", "--quiet-hours", "late").returncode == 2
    assert deck.run("notify", "rm", "hook").returncode == 0
    assert deck.json("notify", "ls") == []
