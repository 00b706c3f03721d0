"""The inside of a worker process: requests come in on stdin, results go out on stdout, one JSON value a line.

    manager → worker    {"id": 3, "request": …}    {"stop": 3}
    worker → manager    {"begin": "item"}  {"result": …}  {"alive": true}  then {"done": …} or {"failed": …}

"done" also says how much memory is in use, and whether the worker asks to be replaced.

A worker imports this before anything else, so it stays light. `daemons.subprocess_work` is the other end.
"""

import ctypes
import faulthandler
import json
import os
import queue
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from daemons.errors import ErrorInfo, Invalid

LINE_LIMIT = 1024 * 1024
REQUEST_LIMIT = 16 * 1024 * 1024

PARENT_VARIABLE = "DAEMONDECK_WORKER_PARENT"
MEMORY_VARIABLE = "DAEMONDECK_WORKER_MEMORY"

EXIT_ORPHANED = 76
EXIT_OUT_OF_MEMORY = 77

# Asks a worker that fell silent to write where it stands to stderr, even from within a library that never returns.
STACK_SIGNAL = signal.SIGUSR1

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Begin:
    """The named item is in hand from here on: if the process dies now, it was this one."""

    item: str


@dataclass(frozen=True, slots=True)
class Result:
    """One finished piece of the answer, sent at once."""

    value: Any


@dataclass(frozen=True, slots=True)
class Alive:
    """A long step is still going on."""


@dataclass(frozen=True, slots=True)
class WornOut:
    """A new process should do the rest: the request ends here, and the worker is not lent again."""


Message = Begin | Result | Alive | WornOut
Handler = Callable[[Any], Iterable[Message]]


def serve(handle: Handler) -> NoReturn:
    """Answer requests one by one with what `handle` yields, until the manager hangs up, dies or sends SIGTERM."""
    _die_with_parent()
    _limit_resources()
    faulthandler.enable()
    faulthandler.register(STACK_SIGNAL, all_threads=True)
    _Server(handle).run()


class _Server:
    def __init__(self, handle: Handler) -> None:
        self._handle = handle
        self._output = _take_stdout()
        self._requests: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        self._current: int | None = None
        self._stop_before = 0
        self._terminated = False
        self._is_worn_out = False

    def run(self) -> NoReturn:
        signal.signal(signal.SIGTERM, self._on_sigterm)
        threading.Thread(target=self._listen, name="requests", daemon=True).start()
        while not self._terminated:
            number, request = self._requests.get()
            self._current = number
            self._answer(request)
            self._current = None
        os._exit(0)

    def _answer(self, request: Any) -> None:
        try:
            stopped = self._send_answer(request)
            self._send({"done": {"stopped": stopped, "memory": memory_in_use(), "worn_out": self._is_worn_out}})
        except MemoryError:
            # After a failed allocation nothing in here is certain, not even that the error can be put into words.
            os._exit(EXIT_OUT_OF_MEMORY)
        except Exception as error:  # noqa: BLE001 - the worker's own loop: one bad request is not the end of the process
            self._send({"failed": ErrorInfo.of(error).as_dict()})

    def _send_answer(self, request: Any) -> bool:
        has_item = False
        for message in self._handle(request):
            match message:
                # The handler waits at this yield, so leaving here leaves the item untouched.
                case Begin() if self._is_stopping:
                    return True
                case Alive() if self._is_stopping and not has_item:
                    return True
                case Begin(item):
                    has_item = True
                    self._send({"begin": item})
                case Result(value):
                    has_item = False
                    self._send({"result": value})
                case Alive():
                    self._send({"alive": True})
                case WornOut():
                    self._is_worn_out = True
                    return False
        return False

    @property
    def _is_stopping(self) -> bool:
        return self._terminated or (self._current is not None and self._current <= self._stop_before)

    def _on_sigterm(self, _signal: int, _frame: object) -> None:
        # A service manager may signal the whole group: the item in hand is still finished, and reported.
        self._terminated = True
        if self._current is None:
            os._exit(0)

    def _listen(self) -> NoReturn:
        with os.fdopen(0, "rb", closefd=False) as requests:
            while line := requests.readline(REQUEST_LIMIT):
                message = json.loads(line)
                if "stop" in message:
                    self._stop_before = message["stop"]
                else:
                    self._requests.put((message["id"], message["request"]))
        # The manager hung up or is gone: nobody will read another result.
        os._exit(0 if self._current is None else EXIT_ORPHANED)

    def _send(self, message: dict[str, Any]) -> None:
        line = json.dumps(message, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"
        if len(line) > LINE_LIMIT:
            raise Invalid(f"A result of {len(line)} bytes is longer than the {LINE_LIMIT} a worker may send at once.")
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[os.write(self._output, rest) :]
        except BrokenPipeError:
            os._exit(EXIT_ORPHANED)


def _take_stdout() -> int:
    """Keep the real stdout for results and let whatever a library prints land on stderr."""
    output = os.dup(1)
    os.dup2(2, 1)
    return output


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The parent may have died before the line above: then no signal ever comes.
    parent = os.environ.get(PARENT_VARIABLE)
    if parent and os.getppid() != int(parent):
        os._exit(EXIT_ORPHANED)


def _limit_resources() -> None:
    # A crash must not write the user's pictures into a core file.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory := os.environ.get(MEMORY_VARIABLE):
        # Linux counts what the process allocates itself; the address space would count mapped libraries too.
        kind = resource.RLIMIT_DATA if sys.platform == "linux" else resource.RLIMIT_AS
        _, highest = resource.getrlimit(kind)
        wanted = int(memory) if highest == resource.RLIM_INFINITY else min(int(memory), highest)
        resource.setrlimit(kind, (wanted, wanted))
    try:
        # When the machine itself runs out, the kernel shall take the worker and not the manager.
        Path("/proc/self/oom_score_adj").write_text("500")
    except OSError:
        return


def memory_in_use() -> int:
    """Return the resident memory of this process in bytes (elsewhere than on Linux: the most it ever had)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return pages * resource.getpagesize()
