"""The demo daemon and its job: log lines of every level, a short job with progress, sleep, and failures on request."""

import random

from pydantic import BaseModel, Field

from daemons.base import BaseDaemon, daemon
from daemons.clock import SystemClock
from daemons.handlers import JobContext, job
from daemons.options import DaemonOptions
from daemons.states import LogLevel

_clock = SystemClock()
_FAILURES = 0.1
"""Of the turns with `simulate_errors`, the part that fails."""


class CountArgs(BaseModel):
    """How far the job counts, and how fast."""

    steps: int = Field(20, ge=1, le=10_000, description="Numbers to count.")
    seconds_each: float = Field(0.25, ge=0, le=60, description="Seconds for each.")


class CountResult(BaseModel):
    """What the job did."""

    counted: int


@job("demo_count")
async def count_slowly(ctx: JobContext, args: CountArgs) -> CountResult:
    """Counts, and says how far it is."""
    for step in range(1, args.steps + 1):
        await _clock.sleep(args.seconds_each)
        await ctx.progress(step, args.steps, f"Counted to {step}")
    await ctx.log(LogLevel.INFO, f"Counted to {args.steps}.")
    return CountResult(counted=args.steps)


@daemon("demo")
class Demo(BaseDaemon):
    """Logs at every level, launches a short job now and then, and sleeps: to see how the deck looks when it works."""

    class Options(DaemonOptions):
        log_interval: float = Field(5.0, gt=0, description="Seconds between two log lines.")
        job_interval: float = Field(30.0, gt=0, description="Seconds between two jobs, counted in turns of the loop.")
        simulate_errors: bool = Field(False, description="Raise an error now and then, to see how it is handled.")

    async def run(self) -> None:
        turn, slept = 0, 0.0
        while self.is_running:
            turn += 1
            await self._say_something(turn)
            if slept >= self.options.job_interval:
                slept = 0.0
                await self._count()
            await self.metric("turns", turn)
            slept += self.options.log_interval
            await self.sleep(self.options.log_interval, "Nothing to do, sleeping for {seconds} seconds")

    async def _say_something(self, turn: int) -> None:
        level = list(LogLevel)[turn % len(LogLevel)]
        await self.update_status(f"Writing log line {turn}")
        await self.log(level, f"Line {turn} of the demo, at level {level}.")
        if self.options.simulate_errors and random.random() < _FAILURES:  # noqa: S311 - chance, not secrecy
            await self.report_error("ERR_DEMO", "The demo failed on purpose.")
            raise RuntimeError("The demo failed on purpose; it is started again after a moment.")

    async def _count(self) -> None:
        await self.update_status("Launching a short job")
        counting = await self.create_job("demo_count", CountArgs(), unique="demo", on_stop="cancel")
        await self.update_status("Watching a short job count", job_id=counting.id, job_type=counting.type)
        done = await self.wait_for(counting)
        await self.log(LogLevel.INFO, f"The job ended as {done.state}.")
