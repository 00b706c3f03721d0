"""A plug-in: the jobs and daemons that are measured, and the line that jobs cross at their end."""

import asyncio
import time
from collections.abc import Sequence

from pydantic import Field

from daemons import BaseDaemon, DaemonOptions, JobContext, daemon, job

PAUSE = 0.01
SAID_AT = "Said at "
"""Before the monotonic time in what is sent to sockets."""


class FinishLine:
    """Notes when the last of so many handlers ended."""

    def __init__(self) -> None:
        self._missing = 0
        self._crossed = asyncio.Event()
        self._last = 0.0
        self.delays: list[float] = []
        """Seconds from asking for a job to the start of its handler."""

    def expect(self, handlers: int) -> None:
        """Begin to count anew."""
        self._missing = handlers
        self._crossed = asyncio.Event()
        self.delays = []

    def cross(self) -> None:
        """Count one handler that ends now."""
        self._missing -= 1
        if self._missing == 0:
            self._last = time.monotonic()
            self._crossed.set()

    async def last(self) -> float:
        """Return when the last one ended."""
        await self._crossed.wait()
        return self._last

    def started(self, sent: float) -> None:
        """Note the start of a handler that was asked for at `sent`."""
        self.delays.append(time.monotonic() - sent)


finish = FinishLine()


@job("bench_nothing", max_attempts=1)
async def nothing(ctx: JobContext) -> None:
    """Do nothing."""
    finish.cross()


@job("bench_pause", max_attempts=1)
async def pause(ctx: JobContext) -> None:
    """Wait ten milliseconds."""
    await asyncio.sleep(PAUSE)
    finish.cross()


@job("bench_start", max_attempts=1)
async def start(ctx: JobContext, sent: float) -> None:
    """Tell how long it took to get here."""
    finish.started(sent)
    finish.cross()


@daemon("bench_talker")
class Talker(BaseDaemon):
    """Says what time it is, again and again."""

    class Options(DaemonOptions):
        interval: float = Field(1.0, gt=0, description="Seconds between two sentences.")

    async def run(self) -> None:
        while self.is_running:
            await self.update_status(f"{SAID_AT}{time.monotonic():.6f}")
            await self.sleep(self.options.interval)


def milliseconds(seconds: Sequence[float]) -> list[float]:
    return [value * 1000 for value in seconds]
