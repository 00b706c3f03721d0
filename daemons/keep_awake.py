"""Keeps the machine from falling asleep while work runs that nobody watches, by the tool of the platform.

The tool runs `cat` and holds the machine awake for as long as that runs; `cat` ends with the pipe that feeds it. So
however this process ends, kill -9 included, the machine may sleep again. A line that comes back says that it holds.
"""

import asyncio
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self, cast

from daemons.clock import Clock
from daemons.text import clean

TOOLS: Mapping[str, tuple[str, ...]] = {
    # Asked of the system's own bus, so it works in a service too, where no desktop runs.
    "linux": ("systemd-inhibit", "--what=sleep:idle", "--mode=block", "--who=Daemondeck", "--why=Work is running"),
    "darwin": ("caffeinate", "-i"),
}
LINGER = 300.0
"""Seconds for which the machine is kept awake after the last job: the next one may wait for a rest to end."""
AGAIN_SECONDS = 60.0
"""Seconds until a tool that failed is tried again."""
_ANSWER_SECONDS = 5.0
_END_SECONDS = 2.0
_COMPLAINT_BYTES = 4096
_TOOL_SEES = ("DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS", "HOME", "LANG", "PATH", "XDG_RUNTIME_DIR")


@dataclass(frozen=True, slots=True)
class Wakefulness:
    """Whether the machine is kept awake, by which tool, for which work; or why that cannot be."""

    holds: bool
    tool: str | None
    needed_for: tuple[str, ...]
    problem: str | None

    def __str__(self) -> str:
        work = ", ".join(self.needed_for)
        if self.holds:
            return f"yes, by {self.tool}, for {work or 'what may go on soon'}"
        if self.problem:
            return f"cannot: {self.problem}"
        return f"not yet, for {work}" if work else "no, nothing needs it"


class KeepAwake:
    """Holds the machine awake, from enter to exit, whenever anything needs it."""

    def __init__(
        self, clock: Clock, *, is_allowed: bool = True, platform: str = sys.platform, linger: float = LINGER
    ) -> None:
        self._clock = clock
        self._command = TOOLS.get(platform)
        self._linger = linger
        self._needed_for: Counter[str] = Counter()
        self._changed = asyncio.Event()
        self._holds = False
        self._is_allowed = is_allowed
        self._problem = self._why_not(platform)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._is_allowed and self._command:
            self._task = asyncio.create_task(self._watch(self._command), name="keep awake")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    @contextmanager
    def during(self, work: str) -> Iterator[None]:
        """Keep the machine awake for `work` until the block ends. Blocks count: the last one to end lets go."""
        self._needed_for[work] += 1
        self._changed.set()
        try:
            yield
        finally:
            self._needed_for[work] -= 1
            self._changed.set()

    @property
    def state(self) -> Wakefulness:
        """How it stands now."""
        tool = self._command[0] if self._command else None
        return Wakefulness(self._holds, tool, tuple(sorted(+self._needed_for)), self._problem)

    def _why_not(self, platform: str) -> str | None:
        if not self._is_allowed:
            return "the setting keep_awake is off"
        if not self._command:
            return f"no tool for it is known on {platform}"
        if shutil.which(self._command[0]) is None:
            return f"{self._command[0]} is not installed"
        return None

    async def _watch(self, command: tuple[str, ...]) -> None:
        while True:
            self._changed.clear()
            if not +self._needed_for:
                await self._changed.wait()
                continue
            self._problem = await self._hold(command)
            if self._problem:
                await self._clock.sleep(AGAIN_SECONDS)

    async def _hold(self, command: tuple[str, ...]) -> str | None:
        """Return once the machine need not be kept awake any more, or why it cannot be."""
        loop, seen = asyncio.get_running_loop(), {name: os.environ[name] for name in _TOOL_SEES if name in os.environ}
        try:
            transport, tool = await loop.subprocess_exec(
                lambda: _Tool(self._changed), *command, "cat", env=seen, start_new_session=True
            )
        except OSError as error:
            missing = isinstance(error, FileNotFoundError)
            return f"{command[0]} {'is not installed' if missing else f'could not be started: {error.strerror}'}"
        pipe = cast(asyncio.WriteTransport, transport.get_pipe_transport(0))
        try:
            pipe.write(b"\n")
            if not await self._clock.wait(tool.answered, _ANSWER_SECONDS):
                return f"{command[0]} does not answer"
            if not tool.has_ended:
                self._holds, self._problem = True, None
                await self._until_over(tool)
            return f"{command[0]}: {await self._last_words(tool)}" if tool.has_ended else None
        finally:
            self._holds = False
            pipe.close()
            try:
                if not await self._clock.wait(tool.ended, _END_SECONDS):
                    with suppress(ProcessLookupError):
                        transport.kill()
                    # Else nobody would be left to take note of its end.
                    await self._clock.wait(tool.ended, _END_SECONDS)
            finally:
                transport.close()

    async def _until_over(self, tool: "_Tool") -> None:
        while not tool.has_ended:
            self._changed.clear()
            if +self._needed_for:
                await self._changed.wait()
            elif not await self._clock.wait(self._changed, self._linger):
                return

    async def _last_words(self, tool: "_Tool") -> str:
        await self._clock.wait(tool.fell_silent, _END_SECONDS)
        said = tool.complaints.decode("utf-8", "replace").strip().splitlines()
        return clean(said[-1], 200) if said else "it ended by itself"


class _Tool(asyncio.SubprocessProtocol):
    """The tool while it runs. Its end is seen even where the `cat` it started holds its pipes open."""

    def __init__(self, changed: asyncio.Event) -> None:
        self._changed = changed
        self.answered = asyncio.Event()
        """Set when the line came back, or never will."""
        self.ended = asyncio.Event()
        self.fell_silent = asyncio.Event()
        self.complaints = bytearray()

    @property
    def has_ended(self) -> bool:
        return self.ended.is_set()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 1:
            self.answered.set()
        elif len(self.complaints) < _COMPLAINT_BYTES:
            self.complaints += data

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 2:
            self.fell_silent.set()

    def process_exited(self) -> None:
        for event in (self.ended, self.answered, self._changed):
            event.set()
