"""`daemondeck user`: the same whether a deck runs or not, and no password on any command line."""

import io

import pytest

from tests.cli.deck_runner import DeckRunner

GOOD = "rain on a tin roof"
OTHER = "nine quiet herons"


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Return what pipes one line into the next command."""
    return lambda line: monkeypatch.setattr("sys.stdin", io.StringIO(line + "\n"))


def test_people_are_kept_with_a_deck_and_without(own_deck: DeckRunner, say) -> None:  # type: ignore[no-untyped-def]
    say(GOOD)
    added = own_deck.json("user", "add", "Ana", "--role", "admin")
    assert (added["name"], added["role"], added["has_password"]) == ("ana", "admin", True)
    say("password1")
    assert own_deck.run("user", "add", "bo").returncode == 2
    assert own_deck.run("user", "rm", "ana").returncode == 5

    with own_deck.serving():
        say(OTHER)
        assert own_deck.json("user", "add", "bo")["role"] == "viewer"
        assert own_deck.json("user", "role", "bo", "operator")["role"] == "operator"
        say(OTHER + "!")
        assert own_deck.run("user", "reset-password", "bo").returncode == 0
        assert [user["name"] for user in own_deck.json("user", "ls")] == ["ana", "bo"]
        assert own_deck.run("user", "rm", "ana").returncode == 5
        assert own_deck.json("user", "me")["kind"] == "program"
        assert own_deck.json("user", "sessions") == []
        assert own_deck.run("user", "sign-out", "--all").returncode == 0
        assert own_deck.run("user", "sign-out", "no-such-session").returncode == 4
        assert "code=" in own_deck.run("token", "link", "--role", "viewer").stdout

    assert own_deck.run("user", "rm", "bo").returncode == 0
    say(OTHER)
    assert own_deck.run("user", "reset-password", "ana").returncode == 0
    assert own_deck.run("user", "reset-password", "nobody").returncode == 4
    assert own_deck.run("user", "role", "ana", "king").returncode == 2
    assert own_deck.json("user", "sessions") == []
