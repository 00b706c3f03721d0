"""Conformance of dispatchers: which job runs when."""

import asyncio
from datetime import timedelta

import pytest

from daemons.errors import Conflict
from daemons.events import JobChanged
from daemons.handlers import JobContext, job
from daemons.states import JobState
from tests.dispatch.job_deck import JobDeck, soon
from tests.dispatch.toy_jobs import (
    CALM,
    Held,
    Number,
    create_patiently,
    double,
)
from tests.fake_clock import FakeClock
from tests.recorder import Recorder


class OrderConformance:
    """Which job runs when."""

    async def test_higher_priority_goes_first_then_the_order_of_creation(self, deck: JobDeck) -> None:
        order: list[int] = []

        @job("noted", lane="narrow")
        async def noted(ctx: JobContext, args: Number) -> None:
            order.append(args.value)

        deck.types.add(noted)
        ordered = [
            await deck.order("noted", {"value": value}, priority=priority)
            for value, priority in ((1, 0), (2, 0), (3, 5), (4, -1))
        ]
        async with deck.running(noted, slots={"narrow": 1}):
            for one in ordered:
                await deck.end(one)

        assert order == [3, 1, 2, 4]

    async def test_a_lane_runs_so_many_at_once_and_the_others_say_why_they_wait(
        self, deck: JobDeck, events: Recorder, clock: FakeClock
    ) -> None:
        held = Held(lane="narrow")

        async with deck.running(held.handler, double, slots={"narrow": 2}) as executor:
            ordered = [await deck.order("held") for _ in range(4)]
            await deck.run("double", {"value": 1})
            running = len(executor.running)
            reasons = [(await deck.jobs.get(one.id)).waiting_reason for one in ordered]
            await clock.advance(4)
            told = (await events.next(JobChanged, lambda e: e.job.id == ordered[3].id and e.job.revision == 1)).job
            held.release.set()
            for one in ordered:
                await deck.end(one)

        assert running == 2
        assert reasons[:2] == [None, None]
        assert reasons[2:] == [
            "Lane narrow is full: 2 running, 0 ahead",
            "Lane narrow is full: 2 running, 1 ahead",
        ]
        assert told.waiting_reason == reasons[3]

    async def test_types_that_conflict_never_run_beside_each_other(self, deck: JobDeck) -> None:
        scan, generate = Held("scan"), Held("generate", conflicts_with={"scan"})

        async with deck.running(scan.handler, generate.handler, double):
            scanning = await deck.order("scan")
            await soon(scan.begun)
            generating = await deck.order("generate")
            more = await deck.order("scan")
            await deck.run("double", {"value": 1})
            waiting = await deck.jobs.get(generating.id)
            beside = (await deck.jobs.get(more.id)).state
            scan.release.set()
            await soon(generate.begun)
            states = [(await deck.jobs.get(one.id)).state for one in (scanning, more)]
            generate.release.set()
            await deck.end(generating)

        assert waiting.waiting_reason and waiting.waiting_reason.startswith("Waits for scan ")
        assert beside is JobState.RUNNING
        assert states == [JobState.COMPLETED, JobState.COMPLETED]

    async def test_a_type_that_conflicts_with_itself_runs_alone(self, deck: JobDeck) -> None:
        at_once, most = 0, 0

        @job("alone", conflicts_with={"alone"})
        async def alone(ctx: JobContext) -> None:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            await asyncio.sleep(0)
            at_once -= 1

        async with deck.running(alone):
            ordered = [await deck.order("alone") for _ in range(5)]
            for one in ordered:
                await deck.end(one)

        assert most == 1

    async def test_a_child_may_conflict_with_the_parent_that_waits_for_it(self, deck: JobDeck) -> None:
        @job("child", conflicts_with={"parent"})
        async def child(ctx: JobContext) -> None:
            return

        @job("parent")
        async def parent(ctx: JobContext) -> None:
            await ctx.wait_for(await ctx.spawn("child"))

        async with deck.running(parent, child):
            ended = await deck.run("parent")

        assert ended.state is JobState.COMPLETED

    async def test_unique_means_one_unfinished_job(self, deck: JobDeck) -> None:
        held = Held()

        async with deck.running(held.handler):
            made = await asyncio.gather(*(deck.orders.create("held", unique="nightly") for _ in range(20)))
            held.release.set()
            await deck.end(made[0].job)
            later = await deck.orders.create("held", unique="nightly")
            await deck.end(later.job)

        assert len({one.job.id for one in made}) == 1
        assert sum(one.is_new for one in made) == 1
        assert later.is_new and later.job.id != made[0].job.id

    async def test_a_key_means_one_job_ever_and_one_body(self, deck: JobDeck, clock: FakeClock) -> None:
        async with deck.running(double):
            made = await asyncio.gather(*(create_patiently(deck, {"value": 1}, key="order 7") for _ in range(1000)))
            await clock.advance(CALM)
            await deck.end(made[0].job)
            later = await deck.orders.create("double", {"value": 1}, key="order 7")
            with pytest.raises(Conflict) as refused:
                await deck.orders.create("double", {"value": 2}, key="order 7")

        assert len({one.job.id for one in made}) == 1
        assert sum(one.is_new for one in made) == 1
        assert (later.is_new, later.job.state) == (False, JobState.COMPLETED)
        assert refused.value.error_code == "ERR_KEY_REUSED"

    async def test_a_job_waits_until_it_is_due(self, deck: JobDeck, clock: FakeClock) -> None:
        async with deck.running(double):
            ordered = await deck.order("double", {"value": 1}, run_after=clock.now() + timedelta(seconds=100))
            waiting = await deck.jobs.get(ordered.id)
            await clock.advance(99)
            before = (await deck.jobs.get(ordered.id)).state
            await clock.advance(2)
            ended = await deck.end(ordered)

        assert waiting.waiting_reason and waiting.waiting_reason.startswith("Not before ")
        assert (before, ended.state) == (JobState.QUEUED, JobState.COMPLETED)
