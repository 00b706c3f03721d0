"""ux.md requirement 17, API and CLI equal to the UI.

Every button shows its API call and command ("copy as CLI"); scoped tokens; export/import of configuration as TOML.
Test: CI compares routes, OpenAPI and CLI coverage (tests/web/test_parity.py compares all of them); here the lines that
are shown are typed into a shell, against a served deck.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.deck_runner import SECONDS, DeckRunner, Serving
from web.api.calls import Call
from web.app import CALLS
from web.copies import command_line, curl_line

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="the lines are curl's")
BY_NAME = {f"{call.method} {call.path}": call for call in CALLS}
ONE = "/api/daemons/{name}"
CHANGING = {
    "revision",
    "status_updated_at",
    "last_heartbeat",
    "next_wake_at",
    "until",
    "beat_at",
    "cpu_seconds",
    "memory",
}


@pytest.fixture(scope="module")
def deck(tmp_path_factory: pytest.TempPathFactory) -> DeckRunner:
    return DeckRunner(tmp_path_factory.mktemp("equal"))


@pytest.fixture(scope="module")
def serving(deck: DeckRunner) -> Iterator[Serving]:
    with deck.serving() as serving:
        yield serving


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


@pytest.mark.parametrize(
    "name",
    [
        "GET /api/daemons",
        f"GET {ONE}",
        f"GET {ONE}/options",
        f"GET {ONE}/history",
        "GET /api/jobs",
        "GET /api/jobs/{id}",
        "GET /api/types",
        "GET /api/workers",
    ],
)
def test_what_is_shown_is_what_is_called_and_what_is_commanded(
    deck: DeckRunner, serving: Serving, tmp_path: Path, name: str
) -> None:
    job_id = deck.run("jobs", "new", "toy_steps", "--key", "one for all").stdout.strip()
    deck.json("run", "toy_talker", "--wait", "--timeout", "20")
    call, names = BY_NAME[name], {"name": "toy_talker", "id": job_id}

    called = json.loads(typed(deck, tmp_path, curl_line(call, serving.url, **names) + " -s"))
    commanded = json.loads(typed(deck, tmp_path, f"{command_line(call, **names)} -o json"))

    shown = called.get("items", called)
    # `status NAME` takes several names, so it answers a list.
    expected = [shown] if isinstance(commanded, list) and isinstance(shown, dict) else shown
    assert without_what_moves(commanded) == without_what_moves(expected)


@pytest.mark.parametrize("way", ["curl", "command"])
def test_each_button_of_a_daemon_does_the_same_when_copied(
    deck: DeckRunner, serving: Serving, tmp_path: Path, way: str
) -> None:
    def press(call: Call) -> None:
        line = (
            curl_line(call, serving.url, name="toy_talker") if way == "curl" else command_line(call, name="toy_talker")
        )
        assert line is not None
        typed(deck, tmp_path, line)

    def is_so(state: str) -> bool:
        return deck.run("wait", "toy_talker", "--for", state, "--timeout", "20").returncode == 0

    deck.run("stop", "toy_talker")
    press(BY_NAME[f"POST {ONE}/start"])
    assert is_so("running")
    press(BY_NAME[f"POST {ONE}/pause"])
    assert is_so("done")
    assert deck.json("status", "toy_talker")[0]["desired"] == "paused"
    press(BY_NAME[f"POST {ONE}/resume"])
    assert is_so("running")
    press(BY_NAME[f"POST {ONE}/stop"])
    assert is_so("done")


def test_a_token_may_do_what_its_role_may(deck: DeckRunner, serving: Serving, tmp_path: Path) -> None:
    secret = deck.json("token", "add", "onlooker", "--role", "viewer")["secret"]
    start = curl_line(BY_NAME[f"POST {ONE}/start"], serving.url, name="demo")
    look = curl_line(BY_NAME[f"GET {ONE}"], serving.url, name="demo")

    assert json.loads(typed(deck, tmp_path, look + " -s", secret))["name"] == "demo"
    assert json.loads(typed(deck, tmp_path, start + " -s", secret))["error"]["code"] == "ERR_VIEWER"


def test_a_name_of_many_words_is_one_word_of_the_line() -> None:
    call = BY_NAME["POST /api/jobs"]

    assert command_line(call, type="a b; rm -rf ~") == "daemondeck jobs new 'a b; rm -rf ~'"
    assert command_line(BY_NAME[f"PATCH {ONE}"], name="demo") == "daemondeck config set demo OPTION=VALUE"
    stop = curl_line(BY_NAME[f"POST {ONE}/stop"], "http://127.0.0.1:8420", {"mode": "drain"}, name="a/b'c")
    assert shlex.split(stop)[3:6] == ["http://127.0.0.1:8420/api/daemons/a%2Fb%27c/stop", "--json", '{"mode": "drain"}']
