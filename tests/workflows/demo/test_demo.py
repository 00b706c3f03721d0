"""The demo daemon shows all a daemon can show."""

from daemons.bus import Bus
from daemons.database import Database
from daemons.states import DaemonState, JobState
from daemons.values import DaemonRow
from daemons.workflows.demo import workflow
from tests.engine_deck import Deck, open_deck
from tests.fake_clock import FakeClock


async def test_the_demo_logs_at_every_level_and_launches_a_job(database: Database, clock: FakeClock, bus: Bus) -> None:
    async with open_deck(database, clock, bus, workflow) as deck:
        await deck.roster.start("demo")
        await deck.until("demo", DaemonState.RUNNING)
        await clock.advance(31)
        watching = deck.daemon("demo").live
        (counting,) = (await deck.jobs.list()).items
        assert counting.state in (JobState.QUEUED, JobState.RUNNING)

        await deck.roster.stop("demo")
        await deck.until("demo", DaemonState.STOPPED)
        await clock.advance(6)
        await deck.journal.flush()
        levels = {line.level for line in await deck.journal.lines(daemon_id=deck.daemon("demo").id)}
        (ended,) = (await deck.jobs.list()).items

    assert (watching.current_job_id, watching.current_job_type) == (counting.id, "demo_count")
    assert {level.value for level in levels} == {"debug", "info", "warning", "error"}
    assert ended.state is JobState.CANCELLED


async def test_the_demo_fails_now_and_then_when_asked_to(database: Database, clock: FakeClock, bus: Bus) -> None:
    async with open_deck(database, clock, bus, workflow) as deck:
        await deck.roster.edit("demo", configuration={"simulate_errors": True, "log_interval": 0.01})
        await deck.roster.start("demo")

        crashed = await _advance_until_crash(deck, clock)

        assert crashed.last_error is not None
        assert crashed.last_error.code == "ERR_RUNTIME"


async def _advance_until_crash(deck: Deck, clock: FakeClock) -> DaemonRow:
    for _ in range(100):
        await clock.advance(0.1)
        row = deck.daemon("demo").row
        if row.state is DaemonState.BACKOFF:
            return row
    raise AssertionError("1,000 turns without a failure")
