"""A plug-in of daemons that do what no daemon should."""

import asyncio
import time

from daemons import BaseDaemon, DaemonOptions, daemon


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
