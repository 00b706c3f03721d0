"""ux.md requirement 17, API and CLI equal to the UI.

Every button shows its API call and command ("copy as CLI"); scoped tokens; export/import of configuration as TOML.
Test: CI compares routes, OpenAPI and CLI coverage (tests/web/test_parity.py compares all of them); here the lines that
a daemon's page shows are copied from it and typed into a shell, against a served deck.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest

from tests.cli.deck_runner import SECONDS, DeckRunner, Serving

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="the lines are curl's")
NAME = "toy_talker"
CHANGING = {"revision", "status_updated_at", "last_heartbeat", "next_wake_at"}


class Lines(NamedTuple):
    """What the page shows for one call."""

    command: str
    curl: str


@pytest.fixture(scope="module")
def deck(tmp_path_factory: pytest.TempPathFactory) -> DeckRunner:
    return DeckRunner(tmp_path_factory.mktemp("equal"))


@pytest.fixture(scope="module")
def serving(deck: DeckRunner) -> Iterator[Serving]:
    with deck.serving() as serving:
        yield serving


@pytest.fixture(scope="module")
def shown(deck: DeckRunner, serving: Serving) -> dict[str, Lines]:
    """Return the lines on the daemon's page by method and what follows the daemon's name: "POST start"."""
    token = (deck.data_dir / "token").read_text().strip()
    page = httpx2.get(
        f"{serving.url}/daemons/{NAME}/api", headers={"Authorization": f"Bearer {token}"}, trust_env=False
    )
    assert page.status_code == 200
    codes = {
        kind: unescape(code) for kind, code in re.findall(r'<code id="([a-z]+-\d+)">(.*?)</code>', page.text, re.S)
    }
    found: dict[str, Lines] = {}
    for kind, curl in codes.items():
        if kind.startswith("curl-"):
            words = shlex.split(curl)
            method = words[words.index("-X") + 1] if "-X" in words else "GET"
            what = words[-1].partition(f"/api/daemons/{NAME}")[2].strip("/")
            found[f"{method} {what}".strip()] = Lines(codes[kind.replace("curl", "command")], curl)
    return found


def typed(deck: DeckRunner, folder: Path, line: str, token: str | None = None) -> str:
    """Type a line into a shell in which the program and a token are at hand, and return what it printed."""
    program = folder / "daemondeck"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m daemons "$@"\n')
    program.chmod(0o700)
    environment = {
        **deck.environment,
        "PATH": f"{folder}:{os.environ['PATH']}",
        "DAEMONDECK_TOKEN": token or (deck.data_dir / "token").read_text().strip(),
        "no_proxy": "*",
    }
    done = subprocess.run(
        ["/bin/sh", "-c", line], env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert "ERR_" not in done.stderr, done.stderr
    return done.stdout


def without_what_moves(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_what_moves(one) for name, one in value.items() if name not in CHANGING}
    return [without_what_moves(one) for one in value] if isinstance(value, list) else value


def test_everything_a_daemon_can_be_asked_is_shown(shown: dict[str, Lines]) -> None:
    commands = {f"POST {word}" for word in ("start", "stop", "restart", "pause", "resume", "wake", "reset")}

    assert {"GET", "PATCH", "DELETE", "GET logs", "GET history", "GET options", "GET stack", *commands} <= shown.keys()


@pytest.mark.parametrize("name", ["GET", "GET options", "GET history", "GET logs"])
def test_what_is_called_is_what_is_commanded(
    deck: DeckRunner, shown: dict[str, Lines], tmp_path: Path, name: str
) -> None:
    deck.run("run", NAME, "--wait", "--timeout", "20")
    lines = shown[name]

    called = json.loads(typed(deck, tmp_path, lines.curl + " -s"))
    commanded = json.loads(typed(deck, tmp_path, lines.command + " -o json"))

    answer = called.get("items", called)
    # `status NAME` takes several names, so it answers a list.
    expected = [answer] if isinstance(answer, dict) else answer
    assert without_what_moves(commanded) == without_what_moves(expected)


@pytest.mark.parametrize("way", Lines._fields)
def test_each_button_of_a_daemon_does_the_same_when_copied(
    deck: DeckRunner, shown: dict[str, Lines], tmp_path: Path, way: str
) -> None:
    def press(button: str) -> None:
        typed(deck, tmp_path, getattr(shown[f"POST {button}"], way))

    def is_so(state: str) -> bool:
        return deck.run("wait", NAME, "--for", state, "--timeout", "20").returncode == 0

    deck.run("stop", NAME)
    press("start")
    assert is_so("running")
    press("pause")
    assert is_so("done")
    assert deck.json("status", NAME)[0]["desired"] == "paused"
    press("resume")
    assert is_so("running")
    press("stop")
    assert is_so("done")


def test_a_token_may_do_what_its_role_may(deck: DeckRunner, shown: dict[str, Lines], tmp_path: Path) -> None:
    secret = deck.json("token", "add", "onlooker", "--role", "viewer")["secret"]

    assert json.loads(typed(deck, tmp_path, shown["GET"].curl + " -s", secret))["name"] == NAME
    assert json.loads(typed(deck, tmp_path, shown["POST start"].curl + " -s", secret))["error"]["code"] == "ERR_VIEWER"
