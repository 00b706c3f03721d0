"""Conformance of dispatchers: how jobs are ended."""

import asyncio
from dataclasses import replace

from daemons.bus import Bus
from daemons.events import Event, JobChanged
from daemons.handlers import JobContext, job
from daemons.states import JobState
from daemons.values import Progress
from tests.dispatch.job_deck import JobDeck, soon
from tests.dispatch.toy_jobs import (
    Held,
    double,
    queued_after,
)
from tests.fake_clock import FakeClock
from tests.recorder import Recorder


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

    async def test_a_job_cancelled_while_it_is_being_claimed_ends(self, deck: JobDeck, bus: Bus) -> None:
        held = Held(tidy_up=0)

        def cancel_at_once(event: Event) -> None:
            # The cancel is heard before the executor has heard that the claim succeeded.
            if isinstance(event, JobChanged) and event.job.state is JobState.RUNNING:
                bus.publish(JobChanged(replace(event.job, state=JobState.CANCELLING, revision=9)))

        with bus.listen(cancel_at_once):
            async with deck.running(held.handler):
                ended = await deck.run("held")

        assert ended.state is JobState.CANCELLED
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
            first = (await events.next(JobChanged, queued_after(1))).job
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
