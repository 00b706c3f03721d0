"""`daemondeck user`: the same whether a deck runs or not, and no password on any command line."""

import io
from collections.abc import Iterator
from contextlib import suppress
from os import getuid
from pathlib import Path

import httpx2
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


def own_command_lines() -> Iterator[bytes]:
    """Yield the command line of every process of this user."""
    for folder in Path("/proc").glob("[0-9]*"):
        # Processes come and go while they are looked at.
        with suppress(OSError):
            if folder.stat().st_uid == getuid():
                yield (folder / "cmdline").read_bytes()


def test_a_password_is_nowhere_but_in_the_head(own_deck: DeckRunner, say) -> None:  # type: ignore[no-untyped-def]
    canary = "canary under the roof"
    with own_deck.serving(DAEMONDECK_LOG_LEVEL="debug") as serving:
        say(canary)
        assert own_deck.run("user", "add", "ana", "-v").returncode == 0
        with httpx2.Client(base_url=serving.url, headers={"Origin": serving.url}, trust_env=False) as browser:
            answers = [
                browser.post("/signin", data={"name": "ana", "password": password})
                for password in (canary + "!", canary)
            ]
            answers += [browser.get("/people"), browser.get("/api/me"), browser.get(f"/jobs?password={canary}")]
        commands = list(own_command_lines())
        serving.process.terminate()
        serving.process.wait(timeout=10)

    assert [answer.status_code for answer in answers] == [401, 303, 200, 200, 403]
    assert all(canary not in answer.text for answer in answers)
    assert canary.encode() not in b"".join(commands)
    assert canary not in own_deck.log_of("serve")
    for file in own_deck.data_dir.rglob("*"):
        assert not file.is_file() or canary.encode() not in file.read_bytes(), file
