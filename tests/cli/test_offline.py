"""Commands while no deck runs: they act on the data, or say what is missing."""

import json

from tests.cli.deck_runner import DeckRunner


def test_the_database_is_made_checked_and_copied(own_deck: DeckRunner) -> None:
    assert own_deck.json("db", "current")["revision"] is None
    assert own_deck.run("db", "check").returncode == 1
    assert own_deck.run("db", "backup").returncode == 78

    assert own_deck.json("db", "upgrade")["before"] is None
    assert own_deck.run("db", "upgrade").returncode == 0
    assert own_deck.run("db", "check").returncode == 0
    assert own_deck.json("db", "backup")["backup"].endswith(".db")


def test_tokens_are_made_before_the_first_start(own_deck: DeckRunner) -> None:
    secret = own_deck.json("token", "add", "ci", "--role", "viewer")["secret"]
    assert [found["name"] for found in own_deck.json("token", "ls")] == ["ci"]
    assert own_deck.run_alone("token", "add", "ci").returncode == 5
    assert own_deck.run("token", "add", "cd", "--role", "king").returncode == 2

    with own_deck.serving():
        assert own_deck.run("status", "demo", "--token", secret).returncode == 0

    assert own_deck.run("token", "rm", "ci").returncode == 0
    assert own_deck.json("token", "ls") == []


def test_a_token_that_was_never_made_is_told(own_deck: DeckRunner) -> None:
    done = own_deck.run("token")

    assert done.returncode == 4
    assert "daemondeck serve" in done.stderr


def test_settings_are_shown_with_their_sources(own_deck: DeckRunner) -> None:
    done = own_deck.run("config", "show", "-o", "json", DAEMONDECK_DAEMONS__DEMO__PACE="3", DAEMONDECK_PROT="1")

    shown = {setting["name"]: setting for setting in json.loads(done.stdout)}
    assert shown["port"] == {"name": "port", "value": 0, "source": "DAEMONDECK_PORT"}
    assert shown["host"]["source"] == "default"
    assert shown["daemons.demo.pace"] == {
        "name": "daemons.demo.pace",
        "value": "3",
        "source": "DAEMONDECK_DAEMONS__DEMO__PACE",
    }
    assert "DAEMONDECK_PROT" in done.stderr


def test_help_is_for_everybody(own_deck: DeckRunner) -> None:
    for typed in ((), ("--help",), ("jobs", "--help"), ("serve", "-h")):
        done = own_deck.run_alone(*typed)
        assert done.returncode == 0
        assert "Usage" in done.stdout
