"""Conformance of dispatchers: how jobs end."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from daemons.errors import Permanent
from daemons.events import JobChanged
from daemons.handlers import JobContext, JobFailed, job
from daemons.jobs import attempts
from daemons.states import JobState
from tests.dispatch.job_deck import JobDeck
from tests.dispatch.toy_jobs import (
    Number,
    double,
    queued_after,
    worker_dies,
)
from tests.fake_clock import FakeClock
from tests.recorder import Recorder


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
                waiting = (await events.next(JobChanged, queued_after(attempt))).job
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

    @pytest.mark.parametrize(
        "value", [float("nan"), object(), {1: 2}, "\ud800", b"bytes"], ids=lambda value: type(value).__name__
    )
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
            assert await worker_dies(database_url) == 7
        async with deck.running(poison):
            ended = await deck.end(ordered)
        detail = await deck.jobs.detail(ordered.id)

        assert ended.error and ended.error.code == "ERR_KILLED_ITS_WORKER"
        assert (ended.attempt, ended.crashes, ended.failures) == (5, 5, 0)
        assert [one.outcome for one in detail.attempts] == ["crashed"] * 5
