"""Work that eats memory or blocks, in a process of its own: one request, a stream of results, the next request."""

import asyncio
import json
import os
import signal
import subprocess
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from daemons.clock import Clock
from daemons.errors import Conflict, ErrorInfo, Invalid
from daemons.subprocess_work.errors import (
    WorkerError,
    WorkerExited,
    WorkerGarbled,
    WorkerHung,
    WorkerKilled,
    WorkerNotStarted,
    WorkerOutOfMemory,
    WorkerTaskFailed,
)
from daemons.subprocess_work.pipes import LastLines, ResultLines
from daemons.subprocess_work.spec import MEBIBYTE, WorkerSpec
from daemons.worker_process import EXIT_OUT_OF_MEMORY, REQUEST_LIMIT, STACK_SIGNAL

_REAP_SECONDS = 2.0
_DRAIN_SECONDS = 0.5


class Worker:
    """One child process; it lives as long as the `async with` and never longer than the manager."""

    def __init__(self, spec: WorkerSpec, clock: Clock) -> None:
        self._spec = spec
        self._clock = clock
        self._started = clock.monotonic()
        self._number = 0
        self._is_busy = False
        self._asks_to_be_replaced = False

        # The process and its pipes.
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: asyncio.WriteTransport | None = None
        self._transports: list[asyncio.BaseTransport] = []
        self._changed = asyncio.Event()
        self._results = ResultLines(self._changed)
        self._stderr = LastLines()

        # Set when the process has ended, its group is killed and it is reaped.
        self._exited = asyncio.Event()

        self.in_hand: str | None = None
        self.memory = 0

    async def __aenter__(self) -> Self:
        self._process = self._spawn()
        _call_on_exit(self._process, self._on_exit)
        try:
            await self._connect(self._process)
        except BaseException:
            await self._end()
            raise
        return self

    async def run(self, request: Any, *, silence: float | None = None) -> AsyncGenerator[Any, None]:
        """Send `request` and yield every result as it comes. Not reading to the end makes the worker unusable."""
        if self._is_busy:
            raise Conflict("The worker has not finished its last request.", code="ERR_WORKER_BUSY")
        if self._has_died():
            raise await self._why_it_ended()
        self._ask(request)
        patience = self._spec.silence if silence is None else silence
        while True:
            match await self._next_message(patience):
                case {"begin": str(item)}:
                    self.in_hand = item
                case {"result": value}:
                    self.in_hand = None
                    yield value
                case {"alive": True}:
                    pass
                case {"done": {"stopped": bool(), "memory": int(memory)} as done}:
                    self.memory = memory
                    self._asks_to_be_replaced = done.get("worn_out") is True
                    self._is_busy = False
                    return
                case {"failed": {"code": str(), "message": str()} as info}:
                    self._is_busy = False
                    raise WorkerTaskFailed(ErrorInfo.from_dict(info), in_hand=self.in_hand, stderr=self._stderr.lines)
                case strange:
                    raise self._error(WorkerGarbled, f"The worker wrote {_excerpt(strange)}, which is not a result.")

    def finish_current(self) -> None:
        """Let the worker finish the item in hand and take no more of this request; `run` then ends as usual."""
        if self._is_busy:
            self._send({"stop": self._number})

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_ready(self) -> bool:
        """Whether the process lives and has no request in hand."""
        return not (self._is_busy or self._has_died())

    @property
    def is_worn_out(self) -> bool:
        """Whether it asks to be replaced, has done enough requests, is old enough or grew large enough for that."""
        return (
            self._asks_to_be_replaced
            or self._number >= self._spec.recycle_requests
            or self._clock.monotonic() - self._started >= self._spec.recycle_seconds
            or self.memory >= self._spec.recycle_memory
        )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    def _has_died(self) -> bool:
        if self._process is None or self._exited.is_set() or self._results.has_ended:
            return True
        # The news of its end may still be on the way through the loop.
        return _waits_to_be_reaped(self._process.pid)

    def _spawn(self) -> subprocess.Popen[bytes]:
        # Here and not in a thread: the kernel's parent-death signal comes when the *thread* that forked ends.
        try:
            return subprocess.Popen(
                self._spec.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                cwd="/",  # a worker must not hold the folder of somebody's removable disk
                env=self._spec.child_environment(),
                start_new_session=True,
            )
        except OSError as error:
            raise WorkerNotStarted(f"{self._spec.command[0]} could not be started: {error.strerror}.") from error

    async def _connect(self, process: subprocess.Popen[bytes]) -> None:
        loop = asyncio.get_running_loop()
        requests, _ = await loop.connect_write_pipe(asyncio.Protocol, process.stdin)
        self._requests = requests
        self._transports.append(requests)
        for protocol, pipe in ((self._results, process.stdout), (self._stderr, process.stderr)):
            transport, _ = await loop.connect_read_pipe(lambda p=protocol: p, pipe)  # type: ignore[misc]
            self._transports.append(transport)

    def _ask(self, request: Any) -> None:
        line = _encode({"id": self._number + 1, "request": request})
        if len(line) > REQUEST_LIMIT:
            raise Invalid(f"A request of {len(line)} bytes is longer than the {REQUEST_LIMIT} a worker takes at once.")
        self._number += 1
        self._is_busy = True
        self.in_hand = None
        assert self._requests is not None
        self._requests.write(line)

    def _send(self, message: dict[str, Any]) -> None:
        if self._requests is not None and not self._requests.is_closing():
            self._requests.write(_encode(message))

    async def _next_message(self, patience: float) -> Any:
        while (line := self._results.take()) is None:
            if self._results.is_too_long:
                raise self._error(WorkerGarbled, "The worker wrote a line that is longer than a result may be.")
            if self._results.has_ended or self._exited.is_set():
                if await self._has_more_to_read():
                    continue
                raise await self._why_it_ended()
            self._changed.clear()
            if not await self._clock.wait(self._changed, patience):
                raise await self._give_up(patience)
        try:
            return json.loads(line)
        except (ValueError, RecursionError) as error:
            raise self._error(WorkerGarbled, f"The worker wrote {_excerpt(line)}, which is not JSON.") from error

    async def _has_more_to_read(self) -> bool:
        # What the process wrote before it ended is still in the pipe, and a grandchild may hold the other end open.
        if self._results.has_ended:
            return False
        self._changed.clear()
        return await self._clock.wait(self._changed, _DRAIN_SECONDS)

    async def _why_it_ended(self) -> WorkerError:
        assert self._process is not None
        if not await self._clock.wait(self._exited, self._spec.grace):
            return self._error(WorkerGarbled, "The worker closed its output and went on running.")
        await self._clock.wait(self._stderr.ended, _DRAIN_SECONDS)
        match self._process.returncode:
            case 0:
                return self._error(WorkerExited, "The worker ended by itself in the middle of its work.")
            case code if code == EXIT_OUT_OF_MEMORY:
                limit = f"{self._spec.memory // MEBIBYTE} MiB" if self._spec.memory else "the memory"
                return self._error(WorkerOutOfMemory, f"The worker needed more than the {limit} it may use.")
            case code if code < 0:
                return self._error(WorkerKilled, f"The worker was killed by signal {_signal_name(-code)}.")
            case code:
                return self._error(WorkerExited, f"The worker ended with exit code {code}.")

    async def _give_up(self, patience: float) -> WorkerError:
        # Before it is killed it is asked where it stands, which its stderr then tells.
        self._stderr.changed.clear()
        self._signal(STACK_SIGNAL, group=False)
        await self._clock.wait(self._stderr.changed, _DRAIN_SECONDS)
        self._signal(signal.SIGKILL)
        await self._clock.wait(self._exited, _REAP_SECONDS)
        await self._clock.wait(self._stderr.ended, _DRAIN_SECONDS)
        return self._error(WorkerHung, f"The worker said nothing for {patience:g} seconds and was killed.")

    def _error(self, kind: type[WorkerError], message: str) -> WorkerError:
        return kind(message, in_hand=self.in_hand, stderr=self._stderr.lines)

    async def _end(self) -> None:
        """Hang up, ask, then force; bounded, whatever the process and its children do."""
        try:
            if self._requests is not None and not self._requests.is_closing():
                self._requests.abort()
            self._signal(signal.SIGTERM)
            await self._clock.wait(self._exited, self._spec.grace)
        finally:
            # Reached on cancellation too; the waiting thread reaps the process even if nobody waits for it here.
            self._signal(signal.SIGKILL)
            self._close_pipes()
        await self._clock.wait(self._exited, _REAP_SECONDS)

    def _close_pipes(self) -> None:
        for transport in self._transports:
            transport.close()
        assert self._process is not None
        pipes = (self._process.stdin, self._process.stdout, self._process.stderr)
        for pipe in pipes[len(self._transports) :]:  # cancelled before a transport took it over
            assert pipe is not None
            pipe.close()

    def _signal(self, number: int, *, group: bool = True) -> None:
        # Until it is reaped, a process that ended still owns its id, so nobody else can be hit.
        if self._process is None or self._process.returncode is not None:
            return
        with suppress(ProcessLookupError, PermissionError):
            (os.killpg if group else os.kill)(self._process.pid, number)

    def _on_exit(self) -> None:
        assert self._process is not None
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._exited.set()
        self._changed.set()


def _call_on_exit(process: subprocess.Popen[bytes], callback: Callable[[], None]) -> None:
    """Have the running loop call `callback` once `process` ended, before it is reaped."""
    loop = asyncio.get_running_loop()

    def wait() -> None:
        # asyncio's own wait() also waits until the last grandchild closed the pipes.
        if hasattr(os, "waitid"):
            with suppress(ChildProcessError):
                os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        else:
            process.wait()
        try:
            loop.call_soon_threadsafe(callback)
        except RuntimeError:  # the loop is closed
            process.wait()

    threading.Thread(target=wait, name=f"worker-{process.pid}", daemon=True).start()


def _waits_to_be_reaped(pid: int) -> bool:
    if not hasattr(os, "waitid"):
        return False
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _encode(message: dict[str, Any]) -> bytes:
    return json.dumps(message, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"


def _excerpt(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 200 else shown[:200] + "…"


def _signal_name(number: int) -> str:
    hint = ", which is also how a machine that runs out of memory ends a process" if number == signal.SIGKILL else ""
    return f"{number} ({signal.strsignal(number)}){hint}"
