"""Decks that need not import everything anew: forked from a process that has, and else processes like any other.

Most of what a deck costs a test is Python reading modules. Each is still a process and a session of its own, with its
own environment, signals, streams and end; `python -m tests.forked` is the process they are forked from.
"""

import atexit
import gc
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from daemons import killpoints
from daemons.clock import SystemClock
from daemons.schema import upgrade

PROJECT = Path(__file__).parent.parent
DATABASE = "daemondeck.db"
_REQUEST_BYTES = 1024 * 1024


def seed(data_dir: Path) -> None:
    """Give a data directory without a database one with empty tables: making them takes a deck longest by far."""
    database = data_dir / DATABASE
    if not database.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(empty_database(), database)


@cache
def empty_database() -> Path:
    """Return a migrated SQLite file to copy."""
    folder = Path(tempfile.mkdtemp(prefix="deck-template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    upgrade(f"sqlite:///{folder / DATABASE}", folder, SystemClock())
    return folder / DATABASE


class ForkedDeck:
    """`daemondeck` with these arguments: the part of `subprocess.Popen` that tests use, and nothing that differs."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path = PROJECT,
        stderr: IO[str] | None = None,
        text: bool = False,
    ) -> None:
        """`stderr`: None means where stdout goes."""
        self.args = arguments
        self.returncode: int | None = None
        output, write_end = os.pipe()
        self.stdout: IO[Any] = os.fdopen(output, encoding="utf-8") if text else os.fdopen(output, "rb")
        self._ended, theirs = socket.socketpair()
        request = json.dumps({"arguments": [*arguments], "env": {**env}, "cwd": str(cwd)}).encode()
        try:
            told = [write_end, write_end if stderr is None else stderr.fileno(), theirs.fileno()]
            socket.send_fds(_forge(), [request], told)
        finally:
            os.close(write_end)
            theirs.close()
        self.pid = int.from_bytes(self._ended.recv(8), "big")

    def poll(self) -> int | None:
        """Return the exit code, minus the signal that ended it, None while it runs."""
        if self.returncode is None and select.select([self._ended], [], [], 0)[0]:
            self._take()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code once the process has ended. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._ended], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self._take()
        assert self.returncode is not None
        return self.returncode

    def communicate(self) -> tuple[Any, None]:
        """Return what else it says on stdout, once it has ended."""
        with self.stdout:
            said = self.stdout.read()
        self.wait()
        return said, None

    def send_signal(self, number: int) -> None:
        """Send a signal unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it without a word."""
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stdout.close()
        self.wait()

    def _take(self) -> None:
        with self._ended:
            self.returncode = int.from_bytes(self._ended.recv(8), "big", signed=True)


@cache
def _forge() -> socket.socket:
    """Return the line to the process that forks, which ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.forked", str(theirs.fileno())],
            cwd=PROJECT,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def _await_request(control: socket.socket) -> tuple[dict[str, Any], int, int]:
    """Fork a process for each request. Returns in these only: what was asked, and where to write."""
    running: dict[int, tuple[int, socket.socket]] = {}
    while True:
        ready, _, _ = select.select([control, *running], [], [])
        for pidfd in ready:
            if pidfd is control:
                continue
            pid, line = running.pop(pidfd)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            with line:
                line.send(code.to_bytes(8, "big", signed=True))
            os.close(pidfd)
        if control not in ready:
            continue
        request, fds, _, _ = socket.recv_fds(control, _REQUEST_BYTES, 3)
        if not request:
            for pid, _line in running.values():
                os.kill(pid, signal.SIGKILL)
            sys.exit()
        output, complaints, end = fds
        if (pid := os.fork()) == 0:
            os.closerange(3, min(output, complaints))
            return json.loads(request), output, complaints
        line = socket.socket(fileno=end)
        line.send(pid.to_bytes(8, "big"))
        running[os.pidfd_open(pid)] = pid, line
        os.close(output)
        os.close(complaints)


def _become(request: dict[str, Any], output: int, complaints: int) -> None:
    """Be what `python -m daemons` would be at its first line."""
    os.setsid()
    os.dup2(output, 1)
    os.dup2(complaints, 2)
    os.closerange(3, 1024)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    time.tzset()
    killpoints.arm(os.environ.get(killpoints.VARIABLE, ""))
    further = request["env"].get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [path for path in further if path and path not in sys.path]
    sys.argv = ["daemondeck", *request["arguments"]]
    # Made anew: whether those that are there can seek was found out of other files.
    sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", closefd=False)


def main() -> None:
    """Import what a deck does, then fork."""
    from daemons.cli import importing
    from daemons.cli import main as deck

    with importing():
        import daemons.cli.app
        import daemons.cli.serve
        import daemons.schema
        import daemons.service
        import daemons.workflows.describe
        import daemons.workflows.polling

        assert daemons.workflows.describe.workflow and daemons.workflows.polling.workflow
    gc.collect()
    gc.freeze()
    _become(*_await_request(socket.socket(fileno=int(sys.argv[1]))))
    deck()


if __name__ == "__main__":
    main()
