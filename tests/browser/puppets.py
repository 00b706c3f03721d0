"""A plug-in of daemons that say what a test tells them through their options, and of jobs that end when it says so."""

import asyncio
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from daemons import BaseDaemon, DaemonOptions, JobContext, LogLevel, daemon, job
from daemons.errors import Permanent

HOSTILE = "\"><img src=x onerror=alert(1)><script>alert(2)</script></template></hx-partial>'{{7*7}}\u202e"
_LOOK = 0.02


@daemon("puppet")
class Puppet(BaseDaemon):
    """Says and logs what it is told, and works until it is told something else."""

    class Options(DaemonOptions):
        """What to say and do; a change takes effect at once."""

        says: str = Field("Waiting to be told what to say", description="The status.")
        logs: list[str] = Field([], description="Lines to log.")
        job_id: str | None = Field(None, description="The job it watches.")
        job_type: str | None = Field(None, description="And its type.")
        done: int | None = Field(None, description="How far it is.")
        total: int | None = Field(None, description="Of how many.")
        sleeps: float = Field(0, ge=0, description="Seconds it sleeps then.")
        raises: str | None = Field(None, description="The message of the error it ends with.")
        reports: str | None = Field(None, description="The message of an error it lives through.")

    async def run(self) -> None:
        while self.is_running:
            told = self.options
            await self._act(told)
            while self.is_running and self.options is told:
                await asyncio.sleep(_LOOK)

    async def _act(self, told: Options) -> None:
        await self.update_status(told.says, job_id=told.job_id, job_type=told.job_type)
        for line in told.logs:
            await self.log(LogLevel.INFO, line)
        if told.done is not None:
            await self.progress(told.done, told.total)
        if told.reports:
            await self.report_error("ERR_DISK_SLOW", told.reports)
        if told.raises:
            raise RuntimeError(told.raises)
        if told.sleeps:
            await self.sleep(told.sleeps, told.says)


@daemon("hostile", title=HOSTILE)
class Hostile(Puppet):
    __doc__ = HOSTILE


@daemon("quiet")
class Quiet(BaseDaemon):
    """Says one thing and is never heard of again."""

    class Options(DaemonOptions):
        silent_after: float = Field(0.5, description="Soon.")

    async def run(self) -> None:
        await self.update_status("Asking a server that never answers")
        await asyncio.Event().wait()


@daemon("stubborn")
class Stubborn(BaseDaemon):
    """Ignores being told to end."""

    async def run(self) -> None:
        while True:
            try:
                await self.update_status("Not listening")
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue


class GatedArgs(BaseModel):
    gate: Path
    done: int = 3
    total: int | None = 25
    logs: list[str] = []


@job("gated", conflicts_with={"shy"})
async def gated(ctx: JobContext, args: GatedArgs) -> dict[str, int]:
    """Stands at `done` of `total` until the file `gate` is there, then logs."""
    await ctx.progress(args.done, args.total, "IMG_0003.jpg")
    while not args.gate.exists():
        await asyncio.sleep(_LOOK)
    for line in args.logs:
        await ctx.log(LogLevel.INFO, line)
    return {"described": args.done}


@job("shy")
async def shy(ctx: JobContext) -> None:
    """Never runs beside a gated job."""


class EmbeddingsMissing(Permanent):
    """There are no embeddings for this scene."""

    code = "ERR_EMBEDDINGS_MISSING"
    remedy = "Run the daemon embed first."


class PrerequisiteFailed(Permanent):
    """A step that this one needs has failed."""

    code = "ERR_PREREQ_FAILED"


@job("doomed")
async def doomed(ctx: JobContext) -> None:
    """Fails because something it needs has failed."""
    try:
        raise EmbeddingsMissing
    except EmbeddingsMissing as error:
        raise PrerequisiteFailed from error


@job("parent")
async def parent(ctx: JobContext) -> None:
    """Needs a job that fails."""
    await ctx.wait_for(await ctx.spawn("doomed"))


class DeafArgs(BaseModel):
    gate: Path


@job("deaf", tidy_up=0.05)
async def deaf(ctx: JobContext, args: DeafArgs) -> str:
    """Ignores its cancellation, and still has something to say once the file `gate` is there."""
    await ctx.progress(1, 2)
    while not args.gate.exists():
        try:
            await asyncio.sleep(_LOOK)
        except asyncio.CancelledError:
            continue
    return "too late"


class Shelf(BaseModel):
    """Where a record belongs."""

    shelf: Literal["keep", "throw away"] = Field(description="Where it goes.")


class Caption(BaseModel):
    """What a record is called."""

    title: str = Field(min_length=3, max_length=80, description="At least three letters.")
    year: int = Field(1990, ge=1800, le=2100)
    in_colour: bool = True


@job("shelve")
async def shelve(ctx: JobContext) -> dict[str, str]:
    """Asks where a record belongs."""
    return (await ctx.ask("Where does record 7 belong?", Shelf)).model_dump()


@job("caption")
async def caption(ctx: JobContext) -> dict[str, object]:
    """Asks what a record is called."""
    return (await ctx.ask("What is record 8 called?", Caption, detail=HOSTILE)).model_dump()


@daemon("orderer")
class Orderer(BaseDaemon):
    """Orders one job and waits for its end."""

    class Options(DaemonOptions):
        kind: str = Field("doomed", description="The type of job.")

    async def run(self) -> None:
        await self.wait_for(await self.create_job(self.options.kind))
        await self.sleep(3600, "Nothing more to order")
