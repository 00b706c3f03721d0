"""How commands behave where people and scripts put them: terminals, pipes, interruptions."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from daemons.cli.commands import PLACES
from tests.cli.deck_runner import SECONDS, DeckRunner, Serving
from tests.forked import PROJECT

HEAVY = {"pydantic", "sqlalchemy", "starlette", "textual", "httpx2", "websockets", "structlog", "psutil", "web"}


@pytest.fixture(scope="module", autouse=True)
def served(deck: DeckRunner) -> Iterator[Serving]:
    with deck.serving() as serving:
        yield serving


def test_help_loads_nothing_that_it_does_not_need() -> None:
    asked = f"""
import sys
from daemons.cli.app import run
run(["--help"])
print(*({HEAVY} & sys.modules.keys()), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", asked], cwd=PROJECT, capture_output=True, text=True, check=True)

    assert all(word in done.stdout for word in PLACES)
    assert done.stderr.split() == []


def test_a_command_loads_none_of_the_others() -> None:
    asked = """
import sys
from daemons.cli.app import run
run(["serve", "--help"])
print(*(name for name in sys.modules if name.startswith("daemons.cli.")), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", asked], cwd=PROJECT, capture_output=True, text=True, check=True)

    loaded = set(done.stderr.split())
    assert "daemons.cli.serve" in loaded
    assert {f"daemons.cli.{place.module}" for place in PLACES.values()} & loaded == {"daemons.cli.serve"}


@pytest.mark.parametrize("typed", [("events", "-f"), ("progress", "--watch", "1", "demo"), ("status", "--watch")])
def test_who_interrupts_is_not_told_how_it_was_made(deck: DeckRunner, typed: tuple[str, ...]) -> None:
    with deck.popen(*typed) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)

        assert process.wait(timeout=SECONDS) == 130
    assert "Traceback" not in deck.log_of(typed[0])


@pytest.mark.parametrize("typed", ["events", "types -o json", "--help", "config export"])
def test_a_reader_that_had_enough_is_no_failure(deck: DeckRunner, typed: str) -> None:
    line = f"set -o pipefail; {sys.executable} -m daemons {typed} | true"
    done = subprocess.run(
        ["bash", "-c", line],
        env=deck.environment,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_without_colours_gets_none(deck: DeckRunner, variables: dict[str, str]) -> None:
    ours, theirs = pty.openpty()
    environment = {**deck.environment, "TERM": "xterm-256color", **variables}
    with subprocess.Popen(
        [sys.executable, "-m", "daemons", "status"],
        env=environment,
        cwd=PROJECT,
        stdout=theirs,
        stdin=subprocess.DEVNULL,
    ) as process:
        os.close(theirs)
        told = b"".join(_chunks(ours))
        assert process.wait(timeout=SECONDS) == 0
    os.close(ours)

    assert b"demo" in told
    assert b"\x1b[3" not in told


def _chunks(number: int) -> Iterator[bytes]:
    """Yield what a terminal was sent; its end is an error on Linux."""
    while True:
        try:
            chunk = os.read(number, 65_536)
        except OSError:
            return
        if not chunk:
            return
        yield chunk


def test_who_watches_is_told_when_the_deck_is_gone_and_when_it_is_back(own_deck: DeckRunner) -> None:
    with own_deck.serving() as serving:
        watching = own_deck.popen("status", "--watch", "demo")
        assert watching.stdout.readline() == "demo  stopped  -\n"
        serving.process.kill()
        serving.process.wait()

        with own_deck.serving("--port", serving.url.rpartition(":")[2]):
            # The row is told anew once the connection is.
            assert watching.stdout.readline() == "demo  stopped  -\n"
        watching.kill()
        watching.communicate()
    gone, back = own_deck.log_of("status").splitlines()[:2]
    assert gone.startswith("-- no connection since 20")
    assert back == "-- connected again --"
