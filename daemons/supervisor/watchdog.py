"""A thread that notices when the event loop does not turn, and sees on which line it stands.

Everything else of the engine lives on the loop and is blind while one daemon computes or calls `time.sleep`.
"""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from daemons.clock import Clock, SystemClock
from daemons.supervisor.stacks import Frame, stack_of_thread

PERIOD = 0.5
"""Seconds between two looks at a loop that turns."""
_SLICE = 0.25
_SLICES = 4
BLOCKED_AFTER = _SLICE * _SLICES
"""Seconds without a turn after which the loop counts as blocked."""


@dataclass(frozen=True, slots=True)
class Block:
    """One time the loop did not turn."""

    at: datetime
    seconds: float
    task: "asyncio.Task[Any] | None"
    frames: tuple[Frame, ...]

    def __str__(self) -> str:
        where = f" at {self.frames[-1]}" if self.frames else ""
        return f"The event loop stood still for {self.seconds:.1f} s{where}"


class Watchdog:
    """Watches the running loop from enter to exit; `tell` hears of each block on the loop, once it is over.

    It measures the machine, so it never runs on a test's clock.
    """

    def __init__(self, tell: Callable[[Block], None], clock: Clock | None = None) -> None:
        self._tell = tell
        self._clock = clock or SystemClock()
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="daemondeck-watchdog", daemon=True)
        self.blocks = 0
        """Blocks noticed so far, the present one included."""
        self.present: Block | None = None
        """The block that lasts, as it was first seen."""

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving.set()

    # In the thread.

    def _watch(self) -> None:
        while not self._leaving.wait(PERIOD):
            turned = threading.Event()
            if not self._ask(turned.set):
                return
            if not self._turns_in_time(turned):
                self._see_block(turned)

    def _ask(self, answer: Callable[[], object]) -> bool:
        try:
            self._loop.call_soon_threadsafe(answer)
        except RuntimeError:
            return False  # the loop is closed
        return True

    def _turns_in_time(self, turned: threading.Event) -> bool:
        patience = _SLICES
        while patience:
            began = self._clock.monotonic()
            if turned.wait(_SLICE) or self._leaving.is_set():
                return True
            # A slice that took much longer was spent suspended, together with the loop: it proves nothing.
            patience -= self._clock.monotonic() - began < 2 * _SLICE
        return False

    def _see_block(self, turned: threading.Event) -> None:
        at, began = self._clock.now(), self._clock.monotonic() - BLOCKED_AFTER
        task, frames = asyncio.current_task(self._loop), stack_of_thread(self._loop_thread)
        self.blocks += 1
        self.present = Block(at, BLOCKED_AFTER, task, frames)
        while not turned.wait(_SLICE):
            if self._loop.is_closed():
                return
        block = Block(at, self._clock.monotonic() - began, task, frames)
        self.present = None
        self._ask(lambda: self._tell(block))
