"""The demo daemon and its jobs: log lines of every level, jobs with progress, a failure with its fix, a question."""

import random
from typing import Literal

from pydantic import BaseModel, Field

from daemons.base import BaseDaemon, daemon
from daemons.clock import SystemClock
from daemons.errors import Permanent
from daemons.handlers import JobContext, job
from daemons.options import DaemonOptions
from daemons.states import LogLevel
from daemons.values import Job

_clock = SystemClock()
_FAILURES = 0.1
"""Of the turns with `simulate_errors`, the part that fails."""
_ANSWER_SECONDS = 600.0


class PretendServer:
    """Stands for a server that the demo needs; the newest daemon's option says whether it answers."""

    def __init__(self) -> None:
        self.demo: Demo | None = None

    @property
    def answers(self) -> bool:
        return self.demo is not None and bool(self.demo.options.server_answers)


_server = PretendServer()


class ServerAway(Permanent):
    """The pretend server of the demo does not answer."""

    code = "ERR_DEMO_SERVER_AWAY"
    remedy = "Switch server_answers on in the settings of the daemon demo, then retry this job."


class CountArgs(BaseModel):
    """How far the job counts, and how fast."""

    steps: int = Field(20, ge=1, le=10_000, description="Numbers to count.")
    seconds_each: float = Field(0.25, ge=0, le=60, description="Seconds for each.")


class CountResult(BaseModel):
    """What the job did."""

    counted: int


class Opinion(BaseModel):
    """What somebody thinks of the demo."""

    verdict: Literal["good", "could be better"] = Field(description="Your verdict.")


@job("demo_count")
async def count_slowly(ctx: JobContext, args: CountArgs) -> CountResult:
    """Counts, and says how far it is."""
    for step in range(1, args.steps + 1):
        await _clock.sleep(args.seconds_each)
        await ctx.progress(step, args.steps, f"Counted to {step}")
    await ctx.log(LogLevel.INFO, f"Counted to {args.steps}.")
    return CountResult(counted=args.steps)


@job("demo_fetch")
async def fetch(ctx: JobContext) -> dict[str, str]:
    """Asks a pretend server, which answers only when the demo's settings say so: a failure to find and to mend."""
    await ctx.log(LogLevel.INFO, "Asking the pretend server.")
    if not _server.answers:
        raise ServerAway
    return {"answer": "hello"}


@job("demo_ask")
async def ask(ctx: JobContext) -> Opinion:
    """Asks a person on the Inbox page, and does without after ten minutes."""
    return await ctx.ask(
        "How does the demo look?",
        Opinion,
        detail="Nothing depends on it: this is how a job asks.",
        timeout=_ANSWER_SECONDS,
        fallback=Opinion(verdict="good"),
    )


@daemon("demo")
class Demo(BaseDaemon):
    """Logs at every level, launches short jobs, and sleeps: to see how the deck looks when it works.

    Its jobs take turns: one fails until its cause is mended, one asks a question, one counts.
    """

    class Options(DaemonOptions):
        log_interval: float = Field(5.0, gt=0, description="Seconds between two log lines.")
        job_interval: float = Field(30.0, gt=0, description="Seconds between two jobs, counted in turns of the loop.")
        server_answers: bool = Field(False, description="Whether the pretend server answers; until then a job fails.")
        simulate_errors: bool = Field(False, description="Raise an error now and then, to see how it is handled.")

    async def on_start(self) -> None:
        _server.demo = self

    async def run(self) -> None:
        turn, jobs, slept = 0, 0, 0.0
        while self.is_running:
            turn += 1
            await self._say_something(turn)
            if slept >= self.options.job_interval:
                slept = 0.0
                await self._launch(jobs)
                jobs += 1
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

    async def _launch(self, number: int) -> None:
        await self.update_status("Launching a short job")
        match number % 3:
            case 0:
                await self._watch(await self.create_job("demo_fetch"), "Fetching from the pretend server")
            case 1:
                # Not waited for: nobody may be there to answer.
                await self.create_job("demo_ask", unique="demo", on_stop="cancel")
            case _:
                counting = await self.create_job("demo_count", CountArgs(), unique="demo", on_stop="cancel")
                await self._watch(counting, "Watching a short job count")

    async def _watch(self, launched: Job, sentence: str) -> None:
        await self.update_status(sentence, job_id=launched.id, job_type=launched.type)
        done = await self.wait_for(launched)
        await self.log(LogLevel.INFO, f"The job ended as {done.state}.")
