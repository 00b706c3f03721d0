"""Conformance of dispatchers: who may write to a job."""

import asyncio

import pytest

from daemons.database import Database
from daemons.errors import Conflict, NotFound, Superseded
from daemons.handlers import JobContext, job
from daemons.jobs import attempts
from daemons.jobs import ends as job_ends
from daemons.jobs.outcomes import Completed, Ending
from daemons.states import JobState
from tests.dispatch.job_deck import JobDeck, soon
from tests.dispatch.toy_jobs import (
    Held,
    claim_one,
    double,
    give_to_another,
    make_managers,
)
from tests.fake_clock import FakeClock
from tests.recorder import Recorder


class FencingConformance:
    """Who may write to a job."""

    async def test_a_late_finish_is_refused_and_listed(self, deck: JobDeck, database: Database) -> None:
        deck.types.add(double)
        ordered = await deck.order("double", {"value": 4})
        zombie = (await database.write(lambda tx: claim_one(tx, "zombie")))[0]
        await database.write(lambda tx: attempts.rescue(tx, {"zombie"}))
        async with deck.running(double):
            ended = await deck.end(ordered)
            late = await database.write(lambda tx: job_ends.end_all(tx, [Ending(zombie, Completed("late"))]))
        detail = await deck.jobs.detail(ordered.id)

        assert late == [None]
        assert detail.job.result == ended.result == {"value": 8}
        assert [(one.what, one.attempt, one.worker) for one in detail.refused] == [("finish", 1, "zombie")]
        assert [one.outcome for one in detail.attempts] == ["crashed", "completed"]

    async def test_late_progress_is_refused_and_ends_the_zombie(
        self, deck: JobDeck, database: Database, clock: FakeClock, events: Recorder
    ) -> None:
        begun, go_on = asyncio.Event(), asyncio.Event()
        ends: list[BaseException] = []

        @job("long")
        async def long(ctx: JobContext) -> None:
            if ctx.attempt > 1:
                return
            begun.set()
            await go_on.wait()
            try:
                await ctx.progress(1, 2)
                await asyncio.Event().wait()
            except BaseException as error:
                ends.append(error)
                raise

        async with deck.running(long):
            ordered = await deck.order("long")
            await soon(begun)
            await database.write(lambda tx: attempts.rescue(tx, {"worker 1"}))
            go_on.set()
            await clock.advance(1)
            await clock.advance(3)
            await deck.end(ordered)
        detail = await deck.jobs.detail(ordered.id)

        assert [type(error) for error in ends] == [asyncio.CancelledError]
        assert [one.what for one in detail.refused] == ["progress"]
        assert detail.job.progress is None

    async def test_a_zombie_that_says_nothing_is_found_out(
        self, deck: JobDeck, database: Database, clock: FakeClock
    ) -> None:
        held = Held()

        async with deck.running(held.handler) as executor:
            ordered = await deck.order("held")
            await soon(held.begun)
            await database.write(lambda tx: give_to_another(tx, ordered.id))
            await clock.advance(3)
            running = executor.running
        detail = await deck.jobs.detail(ordered.id)

        assert running == []
        assert [one.what for one in detail.refused] == ["heartbeat"]

    async def test_a_workflows_writes_are_fenced_by_the_attempt(self, deck: JobDeck, database: Database) -> None:
        written: list[str] = []

        @job("writer", max_attempts=1)
        async def writer(ctx: JobContext) -> None:
            await ctx.write(lambda tx: written.append("mine"))
            await database.write(lambda tx: give_to_another(tx, ctx.job_id))
            with pytest.raises(Superseded):
                await ctx.write(lambda tx: written.append("not mine"))
            with pytest.raises(Superseded):
                await ctx.spawn("double", {"value": 1})

        async with deck.running(writer, double) as executor:
            ordered = await deck.order("writer")
            while not written or executor.running:
                await asyncio.sleep(0)
        detail = await deck.jobs.detail(ordered.id)

        assert written == ["mine"]
        assert [one.what for one in detail.refused][:1] == ["write"]
        assert detail.children == []

    async def test_an_offer_said_twice_runs_a_job_once(self, deck: JobDeck, database: Database) -> None:
        held = Held()

        async with deck.running(held.handler):
            ordered = await deck.order("held")
            for _ in range(3):
                await database.write(lambda tx: deck.dispatcher.offer(tx, ordered.id, ordered.attempt))
            await soon(held.begun)
            held.release.set()
            ended = await deck.end(ordered)

        assert held.runs == [ordered.id]
        assert ended.attempt == 1

    async def test_an_offer_of_a_finished_job_does_nothing(self, deck: JobDeck, database: Database) -> None:
        async with deck.running(double):
            ended = await deck.run("double", {"value": 1})
            await database.write(lambda tx: deck.dispatcher.offer(tx, ended.id, 0))
            await deck.run("double", {"value": 2})

        assert await deck.jobs.get(ended.id) == ended

    async def test_the_jobs_of_a_dead_worker_run_again_and_those_of_a_living_one_do_not(
        self, deck: JobDeck, database: Database, clock: FakeClock
    ) -> None:
        deck.types.add(double)
        first = await deck.order("double", {"value": 1})
        await database.write(lambda tx: claim_one(tx, "dead"))
        second = await deck.order("double", {"value": 2})
        await database.write(lambda tx: claim_one(tx, "alive"))
        await database.write(lambda tx: make_managers(tx, "dead", "alive"))
        async with deck.running(double):
            await clock.advance(60)
            before = [(await deck.jobs.get(one.id)).state for one in (first, second)]
            deck.dead.add("dead")
            await clock.advance(3)
            ended = await deck.end(first)
            other = await deck.jobs.get(second.id)

        assert before == [JobState.RUNNING, JobState.RUNNING]
        assert (ended.state, ended.attempt, ended.crashes, ended.failures) == (JobState.COMPLETED, 2, 1, 0)
        assert other.state is JobState.RUNNING

    async def test_a_claim_whose_answer_was_lost_is_given_back(
        self, deck: JobDeck, database: Database, clock: FakeClock
    ) -> None:
        async with deck.running(double) as executor:
            await executor.stop(1)
            ordered = await deck.order("double", {"value": 1})
            await database.write(lambda tx: claim_one(tx, "worker 2"))
        async with deck.running(double):
            await clock.advance(10)
            ended = await deck.end(ordered)

        assert (ended.state, ended.attempt, ended.crashes) == (JobState.COMPLETED, 2, 0)

    async def test_a_retried_job_counts_its_attempts_on_and_its_failures_anew(self, deck: JobDeck) -> None:
        @job("moody", max_attempts=1)
        async def moody(ctx: JobContext) -> None:
            if ctx.attempt == 1:
                raise OSError("not today")

        async with deck.running(moody):
            failed = await deck.run("moody")
            queued = await deck.orders.retry(failed.id)
            ended = await deck.end(failed)
            with pytest.raises(NotFound):
                await deck.orders.retry("nobody")
        detail = await deck.jobs.detail(failed.id)

        assert (queued.state, queued.attempt, queued.failures) == (JobState.QUEUED, 1, 0)
        assert (ended.state, ended.attempt) == (JobState.COMPLETED, 2)
        assert [one.outcome for one in detail.attempts] == ["failed", "completed"]

    async def test_an_unfinished_job_cannot_be_retried(self, deck: JobDeck) -> None:
        deck.types.add(double)
        ordered = await deck.order("double", {"value": 1})

        with pytest.raises(Conflict):
            await deck.orders.retry(ordered.id)

    async def test_a_job_ordered_before_the_restart_runs_after_it(self, deck: JobDeck) -> None:
        async with deck.running(double):
            pass
        ordered = await deck.order("double", {"value": 3})
        async with deck.running(double):
            ended = await deck.end(ordered)

        assert ended.result == {"value": 6}
