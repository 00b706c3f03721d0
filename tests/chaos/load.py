"""A plug-in that keeps a deck busy while it is being killed: a daemon that feeds, jobs that fail now and then."""

import asyncio
from uuid import uuid4

from pydantic import BaseModel

from daemons import BaseDaemon, DaemonOptions, JobContext, daemon, job


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
            await self.update_status(f"Following step {number}", job_id=job.id, job_type=job.type)
            await self.wait_for(job)
