"""Schedules do what they say when they are due: once each, whatever happens in between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel, Field

from daemons import BaseDaemon, JobContext, daemon, job
from daemons.bus import Bus
from daemons.database import Database
from daemons.errors import Conflict, Invalid, NotFound
from daemons.scheduler import CATCH_UP_MOST, Scheduler
from daemons.schedules import Schedules, StaleSchedule
from daemons.states import DaemonState, Desired
from tests.engine_deck import Deck, open_deck
from tests.fake_clock import FakeClock


class TidyArgs(BaseModel):
    days: int = Field(30, ge=1)


@job("tidy")
async def tidy(ctx: JobContext, args: TidyArgs) -> int:
    """Tidies up."""
    return args.days


@job("sweep")
async def sweep(ctx: JobContext, args: TidyArgs) -> int:
    """Tidies up, too."""
    return args.days


@daemon("sleeper")
class Sleeper(BaseDaemon):
    """Counts its looks."""

    async def run(self) -> None:
        looks = 0
        while self.is_running:
            looks += 1
            await self.update_status(f"Look {looks}")
            await self.sleep(100_000)


HOURLY: dict[str, Any] = {
    "enabled": True,
    "kind": "interval",
    "expression": "1h",
    "zone": "UTC",
    "action": "create_job",
    "job_type": "tidy",
    "args": {"days": 7},
    "daemon_name": None,
    "missed": "once",
}


class Plan:
    """A deck with a scheduler that may be closed and opened again."""

    def __init__(self, deck: Deck) -> None:
        self.deck = deck
        self.clock = deck.clock
        self.schedules = Schedules(deck.database)

    def scheduler(self) -> Scheduler:
        deck = self.deck
        return Scheduler(self.schedules, deck.orders, deck.roster, deck.database, deck.clock, deck.bus)

    async def jobs(self) -> int:
        return len((await self.deck.jobs.list(limit=500)).items)

    async def outcomes(self, name: str) -> list[str]:
        schedule = await self.schedules.get(name)
        return [run.outcome for run in reversed(await self.schedules.runs(schedule.id, limit=500))]


@asynccontextmanager
async def planned(database: Database, clock: FakeClock, bus: Bus) -> AsyncIterator[Plan]:
    async with open_deck(database, clock, bus, tidy, sweep, Sleeper) as deck:
        yield Plan(deck)


@pytest.fixture
async def plan(database: Database, clock: FakeClock, bus: Bus) -> AsyncIterator[Plan]:
    async with planned(database, clock, bus) as plan:
        yield plan


async def test_a_job_is_created_at_each_due_time_and_not_before(plan: Plan) -> None:
    async with plan.scheduler() as scheduler:
        made = await scheduler.add("tidying", HOURLY)
        assert made.next_at == made.created_at + timedelta(hours=1)
        plan.clock.jump(3590)
        await plan.clock.advance(5)
        assert await plan.jobs() == 0

        await plan.clock.advance(31)
        assert await plan.jobs() == 1
        plan.clock.jump(3600)
        await plan.clock.advance(31)

        assert await plan.outcomes("tidying") == ["ran", "ran"]
        [job, _] = (await plan.deck.jobs.list()).items
        assert (job.type, job.args) == ("tidy", {"days": 7})


async def test_a_sleeping_daemon_is_woken(plan: Plan) -> None:
    await plan.deck.roster.start("sleeper")
    await plan.deck.until("sleeper", DaemonState.RUNNING)
    async with plan.scheduler() as scheduler:
        await scheduler.add(
            "look", {**HOURLY, "action": "wake", "job_type": None, "args": None, "daemon_name": "sleeper"}
        )
        plan.clock.jump(3600)
        await plan.clock.advance(32)

        assert await plan.outcomes("look") == ["woke"]
        assert plan.deck.daemon("sleeper").live.current_status == "Look 2"


@pytest.mark.parametrize(
    ("missed", "jobs", "outcomes"),
    [("skip", 0, ["skipped"]), ("once", 1, ["ran", "skipped"]), ("all", 5, ["ran"] * 5)],
)
async def test_what_was_missed_is_made_up_for_as_the_policy_says(
    plan: Plan, missed: str, jobs: int, outcomes: list[str]
) -> None:
    async with plan.scheduler() as scheduler:
        await scheduler.add("tidying", {**HOURLY, "missed": missed})
    plan.clock.jump(5 * 3600 + 120)

    async with plan.scheduler():
        await plan.clock.advance(1)

    assert await plan.jobs() == jobs
    assert await plan.outcomes("tidying") == outcomes
    assert (await plan.schedules.get("tidying")).next_at == plan.clock.now().replace(microsecond=0) + timedelta(
        seconds=3600 - 121
    )


async def test_of_very_many_missed_times_a_hundred_are_made_up_for(plan: Plan) -> None:
    async with plan.scheduler() as scheduler:
        await scheduler.add("tidying", {**HOURLY, "expression": "1m", "missed": "all"})
    plan.clock.jump(86_400)

    async with plan.scheduler():
        await plan.clock.advance(1)

    # The last two are on time still.
    assert CATCH_UP_MOST <= await plan.jobs() <= CATCH_UP_MOST + 2
    assert (await plan.outcomes("tidying"))[-1] == "skipped"


@pytest.mark.parametrize(
    ("unit", "told"), [("10s", "More than 10,000"), ("1h", "671")], ids=["too many to count", "counted"]
)
async def test_of_very_many_missed_times_the_newest_runs_and_the_rest_is_counted(
    plan: Plan, unit: str, told: str
) -> None:
    async with plan.scheduler() as scheduler:
        made = await scheduler.add("tidying", {**HOURLY, "expression": unit})
    plan.clock.jump(28 * 86_400 + 300)

    async with plan.scheduler():
        await plan.clock.advance(1)

    *ran, skipped = reversed(await plan.schedules.runs(made.id))
    assert all(plan.clock.now() - run.due_at < timedelta(minutes=6) for run in ran)
    assert skipped.error is not None and skipped.error.message.startswith(f"{told} due times were missed")


@pytest.mark.parametrize("is_open", [True, False], ids=["found at work", "found at start"])
async def test_a_clock_that_was_years_ahead_leaves_no_time_far_away(plan: Plan, is_open: bool) -> None:
    years = 5 * 366 * 86_400
    async with plan.scheduler() as scheduler:
        await scheduler.add("tidying", HOURLY)
        plan.clock.jump(years)
        await plan.clock.advance(31)
        assert await plan.jobs() == 1
        if is_open:
            plan.clock.jump(-years)
            await plan.clock.advance(31)
    if not is_open:
        plan.clock.jump(-years)
    async with plan.scheduler():
        await plan.clock.advance(1)
        next_at = (await plan.schedules.get("tidying")).next_at
        assert next_at is not None and next_at - plan.clock.now() <= timedelta(hours=1)

        plan.clock.jump(3600)
        await plan.clock.advance(31)

    assert await plan.outcomes("tidying") == [
        "ran",
        "skipped",
        "skipped",
        "ran",
    ]  # missed while it was ahead, and far away


async def test_a_clock_that_goes_back_runs_no_time_twice(plan: Plan) -> None:
    async with plan.scheduler() as scheduler:
        await scheduler.add("tidying", HOURLY)
        plan.clock.jump(3600)
        await plan.clock.advance(31)
        for seconds in (-3000, 2900):
            plan.clock.jump(seconds)
            await plan.clock.advance(31)

        assert await plan.jobs() == 1


async def test_two_schedulers_run_each_time_once(plan: Plan) -> None:
    async with plan.scheduler() as one, plan.scheduler():
        await one.add("tidying", HOURLY)
        for _ in range(3):
            plan.clock.jump(3600)
            await plan.clock.advance(31)

    assert await plan.jobs() == 3


async def test_a_job_that_cannot_be_made_is_a_failed_run_and_the_schedule_goes_on(
    plan: Plan, database: Database, clock: FakeClock, bus: Bus
) -> None:
    async with plan.scheduler() as scheduler:
        made = await scheduler.add("tidying", HOURLY)
    await plan.schedules.edit("tidying", {"job_type": "gone"}, lambda tx, values: dict(values))

    async with plan.scheduler():
        plan.clock.jump(3600)
        await plan.clock.advance(31)

    [run] = await plan.schedules.runs(made.id)
    assert (run.outcome, run.error.code if run.error else None) == ("failed", "ERR_UNKNOWN_JOB_TYPE")
    assert (await plan.schedules.get("tidying")).next_at is not None


async def test_a_disabled_one_does_nothing_and_goes_on_when_enabled(plan: Plan) -> None:
    async with plan.scheduler() as scheduler:
        await scheduler.add("tidying", {**HOURLY, "enabled": False})
        plan.clock.jump(7200)
        await plan.clock.advance(31)
        assert (await plan.jobs(), (await plan.schedules.get("tidying")).next_at) == (0, None)

        enabled = await scheduler.edit("tidying", {"enabled": True})

        assert enabled.next_at is not None and enabled.next_at > plan.clock.now()


async def test_it_runs_at_once_when_told_to(plan: Plan) -> None:
    async with plan.scheduler() as scheduler:
        made = await scheduler.add("tidying", HOURLY)

        job = await scheduler.run_now("tidying")

        assert job is not None and job.args == {"days": 7}
        assert (await plan.schedules.get("tidying")).next_at == made.next_at


@pytest.mark.parametrize(
    "wrong",
    [
        {"job_type": "nothing"}, {"job_type": None}, {"args": {"days": 0}}, {"args": "all"}, {"expression": "soon"},
        {"zone": "Mars"}, {"kind": "cron"}, {"action": "wake"}, {"args": [float("nan")]},
    ],
)  # fmt: skip
async def test_what_cannot_work_is_refused_when_it_is_saved(plan: Plan, wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        await plan.scheduler().add("tidying", {**HOURLY, **wrong})

    assert await plan.schedules.list() == []


async def test_a_daemon_rests_at_night_and_goes_on_in_the_morning(plan: Plan) -> None:
    await plan.deck.roster.start("sleeper")
    await plan.deck.until("sleeper", DaemonState.RUNNING)
    await plan.deck.roster.edit("sleeper", vital=True)  # naming it in a schedule is meant
    night = {**HOURLY, "kind": "cron", "job_type": None, "args": None, "daemon_name": "sleeper"}
    async with plan.scheduler() as scheduler:
        # The clock of the test begins at noon.
        await scheduler.add("night", {**night, "expression": "0 22 * * *", "action": "pause", "pause": "07:00"})
        await scheduler.add("morning", {**night, "expression": "0 6 * * *", "action": "resume"})
        plan.clock.jump(10 * 3600)
        await plan.clock.advance(31)
        paused = (await plan.deck.roster.row("sleeper")).paused_until
        assert paused == plan.clock.now().replace(hour=7, minute=0, second=0, microsecond=0) + timedelta(days=1)
        plan.clock.jump(8 * 3600)
        await plan.clock.advance(31)
        assert (await plan.deck.roster.row("sleeper")).desired is Desired.ON

    assert (await plan.outcomes("night"), await plan.outcomes("morning")) == (["paused"], ["resumed"])


async def test_a_pause_that_makes_no_sense_is_left_out_and_says_why(plan: Plan) -> None:
    pause = {**HOURLY, "action": "pause", "job_type": None, "args": None, "daemon_name": "sleeper", "pause": "2h"}
    async with plan.scheduler() as scheduler:
        made = await scheduler.add("rest", pause)
        await scheduler.run_now("rest")  # nobody wants it to run
        await plan.deck.roster.start("sleeper")
        await plan.deck.roster.pause("sleeper", None)
        await scheduler.run_now("rest")  # a person paused it for longer
        await plan.deck.roster.resume("sleeper")
    plan.clock.jump(4 * 3600 - 120)
    async with plan.scheduler():
        await plan.clock.advance(1)  # the newest is two hours over, but a minute

    reasons = [run.error.message for run in reversed(await plan.schedules.runs(made.id)) if run.error]
    assert reasons[0] == "sleeper is stopped: there is nothing to pause."
    assert reasons[1] == "sleeper is paused for longer."
    for wrong in ({"pause": "soon"}, {"pause": "25:00"}, {"daemon_name": None}):
        with pytest.raises(Invalid):
            await plan.scheduler().add("other", {**pause, **wrong})


async def test_two_edits_at_once_are_both_kept(plan: Plan) -> None:
    scheduler = plan.scheduler()
    await scheduler.add("tidying", HOURLY)

    await asyncio.gather(
        scheduler.edit("tidying", {"args": {"days": 9}}), scheduler.edit("tidying", {"job_type": "sweep"})
    )

    changed = await plan.schedules.get("tidying")
    assert (changed.job_type, changed.args, changed.revision) == ("sweep", {"days": 9}, 3)


async def test_a_daemon_that_is_not_there_cannot_be_woken(plan: Plan) -> None:
    with pytest.raises(NotFound):
        await plan.scheduler().add("look", {**HOURLY, "action": "wake", "daemon_name": "nobody"})


async def test_two_editors_are_told_of_each_other(plan: Plan) -> None:
    scheduler = plan.scheduler()
    made = await scheduler.add("tidying", HOURLY)
    await scheduler.edit("tidying", {"expression": "2h"}, revision=made.revision)

    with pytest.raises(StaleSchedule) as refused:
        await scheduler.edit("tidying", {"expression": "3h"}, revision=made.revision)

    assert (refused.value.expected, refused.value.actual) == (1, 2)
    with pytest.raises(Conflict):
        await scheduler.add("tidying", HOURLY)
    await plan.schedules.remove("tidying")
    assert await plan.schedules.list() == []
