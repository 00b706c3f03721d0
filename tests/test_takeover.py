"""Two managers on the same data: one runs a daemon, the other takes over when the first is silent, never before."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import ClassVar

import pytest

from daemons.base import BaseDaemon, daemon
from daemons.bus import Bus
from daemons.database import Database
from daemons.errors import LeaseLost
from daemons.handlers import JobContext, job
from daemons.leases import LEASE_SECONDS
from daemons.states import DaemonState, Desired
from tests.engine_deck import Deck, open_deck
from tests.fake_clock import FakeClock


@daemon("feeder")
class Feeder(BaseDaemon):
    """Runs until told otherwise; the newest instance made is kept for the test to speak through."""

    made: ClassVar[list["Feeder"]] = []
    live: ClassVar[Counter[int]] = Counter()

    async def run(self) -> None:
        self.made.append(self)
        self.live[id(self)] += 1
        try:
            await self.update_status("Feeding")
            await asyncio.Event().wait()
        finally:
            self.live[id(self)] -= 1


@job("meal")
async def meal(ctx: JobContext) -> None: ...


@pytest.fixture(autouse=True)
def forget() -> None:
    Feeder.made.clear()
    Feeder.live.clear()


@pytest.fixture
async def first(database: Database, clock: FakeClock, bus: Bus) -> AsyncIterator[Deck]:
    """Return a manager; it is frozen, as by SIGSTOP, whenever its clock is not moved."""
    async with open_deck(database, clock, bus, Feeder, meal) as deck:
        yield deck


@pytest.fixture
async def second(first: Deck, database_url: str) -> AsyncIterator[Deck]:
    """Return another manager on the same data, with a clock and connections of its own."""
    clock, bus = FakeClock(), Bus()
    async with Database(database_url, clock, bus) as database, open_deck(database, clock, bus, Feeder, meal) as deck:
        yield deck


async def _advance_both(seconds: float, *decks: Deck) -> None:
    for _ in range(round(seconds * 2)):
        for deck in decks:
            await deck.clock.advance(0.5)


async def test_a_living_manager_keeps_its_daemons(first: Deck, second: Deck) -> None:
    await first.roster.start("feeder")
    await first.until("feeder", DaemonState.RUNNING)

    await _advance_both(2 * LEASE_SECONDS, first, second)

    assert len(Feeder.made) == 1
    assert first.supervisor.stack("feeder").running
    assert not second.supervisor.stack("feeder").running


@pytest.mark.databases("postgresql")
async def test_a_command_given_to_one_manager_is_obeyed_by_the_other(first: Deck, second: Deck) -> None:
    await first.roster.start("feeder")
    await first.until("feeder", DaemonState.RUNNING)

    await second.roster.stop("feeder")
    await _advance_both(3, first, second)

    assert sum(Feeder.live.values()) == 0
    assert first.daemon("feeder").state is second.daemon("feeder").state is DaemonState.STOPPED


async def test_a_frozen_manager_loses_its_daemons_and_what_it_says_later_is_refused(first: Deck, second: Deck) -> None:
    await first.roster.start("feeder")
    await first.until("feeder", DaemonState.RUNNING)
    await second.board.refresh()

    await second.clock.advance(2 * LEASE_SECONDS)
    old, new = Feeder.made
    with pytest.raises(LeaseLost):
        await old.create_job("meal")
    await old.update_status("I am still here")
    await first.clock.advance(5)

    assert Feeder.live == {id(old): 0, id(new): 1}
    assert second.daemon("feeder").state is DaemonState.RUNNING
    assert second.daemon("feeder").live.current_status == "Feeding"
    assert (await second.roster.row("feeder")).desired is Desired.ON
    assert (await second.jobs.list()).items == []
