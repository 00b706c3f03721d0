"""What a handler gets to work with."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar, cast

from pydantic import BaseModel

from daemons.clients.registry import Clients
from daemons.clock import Clock
from daemons.database import Database
from daemons.database.transaction import Transaction
from daemons.errors import Conflict, Invalid, Superseded, UnknownName
from daemons.executor.progress import JobProgress
from daemons.executor.run import Cut, JobRun
from daemons.handlers import JobFailed
from daemons.ids import new_id
from daemons.jobs.attempts import check_hold, refuse, store_reason
from daemons.jobs.requests import NewJob
from daemons.jobs.rows import Hold
from daemons.journal import Journal
from daemons.log_rate import LogRate
from daemons.orders import Orders
from daemons.questions import AWAITING, NewQuestion, Question, Questions
from daemons.states import JobState, LogLevel
from daemons.subprocess_work import Worker
from daemons.subprocess_work.pool import WorkerPool
from daemons.subprocess_work.spec import WorkerSpec
from daemons.text import clean
from daemons.values import Job, JsonValue, Progress
from daemons.workflow import Keepers

TEXT_CHARACTERS = 500

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Workplace:
    """What every attempt in this process shares."""

    orders: Orders
    journal: Journal
    database: Database
    clock: Clock
    progress: JobProgress
    lost: Callable[[Hold], None]
    keepers: Keepers | None = None
    workers: WorkerPool | None = None
    questions: Questions | None = None
    clients: Clients | None = None


class RunContext:
    """The JobContext of one attempt."""

    def __init__(self, run: JobRun, workplace: Workplace) -> None:
        self._run = run
        self._at = workplace
        self._log_rate = LogRate(workplace.clock)
        self._spawned = 0

    @property
    def job_id(self) -> str:
        return self._run.job.id

    @property
    def attempt(self) -> int:
        return self._run.job.attempt

    @property
    def job(self) -> Job:
        return self._run.job

    @property
    def idempotency_key(self) -> str:
        return self._run.job.id

    def keeper(self, kind: type[T]) -> T:
        if self._at.keepers is None:
            raise UnknownName(f"No workflow has a keeper {kind.__name__}.")
        return self._at.keepers.get(kind)

    def client(self, kind: type[T]) -> T:
        if self._at.clients is None:
            raise UnknownName(f"There is no client {kind.__name__}.")
        return self._at.clients.get(kind)

    def borrow(self, spec: WorkerSpec) -> AbstractAsyncContextManager[Worker]:
        if self._at.workers is None:
            raise Conflict("This executor has no worker processes to lend.", code="ERR_NO_WORKERS")
        return self._at.workers.borrow(spec)

    async def progress(self, done: float, total: float | None = None, text: str | None = None) -> None:
        run = self._run
        if not self._is_over:
            message = clean(str(text), TEXT_CHARACTERS) if text is not None else None
            run.job = replace(run.job, progress=Progress(_number(done) or 0, _number(total), message))
            self._at.progress.moved(run)
        # A storm of calls must not starve the others, nor make this job deaf to its cancel.
        await self._at.clock.sleep(0)

    async def log(self, level: LogLevel | str, message: object, *, item_id: str | None = None) -> None:
        written, wait = self._log_rate.admit(level, message)
        known = LogLevel(level) if level in list(LogLevel) else LogLevel.INFO
        if written and not self._is_over:
            self._at.journal.log(known, message, job_id=self.job_id, item_id=item_id)
        if summary := self._log_rate.summary():
            self._at.journal.log(LogLevel.WARNING, summary, job_id=self.job_id)
        await self._at.clock.sleep(wait)

    def raise_if_cancelled(self) -> None:
        if self._run.cut is not None:
            raise asyncio.CancelledError

    async def spawn(
        self,
        type: str,
        args: JsonValue | BaseModel = None,
        *,
        key: str | None = None,
        priority: int | None = None,
    ) -> Job:
        spec = self._at.orders.spec(type)
        parent = self._run.job
        self._spawned += 1
        new = NewJob(
            id=new_id(),
            type=type,
            args=spec.accept(args),
            lane=spec.lane,
            max_attempts=spec.max_attempts,
            key=_child_key(parent.id, key if key is not None else str(self._spawned)),
            priority=parent.priority if priority is None else priority,
            on_stop=parent.on_stop,
            parent_id=parent.id,
            daemon_id=parent.daemon_id,
            daemon_name=parent.daemon_name,
        )
        child, is_new = await self._fenced(self._at.orders.place(new, hold=self._run.hold), f"spawn {type}")
        failed = child.state in (JobState.FAILED, JobState.CANCELLED)
        if failed and not is_new and child.finished_at and parent.started_at and child.finished_at < parent.started_at:
            return await self._fenced(self._at.orders.retry(child.id, hold=self._run.hold), f"retry {type}")
        return child

    async def wait_for(self, job: Job | str, *, keeps_slot: bool = False) -> Job:
        job_id = job.id if isinstance(job, Job) else job
        ended = await (self._at.orders.wait(job_id) if keeps_slot else self._waited_for(job, job_id))
        if ended.state is not JobState.COMPLETED:
            raise JobFailed(ended)
        return ended

    async def _waited_for(self, job: Job | str, job_id: str) -> Job:
        name = f"{job.type} {job.id}" if isinstance(job, Job) else f"job {job_id}"
        self._run.slot.leave()
        try:
            await self._note(f"Waits for {name} to end")
            return await self._at.orders.wait(job_id)
        finally:
            await self._come_back()

    async def ask(self, title: str, form: type[M], *, timeout: float | None = None, **wishes: Any) -> M:
        questions = self._at.questions
        if questions is None:
            raise Conflict("Nobody can be asked here.", code="ERR_NO_QUESTIONS")
        deadline = self._at.clock.now() + timedelta(seconds=timeout) if timeout is not None else None
        new = replace(NewQuestion.of(title, form, **wishes), job_id=self.job_id, deadline=deadline)
        new = replace(new, daemon_id=self._run.job.daemon_id, daemon_name=self._run.job.daemon_name)
        while True:
            asking = questions.ask(new, lambda tx: check_hold(tx, self._run.hold))
            question = await self._fenced(asking, "ask")
            if question.is_open:
                question = await self._answered(questions, question)
            answer = await questions.take(question, form)
            if answer is not None:
                return cast(M, answer)

    async def _answered(self, questions: Questions, question: Question) -> Question:
        self._run.slot.leave()
        try:
            await self._note(AWAITING + question.title)
            return await questions.wait(question.id)
        finally:
            await self._come_back()

    async def _come_back(self) -> None:
        slot = self._run.slot
        if self._run.cut is not None:
            # A cancelled handler only tidies up; it must not stand in line for a place to do so.
            slot.stay_away()
            return
        await slot.come_back()
        if slot.is_held:
            await self._note(None)

    async def write(self, unit: Callable[[Transaction], T]) -> T:
        def fenced(tx: Transaction) -> T:
            check_hold(tx, self._run.hold)
            return unit(tx)

        return await self._fenced(self._at.database.write(fenced), "write")

    async def _note(self, reason: str | None) -> None:
        run = self._run

        def unit(tx: Transaction) -> Job:
            return store_reason(tx, run.hold, reason, run.job.revision)

        job = await self._fenced(self._at.database.write(unit, durable=False), "wait")
        run.job = replace(run.job, waiting_reason=reason, revision=max(job.revision, run.job.revision))

    async def _fenced(self, writing: Awaitable[T], what: str) -> T:
        try:
            return await writing
        except Superseded:
            hold = self._run.hold
            await self._at.database.write(lambda tx: refuse(tx, hold, what, None))
            self._at.lost(hold)
            raise

    @property
    def _is_over(self) -> bool:
        """Whether nothing this attempt says counts any more."""
        return self._run.is_abandoned or self._run.cut is Cut.LOST


def _child_key(parent_id: str, name: str) -> str:
    if not 0 < len(name) <= 200 or not name.isprintable():
        raise Invalid("key must be 1 to 200 printable characters.", code="ERR_BAD_KEY")
    return f"child of {parent_id}: {name}"


def _number(value: float | None) -> float | None:
    return value if isinstance(value, int | float) and math.isfinite(value) else None
