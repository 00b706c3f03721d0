"""What daemons and jobs ask people: asked once, answered once, taken up at once, and never lost."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Literal

import pytest
from pydantic import BaseModel, Field, field_validator

from daemons import BaseDaemon, JobContext, JobState, Unanswered, daemon, job
from daemons.bus import Bus
from daemons.database import Database
from daemons.errors import Conflict, Invalid, NotFound
from daemons.events import ItemChanged, JobChanged
from daemons.questions import AlreadyAnswered, Question, QuestionState
from daemons.states import DaemonState, StopMode
from tests.engine_deck import Deck, open_deck
from tests.fake_clock import FakeClock

HOSTILE = '"><script>alert(1)</script>\u202e🙂' + "x" * 10_000


class Where(BaseModel):
    """Where the clip belongs."""

    shelf: Literal["keep", "throw away"]
    note: str = Field("", max_length=100)

    @field_validator("note")
    @classmethod
    def _polite(cls, note: str) -> str:
        if "damn" in note:
            raise ValueError("be polite")
        return note


@job("sort_clip")
async def sort_clip(ctx: JobContext) -> dict[str, str]:
    """Asks where a clip belongs."""
    return (await ctx.ask("Where does clip 7 belong?", Where)).model_dump()


@job("sort_soon")
async def sort_soon(ctx: JobContext) -> dict[str, str]:
    """Does not wait for ever."""
    return (await ctx.ask("Keep it?", Where, timeout=60, fallback=Where(shelf="keep"))).model_dump()


@job("sort_or_fail")
async def sort_or_fail(ctx: JobContext) -> None:
    """Fails when nobody answers."""
    await ctx.ask("Keep it?", Where, timeout=60)


@daemon("sorter")
class Sorter(BaseDaemon):
    """Asks, and says what it was told."""

    async def run(self) -> None:
        where = await self.ask("Which shelf today?", Where, suggestion=Where(shelf="keep"))
        await self.update_status(f"Using {where.shelf}")
        await self.sleep(1000)


@pytest.fixture
async def deck(database: Database, clock: FakeClock, bus: Bus) -> AsyncIterator[Deck]:
    async with open_deck(database, clock, bus, sort_clip, sort_soon, sort_or_fail, Sorter) as deck:
        yield deck


async def asked(deck: Deck) -> Question:
    """Return the question that is asked next."""
    event = await deck.events.next(ItemChanged, lambda event: event.data["state"] == "open")
    return await deck.questions.get(event.id)


async def ended(deck: Deck, job_id: str) -> JobChanged:
    return await deck.events.next(JobChanged, lambda event: event.job.id == job_id and event.job.is_finished)


async def test_an_answer_is_the_jobs_at_once_and_says_who_gave_it(deck: Deck) -> None:
    made = (await deck.orders.create("sort_clip")).job
    question = await asked(deck)
    waiting = await deck.events.next(JobChanged, lambda event: event.job.waiting_reason is not None)

    assert waiting.job.waiting_reason == "Awaiting input: Where does clip 7 belong?"
    assert deck.questions.open_count == 1
    answered = await deck.questions.answer(question.id, {"shelf": "keep", "note": "good"}, who="ana")

    assert (answered.state, answered.answered_by) == (QuestionState.ANSWERED, "ana")
    assert (await ended(deck, made.id)).job.result == {"shelf": "keep", "note": "good"}
    assert deck.questions.open_count == 0


async def test_a_question_is_answered_once(deck: Deck) -> None:
    await deck.orders.create("sort_clip")
    question = await asked(deck)
    await deck.questions.answer(question.id, {"shelf": "keep"}, who="ana")

    with pytest.raises(AlreadyAnswered, match="ana answered"):
        await deck.questions.answer(question.id, {"shelf": "throw away"}, who="ben")


@pytest.mark.parametrize(
    "answer", [{"shelf": "elsewhere"}, {}, [], None, {"shelf": "keep", "note": HOSTILE}, {"shelf": ["keep"]}]
)
async def test_what_does_not_fit_the_form_is_refused_and_the_question_stays(deck: Deck, answer: object) -> None:
    await deck.orders.create("sort_clip")
    question = await asked(deck)

    with pytest.raises(Invalid):
        await deck.questions.answer(question.id, answer, who="ana")

    assert (await deck.questions.get(question.id)).is_open


async def test_what_only_the_model_can_refuse_is_asked_again_with_the_reason(deck: Deck) -> None:
    made = (await deck.orders.create("sort_clip")).job
    question = await asked(deck)

    await deck.questions.answer(question.id, {"shelf": "keep", "note": "damn"}, who="ana")
    again = await asked(deck)

    assert (again.id, again.suggestion) == (question.id, {"shelf": "keep", "note": "damn"})
    assert "be polite" in (again.detail or "")
    await deck.questions.answer(question.id, {"shelf": "keep"}, who="ana")
    assert (await ended(deck, made.id)).job.state is JobState.COMPLETED


async def test_without_an_answer_the_fallback_is_taken_in_time(deck: Deck) -> None:
    made = (await deck.orders.create("sort_soon")).job
    question = await asked(deck)

    await deck.clock.advance(61)

    assert (await ended(deck, made.id)).job.result == {"shelf": "keep", "note": ""}
    assert (await deck.questions.get(question.id)).answered_by == "its deadline"


async def test_without_a_fallback_the_job_fails_by_name(deck: Deck) -> None:
    made = (await deck.orders.create("sort_or_fail")).job
    question = await asked(deck)

    await deck.clock.advance(61)

    error = (await ended(deck, made.id)).job.error
    assert error is not None
    assert error.code == Unanswered.code
    with pytest.raises(Conflict, match="expired"):
        await deck.questions.answer(question.id, {"shelf": "keep"}, who="ana")


async def test_the_question_of_a_cancelled_job_is_withdrawn(deck: Deck) -> None:
    made = (await deck.orders.create("sort_clip")).job
    question = await asked(deck)

    await deck.orders.cancel(made.id)

    await deck.events.next(ItemChanged, lambda event: event.data["state"] == "withdrawn")
    assert deck.questions.open_count == 0
    assert not (await deck.questions.get(question.id)).is_open


async def test_a_job_given_back_asks_nothing_twice(database: Database, clock: FakeClock, bus: Bus) -> None:
    async with open_deck(database, clock, bus, sort_clip) as deck:
        made = (await deck.orders.create("sort_clip")).job
        question = await asked(deck)
        await deck.executor.stop(5)
    await deck.questions.answer(question.id, {"shelf": "throw away"}, who="ana")

    async with open_deck(database, clock, bus, sort_clip) as deck:
        assert (await ended(deck, made.id)).job.result == {"shelf": "throw away", "note": ""}
        assert [one.id for one in (await deck.questions.list(is_open=None)).items] == [question.id]


async def test_a_daemon_waits_for_its_answer_without_being_silent(deck: Deck) -> None:
    await deck.roster.start("sorter")
    question = await asked(deck)
    assert (question.daemon_name, question.suggestion) == ("sorter", {"shelf": "keep", "note": ""})

    await deck.clock.advance(600)
    assert not deck.daemon("sorter").live.silent
    assert deck.daemon("sorter").live.wait_reason == "Awaiting input: Which shelf today?"
    await deck.questions.answer(question.id, {"shelf": "keep"}, who="ana")
    await deck.clock.advance(1)

    assert deck.daemon("sorter").live.current_status == "Using keep"
    assert (await deck.questions.get(question.id)).state is QuestionState.TAKEN


@pytest.mark.parametrize("mode", [StopMode.DRAIN, StopMode.NOW])
async def test_a_stopped_daemon_hears_at_its_next_start_what_was_answered_meanwhile(deck: Deck, mode: StopMode) -> None:
    await deck.roster.start("sorter")
    question = await asked(deck)

    await deck.roster.stop("sorter", mode)
    await deck.until("sorter", DaemonState.STOPPED)
    await deck.questions.answer(question.id, {"shelf": "throw away"}, who="ana")
    await deck.roster.start("sorter")
    await deck.until("sorter", DaemonState.RUNNING)
    await deck.clock.advance(1)

    assert deck.daemon("sorter").live.current_status == "Using throw away"


async def test_questions_are_listed_newest_first_a_page_at_a_time(deck: Deck) -> None:
    for _ in range(3):
        await deck.orders.create("sort_clip")
        await asked(deck)
        await deck.clock.advance(1)

    first = await deck.questions.list(limit=2)
    second = await deck.questions.list(limit=2, before=first.items[-1])

    ages = [question.created_at for question in [*first.items, *second.items]]
    assert (len(ages), ages) == (3, sorted(ages, reverse=True))
    assert (first.next is not None, second.next) == (True, None)
    assert ages[0] - ages[-1] >= timedelta(seconds=2)
    with pytest.raises(NotFound):
        await deck.questions.get("nothing")
