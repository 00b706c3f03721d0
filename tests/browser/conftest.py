"""A real Chromium, and a deck in a process of its own that tests may kill."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


class Deck:
    """The deck under test: its address, its life and what it shows. Starts once, may be killed and started again."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, path: str = "/daemons") -> str:
        return f"http://127.0.0.1:{self.port}/deck{path}"

    def start(self) -> None:
        """Return once it listens."""
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("stage_app.py")), str(self.port)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it without a word to anybody. Safe to call twice."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def ask(self, do: str, **fields: Any) -> list[str]:
        """Change what it shows; returns the commands that browsers have sent."""
        body = json.dumps({"do": do, **fields}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/stage", body, method="POST")
        with urllib.request.urlopen(request, timeout=5) as answer:
            return list(json.load(answer))


@pytest.fixture
def deck() -> Iterator[Deck]:
    running = Deck()
    running.start()
    yield running
    running.kill()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        # Playwright switches the back/forward cache off; people have it on.
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=ARGUMENTS, ignore_default_args=["--disable-back-forward-cache"]
        )
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page on which no script may fail and nothing may break the Content-Security-Policy."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda message: faults.extend(_policy_breach(message)))
    yield opened
    context.close()
    assert faults == []


def _policy_breach(message: ConsoleMessage) -> list[str]:
    return [message.text] if "Content Security Policy" in message.text else []
