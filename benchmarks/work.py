"""A plug-in: the jobs whose speed is measured, and the line they cross at their end."""

import asyncio
import time
from collections.abc import Sequence

from daemons import JobContext, job

PAUSE = 0.01


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


def milliseconds(seconds: Sequence[float]) -> list[float]:
    return [value * 1000 for value in seconds]
