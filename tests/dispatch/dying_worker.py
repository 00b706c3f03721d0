"""A worker process whose job ends it: run with the address of a database."""

import asyncio
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from daemons.bus import Bus
from daemons.clock import SystemClock
from daemons.database import Database
from daemons.dispatch.embedded import EmbeddedDispatcher
from daemons.handlers import JobContext, job
from tests.dispatch.job_deck import JobDeck


@job("poison")
async def poison(ctx: JobContext) -> None:
    os._exit(7)


async def main(url: str) -> None:
    bus = Bus()
    async with Database(url, SystemClock(), bus) as database:
        deck = JobDeck(database, SystemClock(), bus, lambda: EmbeddedDispatcher(bus))
        deck.types.add(poison)
        async with deck.journal, deck.executor_of(f"doomed {os.getpid()}"):
            await asyncio.Event().wait()


asyncio.run(main(sys.argv[1]))
