"""The demo daemon shows all a daemon can show."""

from daemons.bus import Bus
from daemons.database import Database
from daemons.events import JobChanged
from daemons.states import DaemonState, JobState
from daemons.values import DaemonRow
from daemons.workflows.demo import workflow
from tests.engine_deck import Deck, open_deck
from tests.fake_clock import FakeClock


async def test_the_demo_logs_at_every_level_and_launches_a_job(database: Database, clock: FakeClock, bus: Bus) -> None:
    async with open_deck(database, clock, bus, workflow) as deck:
        await deck.roster.start("demo")
        await deck.until("demo", DaemonState.RUNNING)
        await clock.advance(91)
        await deck.events.next(JobChanged, lambda event: event.job.type == "demo_count")
        watching = deck.daemon("demo").live
        counting = next(job for job in (await deck.jobs.list()).items if job.type == "demo_count")
        assert counting.state in (JobState.QUEUED, JobState.RUNNING)

        await deck.roster.stop("demo")
        await deck.until("demo", DaemonState.STOPPED)
        await clock.advance(6)
        await deck.journal.flush()
        levels = {line.level for line in await deck.journal.lines(daemon_id=deck.daemon("demo").id)}
        ended = await deck.jobs.get(counting.id)

    assert (watching.current_job_id, watching.current_job_type) == (counting.id, "demo_count")
    assert {level.value for level in levels} == {"debug", "info", "warning", "error"}
    assert ended.state is JobState.CANCELLED


async def test_the_demo_shows_a_failure_that_names_its_fix_and_a_question(
    database: Database, clock: FakeClock, bus: Bus
) -> None:
    async with open_deck(database, clock, bus, workflow) as deck:
        await deck.roster.edit("demo", configuration={"job_interval": 5, "log_interval": 5})
        await deck.roster.start("demo")
        await deck.until("demo", DaemonState.RUNNING)
        for _ in range(30):
            await clock.advance(1)
        newest_first = {job.type: job for job in reversed((await deck.jobs.list()).items)}
        failed, asking = newest_first["demo_fetch"], newest_first["demo_ask"]
        assert failed.error is not None
        assert (failed.error.code, "server_answers" in (failed.error.remedy or "")) == ("ERR_DEMO_SERVER_AWAY", True)
        assert asking.waiting_reason == "Awaiting input: How does the demo look?"

        await deck.roster.edit("demo", configuration={"server_answers": True, "job_interval": 1000, "log_interval": 1})
        await clock.advance(5)
        await deck.orders.retry(failed.id)
        await clock.advance(1)

        assert (await deck.jobs.get(failed.id)).result == {"answer": "hello"}


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
