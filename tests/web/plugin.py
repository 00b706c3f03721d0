"""Daemons and jobs to call: one that says what it is told, one job that waits, one that is done at once."""

import asyncio
from typing import Literal

from pydantic import BaseModel, Field, SecretStr

from daemons import BaseDaemon, DaemonOptions, JobContext, Permanent, daemon, job


@daemon("talker")
class Talker(BaseDaemon):
    """Says one sentence and sleeps."""

    class Options(DaemonOptions):
        sentence: str = Field("Looking around", description="What it says.")
        password: SecretStr | None = Field(None, description="What it does not say.")

    async def run(self) -> None:
        while self.is_running:
            await self.update_status(self.options.sentence)
            await self.log("info", self.options.sentence)
            await self.sleep(3600)


@daemon("grumbler")
class Grumbler(BaseDaemon):
    """Reports an error and sleeps."""

    async def run(self) -> None:
        await self.report_error("ERR_SHELF_FULL", "The shelf is full.")
        await self.sleep(3600)


class EchoArgs(BaseModel):
    """What to give back."""

    text: str = "hello"
    size: int = Field(0, ge=0, le=1_000_000)


@job("echo")
async def echo(ctx: JobContext, args: EchoArgs) -> dict[str, str]:
    """Gives back what it was given, `size` times."""
    return {"text": args.text * max(1, args.size)}


@job("wait", lane="waiting")
async def wait(ctx: JobContext) -> None:
    """Waits until it is cancelled."""
    await asyncio.Event().wait()


class Shelf(BaseModel):
    """Where it belongs."""

    shelf: Literal["keep", "throw away"]


@job("ask")
async def ask(ctx: JobContext) -> dict[str, str]:
    """Asks a person where something belongs."""
    return (await ctx.ask("Where does it belong?", Shelf)).model_dump()


@job("stumble")
async def stumble(ctx: JobContext) -> None:
    """Fails, and will not be tried again."""
    raise Permanent("The ladder is too short.", code="ERR_LADDER")
