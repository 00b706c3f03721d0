"""What every dispatcher must keep, written against the seam: the same handlers, whoever carries the jobs.

A dispatcher's test module defines the fixture `make_dispatcher` and derives a test class from each of these.
"""

import asyncio
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy import insert, update

from daemons import attempts, claims, job_ends
from daemons.database import Database
from daemons.errors import Conflict, NotFound, Permanent, Superseded, Unavailable
from daemons.events import JobChanged
from daemons.handlers import JobContext, JobFailed, job
from daemons.job_rows import JOBS
from daemons.models import ManagerTable
from daemons.orders import Created
from daemons.outcomes import Completed, Ending
from daemons.states import JobState, LogLevel
from daemons.transaction import Transaction
from daemons.values import Job, Progress
from tests.dispatch.job_deck import JobDeck, soon
from tests.fake_clock import FakeClock
from tests.recorder import Recorder

DYING_WORKER = Path(__file__).with_name("dying_worker.py")


class Number(BaseModel):
    value: int


@job("double")
async def double(ctx: JobContext, args: Number) -> Number:
    return Number(value=args.value * 2)


class Held:
    """A handler that begins, says so, and ends when told to."""

    def __init__(self, type: str = "held", **rules: Any) -> None:
        self.begun = asyncio.Event()
        self.release = asyncio.Event()
        self.runs: list[str] = []

        @job(type, **rules)
        async def held(ctx: JobContext) -> None:
            self.runs.append(ctx.job_id)
            self.begun.set()
            await self.release.wait()

        self.handler = held


class EndsConformance:
    """How jobs end."""

    async def test_a_job_ends_with_its_result(self, deck: JobDeck) -> None:
        async with deck.running(double):
            ended = await deck.run("double", {"value": 21})

        assert (ended.state, ended.result) == (JobState.COMPLETED, {"value": 42})
        assert (ended.attempt, ended.failures, ended.crashes) == (1, 0, 0)

    async def test_a_job_that_raises_is_tried_again_and_every_attempt_is_kept(
        self, deck: JobDeck, clock: FakeClock, events: Recorder
    ) -> None:
        @job("flaky", max_attempts=3)
        async def flaky(ctx: JobContext) -> int:
            if ctx.attempt < 3:
                raise OSError(f"attempt {ctx.attempt}")
            return ctx.attempt

        async with deck.running(flaky):
            ordered = await deck.order("flaky")
            for attempt in (1, 2):
                waiting = (await events.next(JobChanged, lambda e: _queued_after(e.job, attempt))).job
                assert waiting.waiting_reason and waiting.waiting_reason.startswith(f"Try {attempt + 1} of 3 at ")
                await clock.advance(60)
            ended = await deck.end(ordered)
        detail = await deck.jobs.detail(ordered.id)

        assert (ended.state, ended.result, ended.failures) == (JobState.COMPLETED, 3, 2)
        assert [one.outcome for one in detail.attempts] == ["failed", "failed", "completed"]
        assert [one.error.message for one in detail.attempts if one.error] == ["attempt 1", "attempt 2"]

    async def test_a_job_fails_for_good_after_its_last_attempt(self, deck: JobDeck, clock: FakeClock) -> None:
        @job("broken", max_attempts=1)
        async def broken(ctx: JobContext) -> None:
            raise FileNotFoundError("no such picture")

        async with deck.running(broken):
            ended = await deck.run("broken")

        assert ended.state is JobState.FAILED
        assert ended.error and ended.error.code == "ERR_FILE_NOT_FOUND"
        assert ended.error.detail and "in broken" in ended.error.detail

    async def test_an_error_that_no_try_can_mend_is_not_tried_again(self, deck: JobDeck) -> None:
        @job("hopeless", max_attempts=5)
        async def hopeless(ctx: JobContext) -> None:
            raise Permanent("The picture is no picture.", code="ERR_NOT_A_PICTURE", remedy="Remove it.")

        @job("confused", max_attempts=5)
        async def confused(ctx: JobContext) -> None:
            Number.model_validate({"value": "many"})

        async with deck.running(hopeless, confused):
            ended = await deck.run("hopeless")
            invalid = await deck.run("confused")

        assert (ended.state, ended.attempt) == (JobState.FAILED, 1)
        assert ended.error and (ended.error.code, ended.error.remedy) == ("ERR_NOT_A_PICTURE", "Remove it.")
        assert (invalid.state, invalid.attempt) == (JobState.FAILED, 1)

    async def test_a_parent_waits_for_its_children_without_a_slot(self, deck: JobDeck, events: Recorder) -> None:
        @job("child", lane="narrow")
        async def child(ctx: JobContext, args: Number) -> int:
            return args.value

        @job("parent", lane="narrow")
        async def parent(ctx: JobContext) -> int:
            children = [await ctx.spawn("child", {"value": value}) for value in (1, 2, 3)]
            return sum([(await ctx.wait_for(one)).result for one in children])

        async with deck.running(parent, child, slots={"narrow": 1}):
            ended = await deck.run("parent")
        detail = await deck.jobs.detail(ended.id)

        assert (ended.state, ended.result) == (JobState.COMPLETED, 6)
        assert [one.result for one in detail.children] == [1, 2, 3]
        assert events.seen(JobChanged, lambda e: (e.job.waiting_reason or "").startswith("Waits for child "))

    async def test_overlapping_waits_hold_no_slot_either(self, deck: JobDeck) -> None:
        @job("child", lane="narrow")
        async def child(ctx: JobContext, args: Number) -> int:
            return args.value

        @job("parent", lane="narrow")
        async def parent(ctx: JobContext) -> list[int]:
            children = [await ctx.spawn("child", {"value": value}) for value in (1, 2, 3)]
            return [one.result for one in await asyncio.gather(*map(ctx.wait_for, children))]

        async with deck.running(parent, child, slots={"narrow": 1}) as executor:
            ended = await deck.run("parent")
            again = await deck.run("parent")

            assert ended.result == again.result == [1, 2, 3]
            assert executor.running == []

    async def test_a_failed_child_carries_its_code_up(self, deck: JobDeck) -> None:
        @job("embeddings")
        async def embeddings(ctx: JobContext) -> None:
            raise Permanent("There are no embeddings.", code="ERR_EMBEDDINGS_MISSING")

        @job("cluster")
        async def cluster(ctx: JobContext) -> None:
            await ctx.wait_for(await ctx.spawn("embeddings"))

        async with deck.running(embeddings, cluster):
            ended = await deck.run("cluster")

        assert ended.state is JobState.FAILED
        assert ended.error and ended.error.code == "ERR_PREREQ_FAILED"
        assert ended.error.cause and ended.error.cause.code == "ERR_EMBEDDINGS_MISSING"

    async def test_a_parent_may_go_on_without_its_child(self, deck: JobDeck) -> None:
        @job("child", max_attempts=1)
        async def child(ctx: JobContext) -> None:
            raise OSError("gone")

        @job("parent")
        async def parent(ctx: JobContext) -> str:
            try:
                await ctx.wait_for(await ctx.spawn("child"))
            except JobFailed as error:
                return f"without {error.job.type}"
            return "with everything"

        async with deck.running(parent, child):
            ended = await deck.run("parent")

        assert ended.result == "without child"

    async def test_a_retried_parent_finds_its_children_and_tries_the_failed_ones_again(
        self, deck: JobDeck, clock: FakeClock
    ) -> None:
        runs: list[str] = []

        @job("child", max_attempts=1)
        async def child(ctx: JobContext, args: Number) -> None:
            runs.append(f"{args.value}.{ctx.attempt}")
            if args.value == 2 and ctx.attempt == 1:
                raise OSError("once")

        @job("parent")
        async def parent(ctx: JobContext) -> None:
            for value in (1, 2):
                await ctx.wait_for(await ctx.spawn("child", {"value": value}))

        async with deck.running(parent, child):
            failed = await deck.run("parent")
            await clock.advance(1)
            await deck.orders.retry(failed.id)
            ended = await deck.end(failed)

        assert (failed.state, ended.state, ended.attempt) == (JobState.FAILED, JobState.COMPLETED, 2)
        assert runs == ["1.1", "2.1", "2.2"]

    async def test_a_result_of_a_mebibyte_is_kept_and_a_larger_one_refused(self, deck: JobDeck) -> None:
        @job("large")
        async def large(ctx: JobContext, args: Number) -> str:
            return "x" * args.value

        async with deck.running(large):
            kept = await deck.run("large", {"value": 1_048_576 - 2})
            refused = await deck.run("large", {"value": 1_048_576})

        assert kept.state is JobState.COMPLETED
        assert len((await deck.jobs.get(kept.id)).result) == 1_048_574
        assert refused.error and refused.error.code == "ERR_RESULT_NOT_JSON"

    @pytest.mark.parametrize("value", [float("nan"), object(), {1: 2}, "\ud800", b"bytes"], ids=repr)
    async def test_a_result_that_is_not_json_fails_the_job_at_once(self, deck: JobDeck, value: object) -> None:
        @job("odd")
        async def odd(ctx: JobContext) -> object:
            return value

        async with deck.running(odd):
            ended = await deck.run("odd")

        assert (ended.state, ended.attempt) == (JobState.FAILED, 1)
        assert ended.error and ended.error.code == "ERR_RESULT_NOT_JSON"

    async def test_stored_arguments_that_no_longer_fit_fail_the_job(self, deck: JobDeck) -> None:
        @job("double")
        async def earlier(ctx: JobContext, args: dict[str, Any]) -> None:
            return

        deck.types.add(earlier)
        ordered = await deck.order("double", {"amount": 1})
        async with deck.running(double):
            ended = await deck.end(ordered)

        assert ended.error and ended.error.code == "ERR_BAD_ARGUMENTS" and "value" in ended.error.message

    async def test_a_stored_job_of_an_unknown_type_fails_with_a_sentence(self, deck: JobDeck) -> None:
        deck.types.add(double)
        ordered = await deck.order("double", {"value": 1})
        deck.types.jobs.clear()
        async with deck.running():
            ended = await deck.end(ordered)

        assert ended.state is JobState.FAILED
        assert ended.error and ended.error.message == "There is no handler for jobs of type 'double'."

    @pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=repr)
    async def test_a_handler_that_exits_fails_and_the_executor_goes_on(
        self, deck: JobDeck, error: BaseException
    ) -> None:
        @job("exiting", max_attempts=1)
        async def exiting(ctx: JobContext) -> None:
            raise error

        async with deck.running(exiting, double):
            ended = await deck.run("exiting")
            after = await deck.run("double", {"value": 1})

        assert ended.error and ended.error.code == "ERR_HANDLER_EXITED"
        assert after.state is JobState.COMPLETED

    async def test_a_handler_that_cancels_itself_has_failed(self, deck: JobDeck) -> None:
        @job("selfish", max_attempts=1)
        async def selfish(ctx: JobContext) -> None:
            raise asyncio.CancelledError

        async with deck.running(selfish):
            ended = await deck.run("selfish")

        assert ended.error and ended.error.code == "ERR_CANCELLED_ITSELF"

    async def test_a_job_that_kills_its_process_five_times_is_not_tried_again(
        self, deck: JobDeck, database_url: str
    ) -> None:
        @job("poison")
        async def poison(ctx: JobContext) -> None:
            raise AssertionError("it would be the sixth time")

        deck.types.add(poison)
        # The process that dies lives in real time.
        ordered = await deck.order("poison", run_after=datetime(2020, 1, 1, tzinfo=UTC))
        for _ in range(attempts.CRASHES_ALLOWED):
            assert await _worker_dies(database_url) == 7
        async with deck.running(poison):
            ended = await deck.end(ordered)
        detail = await deck.jobs.detail(ordered.id)

        assert ended.error and ended.error.code == "ERR_KILLED_ITS_WORKER"
        assert (ended.attempt, ended.crashes, ended.failures) == (5, 5, 0)
        assert [one.outcome for one in detail.attempts] == ["crashed"] * 5


class StoppingConformance:
    """How jobs are ended."""

    async def test_a_cancelled_queued_job_never_runs(self, deck: JobDeck) -> None:
        held = Held()
        deck.types.add(held.handler)
        ordered = await deck.order("held")
        cancelled = await deck.orders.cancel(ordered.id, reason="Not wanted any more.")
        async with deck.running(held.handler, double):
            await deck.run("double", {"value": 1})

        assert cancelled.state is JobState.CANCELLED
        assert cancelled.error and cancelled.error.message == "Not wanted any more."
        assert held.runs == []

    async def test_a_cancelled_running_job_tidies_up_first(self, deck: JobDeck, events: Recorder) -> None:
        begun, tidied = asyncio.Event(), asyncio.Event()

        @job("careful")
        async def careful(ctx: JobContext) -> None:
            try:
                begun.set()
                await asyncio.Event().wait()
            finally:
                await ctx.progress(7, 10, "tidied up")
                tidied.set()

        async with deck.running(careful):
            ordered = await deck.order("careful")
            await soon(begun)
            telling = await deck.orders.cancel(ordered.id, reason="Enough.")
            ended = await deck.end(ordered)

        assert telling.state is JobState.CANCELLING
        assert ended.state is JobState.CANCELLED and tidied.is_set()
        assert ended.error and (ended.error.code, ended.error.message) == ("ERR_CANCELLED", "Enough.")
        assert ended.progress == Progress(7, 10, "tidied up")
        assert ended.failures == 0

    async def test_a_second_cancel_does_not_disturb_the_tidying_up(self, deck: JobDeck) -> None:
        begun, tidying, release = asyncio.Event(), asyncio.Event(), asyncio.Event()

        @job("careful")
        async def careful(ctx: JobContext) -> None:
            try:
                begun.set()
                await asyncio.Event().wait()
            finally:
                tidying.set()
                await release.wait()

        async with deck.running(careful):
            ordered = await deck.order("careful")
            await soon(begun)
            await deck.orders.cancel(ordered.id)
            await soon(tidying)
            again = await deck.orders.cancel(ordered.id)
            release.set()
            ended = await deck.end(ordered)

        assert (again.state, ended.state) == (JobState.CANCELLING, JobState.CANCELLED)

    async def test_a_job_that_ends_well_in_spite_of_its_cancel_has_completed(self, deck: JobDeck) -> None:
        begun = asyncio.Event()

        @job("stubborn")
        async def stubborn(ctx: JobContext) -> str:
            try:
                begun.set()
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return "done all the same"
            raise AssertionError

        async with deck.running(stubborn):
            ordered = await deck.order("stubborn")
            await soon(begun)
            await deck.orders.cancel(ordered.id)
            ended = await deck.end(ordered)

        assert (ended.state, ended.result) == (JobState.COMPLETED, "done all the same")

    async def test_a_job_that_takes_too_long_is_ended_and_tried_again(
        self, deck: JobDeck, clock: FakeClock, events: Recorder
    ) -> None:
        held = Held(timeout=30, max_attempts=2)

        async with deck.running(held.handler):
            ordered = await deck.order("held")
            await soon(held.begun)
            await clock.advance(30.5)
            first = (await events.next(JobChanged, lambda e: _queued_after(e.job, 1))).job
            held.begun.clear()
            await clock.advance(5)
            await soon(held.begun)
            await clock.advance(31)
            ended = await deck.end(ordered)

        assert first.error and first.error.code == "ERR_TIMEOUT"
        assert (ended.state, ended.attempt) == (JobState.FAILED, 2)

    async def test_a_job_that_ignores_its_cancel_is_abandoned_and_its_late_end_refused(
        self, deck: JobDeck, clock: FakeClock, events: Recorder
    ) -> None:
        begun, release = asyncio.Event(), asyncio.Event()

        @job("deaf", tidy_up=3, lane="narrow")
        async def deaf(ctx: JobContext) -> None:
            begun.set()
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    continue

        @job("next", lane="narrow")
        async def next_one(ctx: JobContext) -> None:
            return

        async with deck.running(deaf, next_one, slots={"narrow": 1}) as executor:
            ordered = await deck.order("deaf")
            await soon(begun)
            await deck.orders.cancel(ordered.id)
            await clock.advance(4)
            ended = await deck.end(ordered)
            after = await deck.run("next")
            abandoned = executor.abandoned
            events.forget()
            release.set()
            await events.next(JobChanged, lambda e: e.job.id == ordered.id)
        detail = await deck.jobs.detail(ordered.id)

        assert ended.state is JobState.CANCELLED
        assert ended.error and "abandoned" in (ended.error.detail or "")
        assert after.state is JobState.COMPLETED
        assert abandoned == [ordered.id]
        assert [one.what for one in detail.refused] == ["late end"]

    async def test_cancelling_a_parent_cancels_its_children(self, deck: JobDeck, events: Recorder) -> None:
        child = Held("child")

        @job("parent")
        async def parent(ctx: JobContext) -> None:
            await ctx.wait_for(await ctx.spawn("child"))

        async with deck.running(parent, child.handler):
            ordered = await deck.order("parent")
            await soon(child.begun)
            await deck.orders.cancel(ordered.id)
            ended = await deck.end(ordered)
            child_ended = (await events.next(JobChanged, lambda e: e.job.type == "child" and e.job.is_finished)).job

        assert (ended.state, child_ended.state) == (JobState.CANCELLED, JobState.CANCELLED)

    async def test_a_polite_stop_counts_nothing_and_keeps_the_progress(self, deck: JobDeck) -> None:
        seen: list[Progress | None] = []
        begun = asyncio.Event()

        @job("long", max_attempts=1)
        async def long(ctx: JobContext) -> None:
            seen.append(ctx.job.progress)
            if ctx.attempt == 1:
                await ctx.progress(40, 100, "forty")
                begun.set()
                await asyncio.Event().wait()

        async with deck.running(long) as executor:
            ordered = await deck.order("long")
            await soon(begun)
            stopped = await executor.stop(1)
        waiting = await deck.jobs.get(ordered.id)
        async with deck.running(long):
            ended = await deck.end(ordered)

        assert (stopped.given_back, stopped.abandoned, stopped.unsettled) == ([ordered.id], [], 0)
        assert (waiting.state, waiting.progress) == (JobState.QUEUED, Progress(40, 100, "forty"))
        assert (waiting.attempt, waiting.failures, waiting.crashes) == (1, 0, 0)
        assert (ended.state, ended.attempt) == (JobState.COMPLETED, 2)
        assert seen == [None, Progress(40, 100, "forty")]

    async def test_a_stop_admits_nothing_more_and_is_safe_twice(self, deck: JobDeck) -> None:
        async with deck.running(double) as executor:
            first, second = await asyncio.gather(executor.stop(1), executor.stop(1))
            ordered = await deck.order("double", {"value": 1})

        assert first is second
        assert (await deck.jobs.get(ordered.id)).state is JobState.QUEUED

    async def test_a_stop_leaves_a_deaf_job_behind_and_says_so(self, deck: JobDeck, clock: FakeClock) -> None:
        begun, release = asyncio.Event(), asyncio.Event()

        @job("deaf", tidy_up=60)
        async def deaf(ctx: JobContext) -> None:
            begun.set()
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    continue

        async with deck.running(deaf) as executor:
            ordered = await deck.order("deaf")
            await soon(begun)
            stopping = asyncio.create_task(executor.stop(6))
            await clock.advance(7)
            stopped = await stopping
            release.set()

        assert stopped.abandoned == [ordered.id]
        assert (await deck.jobs.get(ordered.id)).state is JobState.QUEUED


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

    async def test_a_key_means_one_job_ever_and_one_body(self, deck: JobDeck) -> None:
        async with deck.running(double):
            made = await asyncio.gather(*(_create_patiently(deck, {"value": 1}, key="order 7") for _ in range(1000)))
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


class FencingConformance:
    """Who may write to a job."""

    async def test_a_late_finish_is_refused_and_listed(self, deck: JobDeck, database: Database) -> None:
        deck.types.add(double)
        ordered = await deck.order("double", {"value": 4})
        zombie = (await database.write(lambda tx: _claim(tx, "zombie")))[0]
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
            await database.write(lambda tx: _give_to_another(tx, ordered.id))
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
            await database.write(lambda tx: _give_to_another(tx, ctx.job_id))
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
        await database.write(lambda tx: _claim(tx, "dead"))
        second = await deck.order("double", {"value": 2})
        await database.write(lambda tx: _claim(tx, "alive"))
        await database.write(lambda tx: _make_manager(tx, "dead", "alive"))
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
            await database.write(lambda tx: _claim(tx, "worker 2"))
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


class StormConformance:
    """What a job may throw at the deck."""

    async def test_a_progress_storm_is_coalesced_and_its_last_word_kept(
        self, deck: JobDeck, events: Recorder, clock: FakeClock
    ) -> None:
        @job("stormy")
        async def stormy(ctx: JobContext) -> None:
            for done in range(5000):
                await ctx.progress(done, 4999, "x" * 600)

        async with deck.running(stormy):
            ended = await deck.run("stormy")
        told = events.seen(JobChanged, lambda e: e.job.id == ended.id and e.job.progress is not None)
        revisions = [e.job.revision for e in events.seen(JobChanged, lambda e: e.job.id == ended.id)]

        assert ended.progress and (ended.progress.done, ended.progress.fraction) == (4999, 1.0)
        assert len(ended.progress.message or "") == 500
        assert len(told) <= 3
        assert revisions == sorted(set(revisions))
        assert (await deck.jobs.get(ended.id)).progress == ended.progress

    async def test_progress_is_shown_ten_times_a_second_and_stored_four_times(
        self, deck: JobDeck, events: Recorder, clock: FakeClock
    ) -> None:
        begun = asyncio.Event()

        @job("steady")
        async def steady(ctx: JobContext) -> None:
            begun.set()
            for done in range(101):
                await ctx.progress(done, 100)
                await clock.sleep(0.01)

        async with deck.running(steady):
            ordered = await deck.order("steady")
            await soon(begun)
            await clock.advance(0.5)
            stored = (await deck.jobs.get(ordered.id)).progress
            await clock.advance(2)
            await deck.end(ordered)
        told = events.seen(JobChanged, lambda e: e.job.id == ordered.id and e.job.progress is not None)

        assert stored and 20 <= stored.done <= 50
        assert 8 <= len(told) <= 14

    async def test_a_log_storm_is_slowed_down(self, deck: JobDeck, clock: FakeClock) -> None:
        @job("chatty")
        async def chatty(ctx: JobContext) -> None:
            for _ in range(1000):
                await ctx.log(LogLevel.INFO, "again")
            await ctx.log("no such level", "the last")

        async with deck.running(chatty):
            ordered = await deck.order("chatty")
            await clock.advance(30)
            await deck.end(ordered)
            await deck.journal.flush()
            lines = await deck.journal.lines(job_id=ordered.id, limit=2000)

        assert len(lines) < 600
        assert "the last" in [line.message for line in lines]

    async def test_a_job_that_blocks_the_loop_holds_up_the_others_but_no_longer(self, deck: JobDeck) -> None:
        @job("blocking")
        async def blocking(ctx: JobContext) -> None:
            time.sleep(0.2)

        async with deck.running(blocking, double):
            ordered = [await deck.order("blocking"), await deck.order("double", {"value": 1})]
            ended = [await deck.end(one) for one in ordered]

        assert [one.state for one in ended] == [JobState.COMPLETED, JobState.COMPLETED]

    async def test_a_thousand_jobs_all_end_once(self, deck: JobDeck, events: Recorder) -> None:
        async with deck.running(double):
            made = await asyncio.gather(*(_create_patiently(deck, {"value": n}) for n in range(1000)))
            for one in made:
                await deck.end(one.job)
        ends = [e.job.id for e in events.seen(JobChanged, lambda e: e.job.is_finished)]

        assert sorted(ends) == sorted(one.job.id for one in made)


def _queued_after(one: Job, attempt: int) -> bool:
    return one.state is JobState.QUEUED and one.attempt == attempt


def _claim(tx: Transaction, worker: str) -> list[Job]:
    return claims.claim(tx, worker, {"default": 1}, claims.Admission())


def _give_to_another(tx: Transaction, job_id: str) -> None:
    _make_manager(tx, "another")
    tx.execute(update(JOBS).where(JOBS.c.id == job_id).values(worker="another", attempt=JOBS.c.attempt + 1))


def _make_manager(tx: Transaction, *ids: str) -> None:
    for manager in ids:
        values = {"id": manager, "host": "elsewhere", "pid": 1, "process_started": 0.0, "beat": 1}
        tx.execute(insert(ManagerTable), {**values, "started_at": tx.now, "beat_at": tx.now})


async def _create_patiently(deck: JobDeck, args: Any, **wishes: Any) -> Created:
    """Order as a client does: a busy database says so, and one asks again."""
    while True:
        try:
            return await deck.orders.create("double", args, **wishes)
        except Unavailable:
            await asyncio.sleep(0)


async def _worker_dies(database_url: str) -> int | None:
    child = await asyncio.create_subprocess_exec(sys.executable, str(DYING_WORKER), database_url)
    async with asyncio.timeout(20):
        return await child.wait()
