"""A plug-in that keeps a deck busy while it is killed or stopped: daemons that feed it, jobs that take a while."""

import asyncio
import os
from pathlib import Path
from uuid import uuid4

from pydantic import BaseModel

from daemons import BaseDaemon, DaemonOptions, JobContext, LogLevel, daemon, job

LEDGER = "CHAOS_LEDGER"
"""Names a file in which the feeder notes every job that it was promised."""


class StepArgs(BaseModel):
    number: int


class FailedNowAndThen(RuntimeError):
    """Every seventh step fails the first time it is tried."""


@job("chaos_step", max_attempts=3)
async def chaos_step(ctx: JobContext, args: StepArgs) -> dict[str, int]:
    """Make a little progress, and fail once if the number says so."""
    for done in range(3):
        await ctx.progress(done, 3)
        await asyncio.sleep(0.003)
    if args.number % 7 == 0 and ctx.job.failures == 0:
        raise FailedNowAndThen(str(args.number))
    return {"number": args.number}


class BulkArgs(BaseModel):
    padding: str


@job("chaos_bulk")
async def chaos_bulk(ctx: JobContext, args: BulkArgs) -> int:
    """Carry much, do little."""
    return len(args.padding)


class GateArgs(BaseModel):
    gate: Path


@job("chaos_gate", max_attempts=3)
async def chaos_gate(ctx: JobContext, args: GateArgs) -> dict[str, int]:
    """Make progress until the file `gate` is there; say which process got that far."""
    done = 0
    while not args.gate.exists():
        done += 1
        await ctx.progress(done)
        await asyncio.sleep(0.05)
    return {"pid": os.getpid()}


@daemon("chaos_feeder")
class ChaosFeeder(BaseDaemon):
    """Creates steps and follows each, saying so."""

    class Options(DaemonOptions):
        """None of its own."""

    async def run(self) -> None:
        number = 0
        while self.is_running:
            number += 1
            job = await self.create_job("chaos_step", {"number": number}, key=f"feeder-{uuid4()}")
            if ledger := os.environ.get(LEDGER):
                with Path(ledger).open("a") as file:
                    file.write(f"{job.id}\n")
            await self.update_status(f"Following step {number}", job_id=job.id, job_type=job.type)
            await self.wait_for(job)


@daemon("chaos_talker")
class ChaosTalker(BaseDaemon):
    """Says, logs and orders something many times a second, and hears of nothing that goes wrong."""

    class Options(DaemonOptions):
        """None of its own."""

    async def run(self) -> None:
        turn = 0
        while self.is_running:
            turn += 1
            await self._speak(f"Turn {turn}")
            await self.sleep(0.05)

    async def on_stop(self) -> None:
        """Do so once more: whatever it was at when it was ended, each kind of write is tried."""
        await self._speak("Last words")

    async def _speak(self, words: str) -> None:
        await self.update_status(f"{words} of process {os.getpid()}")
        await self.log(LogLevel.INFO, words)
        await self.create_job("chaos_step", {"number": 1}, unique="talker")


@daemon("chaos_speaker")
class ChaosSpeaker(BaseDaemon):
    """Says something new many times a second, and nothing else."""

    class Options(DaemonOptions):
        """None of its own."""

    async def run(self) -> None:
        turn = 0
        while self.is_running:
            turn += 1
            await self.update_status(f"Turn {turn}")
            await self.sleep(0.05)
