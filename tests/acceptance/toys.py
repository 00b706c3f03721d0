"""A plug-in of daemons that do what no daemon should."""

import asyncio
import time

from pydantic import Field

from daemons import BaseDaemon, DaemonOptions, LogLevel, daemon


@daemon("swallower")
class Swallower(BaseDaemon):
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


@daemon("blocker")
class Blocker(BaseDaemon):
    """Blocks the event loop as soon as it is told to end."""

    class Options(DaemonOptions):
        """None of its own."""

    async def run(self) -> None:
        await self.update_status("Waiting to block")
        try:
            await asyncio.Event().wait()
        finally:
            time.sleep(30)


AWKWARD = (
    "x" * 10_000_000,
    "a\x00b",
    "\x1b[31mred\x1b[0m",
    "\u202egnp.exe",
    "half \ud83d a character",
    "<script>alert(1)</script>",
    "y" * 501,
)
"""What a daemon may say by mistake, or because a file is called so."""


@daemon("mumbler")
class Mumbler(BaseDaemon):
    """Says something awkward each time it is woken."""

    class Options(DaemonOptions):
        loudness: int = Field(3, ge=0, description="Of no use.")

    async def run(self) -> None:
        for text in (*AWKWARD, "That was all"):
            await self.update_status(text, job_id="j" * 1000, job_type="t" * 1000)
            await self.log(LogLevel.WARNING, text)
            await self.sleep(3600)
