"""`daemondeck` as a person runs it: processes of their own, on a data directory of their own."""

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from daemons.cli.app import run
from tests.forked import PROJECT, ForkedDeck

SECONDS = 30.0


class DeckRunner:
    """Runs commands against one data directory, and the deck on it."""

    def __init__(self, home: Path, **variables: str) -> None:
        self.data_dir = home / "my data"
        self._home = home
        self._variables = variables

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DAEMONDECK_", "XDG_"))}
        ours = {
            "HOME": str(self._home),
            "PYTHONPATH": str(PROJECT),
            "DAEMONDECK_DATA_DIR": str(self.data_dir),
            "DAEMONDECK_PLUGINS": "tests.cli.toys",
            "DAEMONDECK_PORT": "0",
        }
        return {**kept, **ours, **self._variables}

    def run(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end, in this process: most of a command's time is Python's own start."""
        output, complaints = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(complaints):
            for name in os.environ.keys() - self.environment.keys():
                patch.delenv(name)
            for name, value in {**self.environment, **variables}.items():
                patch.setenv(name, value)
            patch.chdir(self._home)
            code = run(arguments)
        return subprocess.CompletedProcess(arguments, code, output.getvalue(), complaints.getvalue())

    def run_alone(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end, in a process of its own."""
        return subprocess.run(
            [sys.executable, "-m", "daemons", *arguments],
            env={**self.environment, **variables},
            cwd=self._home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def json(self, *arguments: str) -> Any:
        """Run a command that succeeds and return its result."""
        done = self.run(*arguments, "-o", "json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def popen(self, *arguments: str, **variables: str) -> ForkedDeck:
        """Start a command and leave it running."""
        with (self._home / f"{arguments[0]}.stderr").open("a") as complaints:
            environment = {**self.environment, **variables}
            return ForkedDeck(arguments, env=environment, cwd=self._home, stderr=complaints, text=True)

    @contextmanager
    def serving(self, *arguments: str, **variables: str) -> Iterator["Serving"]:
        """Serve the deck until the context ends; it is killed if it is still there."""
        with self.popen("serve", *arguments, **variables) as process:
            try:
                yield Serving(process, self)
            finally:
                process.kill()

    @contextmanager
    def watching(self, target: str, *wanted: str) -> Iterator[str]:
        """Watch the progress of `target` until all that is wanted was told, and yield what was told."""
        with self.popen("progress", target, "--watch", "0.2") as process:
            try:
                told = ""
                while not all(words in told for words in wanted):
                    line = process.stdout.readline()
                    assert line, f"{wanted} was not told, but {told}"
                    told += line
                told += process.stdout.readline()
                yield told
            finally:
                process.kill()

    def log_of(self, command: str) -> str:
        """Return what `command` said on stderr."""
        return (self._home / f"{command}.stderr").read_text("utf-8")


class Serving:
    """A deck that has told where it is."""

    def __init__(self, process: ForkedDeck, deck: DeckRunner) -> None:
        self.process = process
        self.greeting = process.stdout.readline()
        found = re.search(r"(http://[^/\s]+)", self.greeting)
        assert found, f"the deck did not start: {process.wait()} {deck.log_of('serve')}"
        self.url = found[1]
        self.link = process.stdout.readline().split()[-1]
