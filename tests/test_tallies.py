"""What is counted over all jobs: right after a restart, told when it changes, each daemon's part on its row."""

from datetime import timedelta

from sqlalchemy import update

from daemons import BaseDaemon, JobContext, daemon, job
from daemons.bus import Bus
from daemons.database import Database
from daemons.errors import Permanent
from daemons.events import ItemChanged
from daemons.jobs.rows import JOBS
from daemons.states import DaemonState
from daemons.tallies import TOPIC, Tallies
from tests.engine_deck import Deck, open_deck
from tests.fake_clock import FakeClock


@job("good")
async def good(ctx: JobContext) -> None:
    """Ends well."""


@job("bad")
async def bad(ctx: JobContext) -> None:
    """Fails."""
    raise Permanent("It cannot work.")


@daemon("maker")
class Maker(BaseDaemon):
    """Creates jobs and waits for them."""

    async def run(self) -> None:
        for kind in ("good", "bad", "good"):
            await self.wait_for(await self.create_job(kind))
        await self.sleep(10_000)


async def run_maker(deck: Deck) -> None:
    await deck.roster.start("maker")
    await deck.until("maker", DaemonState.RUNNING)
    await deck.clock.advance(1)


async def test_what_ended_and_failed_is_told_and_stands_on_the_daemons_row(
    database: Database, clock: FakeClock, bus: Bus
) -> None:
    async with (
        open_deck(database, clock, bus, good, bad, Maker) as deck,
        Tallies(database, clock, bus, deck.board) as tallies,
    ):
        assert tallies.now.ended == 0
        await run_maker(deck)
        await deck.orders.create("bad")
        await clock.advance(4)
        await deck.events.next(ItemChanged, lambda event: event.topic == TOPIC and event.data["ended"] == 4)

        assert (tallies.now.failed, tallies.now.ended_by_hour[-1], tallies.now.queued) == (2, 4, 0)
        assert (deck.daemon("maker").live.failures, deck.daemon("maker").live.fails_often) == (1, True)
        assert deck.daemon("maker").as_dict()["failures"] == 1

        clock.jump(90_000)
        await tallies.count()
        assert (tallies.now.ended, deck.daemon("maker").live.failures) == (0, 0)


async def test_it_counts_what_was_there_before(database: Database, clock: FakeClock, bus: Bus) -> None:
    async with open_deck(database, clock, bus, good, bad, Maker) as deck:
        await run_maker(deck)
        earlier = clock.now() - timedelta(hours=5)
        await database.write(lambda tx: tx.execute(update(JOBS).values(finished_at=earlier)).rowcount)

        async with Tallies(database, clock, bus, deck.board) as tallies:
            assert tallies.now.ended_by_hour[-6] == 3
            assert (tallies.now.failed, deck.daemon("maker").live.failures) == (1, 1)
