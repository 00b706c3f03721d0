"""Conformance of dispatchers: what a job may throw at the deck."""

import asyncio
import time

from daemons.events import JobChanged
from daemons.handlers import JobContext, job
from daemons.states import JobState, LogLevel
from tests.dispatch.job_deck import JobDeck, soon
from tests.dispatch.toy_jobs import (
    CALM,
    create_patiently,
    double,
)
from tests.fake_clock import FakeClock
from tests.recorder import Recorder


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

    async def test_a_thousand_jobs_all_end_once(self, deck: JobDeck, clock: FakeClock, events: Recorder) -> None:
        async with deck.running(double):
            made = await asyncio.gather(*(create_patiently(deck, {"value": n}) for n in range(1000)))
            await clock.advance(CALM)
            for one in made:
                await deck.end(one.job)
        ends = [e.job.id for e in events.seen(JobChanged, lambda e: e.job.is_finished)]

        assert sorted(ends) == sorted(one.job.id for one in made)
