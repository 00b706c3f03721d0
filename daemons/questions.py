"""What daemons and jobs ask people, and the answers: durable, asked once, taken up the moment they are given.

Who asks again under the same name, after a crash for instance, gets the question that is there, or its answer.
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from pydantic import BaseModel
from sqlalchemy import ColumnElement, Row, Table, exists, func, insert, select, tuple_, update

from daemons.bus import Bus
from daemons.clock import Clock
from daemons.database import Database
from daemons.database.transaction import Transaction
from daemons.errors import Conflict, Invalid, NotFound, Permanent, Unavailable
from daemons.events import Event, ItemChanged, JobChanged
from daemons.jobs.rows import IS_UNFINISHED, JOBS
from daemons.json_values import check_json
from daemons.models import QuestionTable
from daemons.tasks import beside
from daemons.text import clean
from daemons.values import JsonValue, Page

TOPIC = "questions"
AWAITING = "Awaiting input: "
"""Begins the reason of a job or daemon that waits for an answer."""
NAME_CHARACTERS = 100
TITLE_CHARACTERS = 255
DETAIL_CHARACTERS = 4_000
FORM_BYTES = 64 * 1024
LOOK_SECONDS = 30.0
"""The longest between two looks at deadlines, so that a changed clock is noticed."""
POLL_SECONDS = 2.0
"""Between two looks at a question that may be answered in another process."""

_TABLE: Table = QuestionTable.__table__  # type: ignore[assignment]
_Q = _TABLE.c


class QuestionState(StrEnum):
    """What is true of a question."""

    OPEN = "open"  #: somebody should answer
    ANSWERED = "answered"  #: by a person, or by its fallback when its time was over
    TAKEN = "taken"  #: answered, and the daemon that asked has the answer
    EXPIRED = "expired"  #: its time was over and it had no fallback
    WITHDRAWN = "withdrawn"  #: whoever asked does not need it any more


class AlreadyAnswered(Conflict):
    """The question was answered before."""

    code = "ERR_ALREADY_ANSWERED"


class Unanswered(Permanent):
    """Nobody answered in time."""

    code = "ERR_UNANSWERED"
    remedy = "Try the job again, and answer its question on the Inbox page."


@dataclass(frozen=True, slots=True)
class NewQuestion:
    """A question about to be asked; `form` is the JSON schema of its answer."""

    name: str
    title: str
    form: dict[str, Any]
    detail: str | None = None
    suggestion: JsonValue = None
    fallback: JsonValue = None
    deadline: datetime | None = None
    daemon_id: str | None = None
    daemon_name: str | None = None
    job_id: str | None = None

    @classmethod
    def of(
        cls,
        title: str,
        form: type[BaseModel],
        *,
        name: str | None = None,
        detail: str | None = None,
        suggestion: BaseModel | None = None,
        fallback: BaseModel | None = None,
    ) -> "NewQuestion":
        """Return the question as it is stored. Raises Invalid for a name or a form that cannot be stored."""
        name = (name or title)[:NAME_CHARACTERS]
        if not name.strip() or not name.isprintable():
            raise Invalid("A question's name must be 1 to 100 printable characters.", code="ERR_INVALID_NAME")
        schema = form.model_json_schema()
        check_json(schema, "The form", limit=FORM_BYTES)
        return cls(
            name,
            clean(title, TITLE_CHARACTERS),
            schema,
            detail and clean(detail, DETAIL_CHARACTERS, keep_newlines=True),
            suggestion.model_dump(mode="json") if suggestion else None,
            fallback.model_dump(mode="json") if fallback else None,
        )


@dataclass(frozen=True, slots=True)
class Question:
    """A question as it is now."""

    id: str
    daemon_id: str | None
    daemon_name: str | None
    job_id: str | None
    name: str
    title: str
    detail: str | None
    form: dict[str, Any]
    suggestion: JsonValue
    fallback: JsonValue
    deadline: datetime | None
    state: QuestionState
    answer: JsonValue
    answered_by: str | None
    answered_at: datetime | None
    created_at: datetime

    @property
    def is_open(self) -> bool:
        return self.state is QuestionState.OPEN

    def as_dict(self) -> dict[str, JsonValue]:
        """Return the question of the HTTP API, times still datetimes."""
        return {name: getattr(self, name) for name in self.__slots__} | {"state": self.state.value}


class Questions:
    """Keeps questions; from enter to exit it minds deadlines and withdraws what nobody needs any more."""

    def __init__(self, database: Database, clock: Clock, bus: Bus) -> None:
        self._database = database
        self._clock = clock
        self._bus = bus
        self._stack = AsyncExitStack()
        self._asking_jobs: set[str] = set()
        self._open: set[str] = set()
        self._heard = 0
        self._look = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._stack.enter_context(self._bus.listen(self._hear))
        await self._stack.enter_async_context(beside(self._mind(), "questions"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    # For who asks.

    async def ask(self, new: NewQuestion, fence: Callable[[Transaction], None]) -> Question:
        """Return the stored question: a new one, or the one of that name that this asker asked before.

        `fence` raises, inside the unit, when the asker has lost its right to write.
        """

        def unit(tx: Transaction) -> Question:
            fence(tx)
            return _ask(tx, new)

        question = await self._database.write(unit)
        if question.is_open and question.job_id is not None:
            self._asking_jobs.add(question.job_id)
        self._look.set()
        return question

    async def wait(self, question_id: str) -> Question:
        """Return the question once it is not open any more. Raises NotFound, also when it is removed meanwhile."""
        changed = asyncio.Event()

        def hear(event: Event) -> None:
            if isinstance(event, ItemChanged) and (event.topic, event.id) == (TOPIC, question_id):
                changed.set()

        # Listen before reading: an answer between the two is heard, not missed.
        with self._bus.listen(hear):
            while (question := await self.get(question_id)).is_open:
                await self._clock.wait(changed, LOOK_SECONDS if self._database.is_sqlite else POLL_SECONDS)
                changed.clear()
        return question

    async def take(self, question: Question, form: type[BaseModel]) -> BaseModel | None:
        """Return the answer as `form`, or None when it does not fit and was asked for once more.

        Raises Unanswered for a question that expired or was withdrawn.
        """
        if question.state not in (QuestionState.ANSWERED, QuestionState.TAKEN):
            raise Unanswered(f"Nobody answered in time: {question.title}")
        try:
            answer = form.model_validate(question.answer)
        except ValueError as error:
            # The schema could not say all that the form demands.
            why = clean(str(error), DETAIL_CHARACTERS // 2, keep_newlines=True)
            await self._database.write(lambda tx: _ask_again(tx, question.id, why))
            return None
        if question.job_id is None:
            await self._database.write(lambda tx: _move(tx, _Q.id == question.id, {"state": QuestionState.TAKEN.value}))
        return answer

    # For people.

    async def get(self, question_id: str) -> Question:
        """Return one question. Raises NotFound."""
        row = await self._database.fetch_one(select(_TABLE).where(_Q.id == question_id))
        if row is None:
            raise NotFound(f"There is no question {clean(question_id, 40)}.", code="ERR_UNKNOWN_QUESTION")
        return _question(row)

    async def list(self, *, is_open: bool | None = True, before: Question | None = None, limit: int = 50) -> Page:
        """Return questions older than `before`, newest first; `next` is the id of the last one if more follow."""
        statement = select(_TABLE)
        if is_open is not None:
            statement = statement.where((_Q.state == QuestionState.OPEN.value) == is_open)
        if before is not None:
            place = tuple_(before.created_at, before.id, types=[_Q.created_at.type, _Q.id.type])
            statement = statement.where(tuple_(_Q.created_at, _Q.id) < place)
        newest_first = (_Q.created_at.desc(), _Q.id.desc())
        rows = await self._database.fetch(statement.order_by(*newest_first).limit(limit + 1))
        shown = [_question(row) for row in rows[:limit]]
        return Page(shown, shown[-1].id if len(rows) > limit else None)

    @property
    def open_count(self) -> int:
        """How many questions wait for an answer, from memory: those asked elsewhere are known a little later."""
        return len(self._open)

    async def answer(self, question_id: str, value: JsonValue, *, who: str) -> Question:
        """Store the answer; whoever asked goes on at once. Raises NotFound, Invalid naming the field, or Conflict."""
        question = await self.get(question_id)
        check_json(value, "The answer", limit=FORM_BYTES)
        _check_answer(value, question.form)

        def unit(tx: Transaction) -> Question:
            row = _question(tx.execute(select(_TABLE).where(_Q.id == question_id).with_for_update()).one())
            if not row.is_open:
                raise _too_late(row)
            answered = {"answer": value, "answered_by": clean(who, 100), "answered_at": tx.now}
            [changed] = _move(tx, _Q.id == question_id, {"state": QuestionState.ANSWERED.value, **answered})
            return changed

        return await self._database.write(unit)

    # By itself.

    def _hear(self, event: Event) -> None:
        if isinstance(event, ItemChanged) and event.topic == TOPIC:
            self._heard += 1
            (self._open.add if event.data["state"] == QuestionState.OPEN.value else self._open.discard)(event.id)
        if isinstance(event, JobChanged) and event.job.is_finished and event.job.id in self._asking_jobs:
            self._asking_jobs.discard(event.job.id)
            self._look.set()

    async def _mind(self) -> None:
        while True:
            self._look.clear()
            earliest: datetime | None = None
            with suppress(Unavailable):
                earliest = await self._database.write(_tidy_up, durable=False)
                await self._count()
            seconds = LOOK_SECONDS
            if earliest is not None:
                seconds = min(seconds, max(0.0, (earliest - self._clock.now()).total_seconds()))
            await self._clock.wait(self._look, seconds)

    async def _count(self) -> None:
        heard = self._heard
        rows = await self._database.fetch(select(_Q.id).where(_Q.state == QuestionState.OPEN.value))
        if heard == self._heard:
            # Else what was read may be older than what was heard meanwhile.
            self._open = {row.id for row in rows}


def _ask(tx: Transaction, new: NewQuestion) -> Question:
    if new.job_id is not None:
        same = (_Q.job_id == new.job_id) & (_Q.name == new.name)
    else:
        waiting = _Q.state.in_((QuestionState.OPEN.value, QuestionState.ANSWERED.value))
        same = _Q.job_id.is_(None) & (_Q.daemon_id == new.daemon_id) & (_Q.name == new.name) & waiting
    found = tx.execute(select(_TABLE).where(same).with_for_update()).first()
    if found is None:
        values = {name: getattr(new, name) for name in new.__slots__}
        values |= {"id": str(uuid4()), "state": QuestionState.OPEN.value, "created_at": tx.now}
        return _announced(tx, tx.execute(insert(_TABLE).returning(_TABLE), values).one())
    question = _question(found)
    if question.state in (QuestionState.EXPIRED, QuestionState.WITHDRAWN):
        # The job was retried by a person: it asks anew.
        [question] = _move(tx, _Q.id == question.id, {"state": QuestionState.OPEN.value, "deadline": new.deadline})
    return question


def _ask_again(tx: Transaction, question_id: str, why: str) -> None:
    row = _question(tx.execute(select(_TABLE).where(_Q.id == question_id).with_for_update()).one())
    nothing = {"answer": None, "answered_by": None, "answered_at": None, "fallback": None}
    again = {
        "state": QuestionState.OPEN.value,
        "suggestion": row.answer,
        "detail": f"The last answer did not fit: {why}",
    }
    _move(tx, _Q.id == question_id, {**nothing, **again})


def _tidy_up(tx: Transaction) -> datetime | None:
    """Withdraw questions of jobs that have ended, end those whose time is over; return the next deadline."""
    is_open = _Q.state == QuestionState.OPEN.value
    alive = exists(select(JOBS.c.id).where(JOBS.c.id == _Q.job_id, IS_UNFINISHED))
    _move(tx, is_open & _Q.job_id.is_not(None) & ~alive, {"state": QuestionState.WITHDRAWN.value})
    due = tx.execute(select(_TABLE).where(is_open, _Q.deadline <= tx.now)).all()
    for question in map(_question, due):
        ended: dict[str, Any] = {"state": QuestionState.EXPIRED.value}
        if question.fallback is not None:
            ended = {"state": QuestionState.ANSWERED.value, "answer": question.fallback, "answered_by": "its deadline"}
        _move(tx, (_Q.id == question.id) & is_open, {**ended, "answered_at": tx.now})
    return tx.execute(select(func.min(_Q.deadline)).where(is_open)).scalar()


def _move(tx: Transaction, which: ColumnElement[bool], values: dict[str, Any]) -> "list[Question]":
    rows = tx.execute(update(_TABLE).where(which).values(values).returning(_TABLE)).all()
    return [_announced(tx, row) for row in rows]


def _announced(tx: Transaction, row: Row[Any]) -> Question:
    question = _question(row)
    tx.announce(ItemChanged(TOPIC, question.id, question.as_dict()))
    return question


def _question(row: Row[Any]) -> Question:
    values = {name: getattr(row, name) for name in Question.__slots__}
    return replace(Question(**values), state=QuestionState(row.state))


def _too_late(question: Question) -> Conflict:
    if question.state in (QuestionState.ANSWERED, QuestionState.TAKEN):
        return AlreadyAnswered(f"{question.answered_by} answered this already.")
    return Conflict(f"The question is {question.state}; whoever asked does not wait for an answer any more.")


def _check_answer(value: JsonValue, form: dict[str, Any]) -> None:
    """Raise Invalid naming the field unless `value` is what the form's schema describes."""
    # Imported late: few decks ask, and it is not small.
    from jsonschema import Draft202012Validator

    problems = sorted(Draft202012Validator(form).iter_errors(value), key=lambda problem: list(map(str, problem.path)))
    if problems:
        sentences = (f"{'.'.join(map(str, one.path)) or 'the answer'}: {one.message}" for one in problems[:5])
        raise Invalid(clean("; ".join(sentences), 1_000), code="ERR_INVALID_ANSWER")
