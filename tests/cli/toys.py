"""A plug-in of daemons and jobs that behave, and of some that do not."""

import asyncio
import time
from typing import Literal

from pydantic import BaseModel, Field, SecretStr

from daemons import BaseDaemon, DaemonOptions, JobContext, LogLevel, daemon, job


class StepsArgs(BaseModel):
    steps: int = 3
    wait_after: int | None = None
    """Stand still after this step, the first time."""


@job("toy_steps")
async def toy_steps(ctx: JobContext, args: StepsArgs) -> dict[str, float]:
    """Go on from the step that an earlier attempt reached."""
    began = ctx.job.progress.done if ctx.job.progress else 0
    for step in range(int(began) + 1, args.steps + 1):
        await ctx.progress(step, args.steps)
        if step == args.wait_after and ctx.attempt == 1:
            await asyncio.Event().wait()
    return {"began": began}


@daemon("toy_talker")
class Talker(BaseDaemon):
    """Logs three lines each time it is woken."""

    class Options(DaemonOptions):
        """None of its own."""

    async def run(self) -> None:
        turn = 0
        while self.is_running:
            turn += 1
            for level in (LogLevel.DEBUG, LogLevel.INFO, LogLevel.ERROR):
                await self.log(level, f"turn {turn} at {level}")
            await self.sleep(3600, "Waiting to be woken")


@daemon("toy_broken")
class Broken(BaseDaemon):
    """Fails at once."""

    class Options(DaemonOptions):
        """None of its own."""

    async def on_start(self) -> None:
        raise RuntimeError("broken on purpose")  # before it is running, so that nobody sees it run for a moment

    async def run(self) -> None: ...


@daemon("toy_stubborn")
class Stubborn(BaseDaemon):
    """Swallows every cancellation."""

    class Options(DaemonOptions):
        """None of its own."""

    async def run(self) -> None:
        await self.update_status("Swallowing")
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue


@daemon("toy_blocker")
class Blocker(BaseDaemon):
    """Blocks the event loop as soon as it is woken."""

    class Options(DaemonOptions):
        """None of its own."""

    async def run(self) -> None:
        await self.sleep(3600, "Waiting to block")
        time.sleep(60)


class Shelf(BaseModel):
    """Where it belongs."""

    shelf: Literal["keep", "throw away"]
    copies: int = 1


@job("toy_ask")
async def toy_ask(ctx: JobContext) -> dict[str, object]:
    """Asks a person where something belongs."""
    return (await ctx.ask("Where does it belong?", Shelf)).model_dump()


@daemon("toy_maker")
class Maker(BaseDaemon):
    """Makes one job each time it is woken, and follows it."""

    class Options(DaemonOptions):
        """None of its own."""

    async def run(self) -> None:
        while self.is_running:
            made = await self.create_job("toy_steps", StepsArgs())
            await self.log(LogLevel.INFO, "made a job")
            await self.wait_for(made)
            await self.sleep(3600, "Waiting to be woken")


@daemon("toy_keeper")
class Keeper(BaseDaemon):
    """Keeps a secret."""

    class Options(DaemonOptions):
        password: SecretStr | None = Field(None, description="What nobody may see.")
        note: str = Field("", description="What everybody may see.")

    async def run(self) -> None:
        await self.sleep(3600, "Keeping it")


@daemon("toy_asker")
class Asker(BaseDaemon):
    """Makes a job that asks a person, and follows it."""

    class Options(DaemonOptions):
        """None of its own."""

    async def run(self) -> None:
        while self.is_running:
            await self.wait_for(await self.create_job("toy_ask", {}, on_stop="cancel"))
            await self.sleep(3600, "Waiting to be woken")
