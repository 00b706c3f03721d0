"""Requirement 19: no GET changes state; a viewer sees no buttons and gets 403; reset works on the host.

The first two are in browser/test_requirement_19_sign_in.py.
"""

import subprocess
import sys
from pathlib import Path

import httpx2

from tests.cli.deck_runner import DeckRunner

GOOD = "rain on a tin roof"
OTHER = "nine quiet herons"


def typed(host: DeckRunner, line: str, *arguments: str) -> int:
    """Run a command that is told one line, and return its exit code."""
    command = [sys.executable, "-m", "daemons", *arguments]
    return subprocess.run(
        command, env=host.environment, input=line + "\n", text=True, timeout=30, check=False
    ).returncode


def test_reset_works_on_the_host(tmp_path: Path) -> None:
    host = DeckRunner(tmp_path)
    assert typed(host, GOOD, "user", "add", "ana", "--role", "admin") == 0
    assert typed(host, OTHER, "user", "reset-password", "ana") == 0

    with host.serving() as serving, httpx2.Client(base_url=serving.url, trust_env=False) as browser:
        browser.headers["Origin"] = serving.url
        answers = [browser.post("/signin", data={"name": "ana", "password": word}) for word in (GOOD, OTHER)]
        link = host.run_alone("token", "link").stdout

    assert [answer.status_code for answer in answers] == [401, 303]
    assert "/signin?code=" in link
