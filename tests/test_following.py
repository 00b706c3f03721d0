"""A daemon that waits for a job: its own progress follows the job's, and it can end its own sleep."""

import asyncio

from daemons import BaseDaemon, JobContext, daemon, job
from daemons.bus import Bus
from daemons.database import Database
from daemons.events import DaemonChanged, JobChanged
from daemons.values import Progress
from tests.engine_deck import open_deck
from tests.fake_clock import FakeClock


@job("ten_items")
async def ten_items(ctx: JobContext) -> None:
    """Works on ten items and then waits to be told to end."""
    for done in range(1, 11):
        await ctx.progress(done, 10, f"item {done}")
    await asyncio.Event().wait()


@daemon("follower")
class Follower(BaseDaemon):
    """Has 90 items behind it when it creates its job."""

    async def run(self) -> None:
        await self.wait_for(await self.create_job("ten_items"), done=90, total=100)


@daemon("early_riser")
class EarlyRiser(BaseDaemon):
    """Wakes itself, as a watch of its own would."""

    async def run(self) -> None:
        self.wake()
        woken = await self.sleep(10_000)
        await self.update_status(f"Woken: {woken}")
        await self.sleep(10_000)


async def test_the_progress_of_a_job_is_the_daemons_on_top_of_what_was_done(
    database: Database, clock: FakeClock, bus: Bus
) -> None:
    async with open_deck(database, clock, bus, ten_items, Follower) as deck:
        await deck.roster.start("follower")
        await deck.events.next(JobChanged, lambda event: event.job.progress is not None)
        await clock.advance(3)  # what comes fast is told a little later
        event = await deck.events.next(
            DaemonChanged, lambda event: event.daemon.live.progress == Progress(100, 100, "item 10")
        )

        assert event.daemon.row.name == "follower"


async def test_a_daemon_ends_its_own_sleep(database: Database, clock: FakeClock, bus: Bus) -> None:
    async with open_deck(database, clock, bus, EarlyRiser) as deck:
        await deck.roster.start("early_riser")

        await deck.events.next(DaemonChanged, lambda event: event.daemon.live.current_status == "Woken: True")
