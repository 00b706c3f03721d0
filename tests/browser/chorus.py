"""A plug-in of many daemons of which one a time says something: rows that change at a rate."""

import asyncio
import random
import time

from pydantic import Field

from daemons import BaseDaemon, DaemonOptions, daemon

_singing: list["Chorister"] = []
_chance = random.Random(7)


@daemon("chorister")
class Chorister(BaseDaemon):
    """Says the time whenever the conductor points at it."""

    async def run(self) -> None:
        await self.update_status("Waiting for the conductor")
        _singing.append(self)
        try:
            await asyncio.Event().wait()
        finally:
            _singing.remove(self)


@daemon("conductor")
class Conductor(BaseDaemon):
    """Has one chorister after the other, in no order, say the time."""

    class Options(DaemonOptions):
        rate: float = Field(20.0, gt=0, description="How many a second.")

    async def run(self) -> None:
        await self.update_status("Conducting")
        while self.is_running:
            await asyncio.sleep(1 / self.options.rate)
            if _singing:
                await _chance.choice(_singing).update_status(f"It is {time.time() * 1000:.1f}")
