"""What the engine does for one run of a daemon: the other side of every method of BaseDaemon."""

import asyncio
import math
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

from pydantic import BaseModel

from daemons.clients.registry import Clients
from daemons.clock import Clock
from daemons.database.transaction import Transaction
from daemons.errors import LeaseLost, Unavailable, UnknownName
from daemons.ids import new_id
from daemons.journal import Journal
from daemons.leases import check_lease
from daemons.log_rate import LogRate
from daemons.options import DaemonOptions
from daemons.orders import Orders
from daemons.questions import AWAITING, NewQuestion, Question, Questions
from daemons.readings import Readings
from daemons.states import LogLevel
from daemons.status import StatusLine
from daemons.supervisor.ownership import on_own_account
from daemons.values import DaemonRow, Job, JsonValue, Lease
from daemons.workflow import Keepers

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

_BYTES_SHOWN = 10_000
_LONGEST_COUNTDOWN = 10 * 365 * 86_400.0
_PACE_OF_THE_ABANDONED = 1.0
_RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class CallServices:
    """What the calls of all daemons are carried out with."""

    clock: Clock
    journal: Journal
    readings: Readings
    orders: Orders
    questions: Questions
    keepers: Keepers | None = None
    clients: Clients | None = None


class DaemonCalls:
    """Carries out one run's calls, from any thread, until the run is over; then ignores them."""

    def __init__(
        self,
        services: CallServices,
        row: DaemonRow,
        line: StatusLine,
        options: DaemonOptions,
        end_run: Callable[[], None],
    ) -> None:
        self.name = row.name
        self.options = options
        self.watches_job = False
        """Whether the newest status named a job."""
        self.has_lost_lease = False
        self._services = services
        self._row = row
        self._line = line
        self._end_run = end_run
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._rate = LogRate(services.clock)
        self._woken = asyncio.Event()
        self._told = asyncio.Event()
        self._is_told_to_end = False
        self._is_draining = False
        self._has_slept_draining = False
        self._is_over = False
        self._has_warned = False

    @property
    def lease(self) -> Lease:
        """The lease under which this run writes."""
        return self._line.lease

    def keeper(self, kind: type[T]) -> T:
        """Return the record keeper of that class. Raises UnknownName."""
        if self._services.keepers is None:
            raise UnknownName(f"No workflow has a keeper {kind.__name__}.")
        return self._services.keepers.get(kind)

    def client(self, kind: type[T]) -> T:
        """Return the client of another system. Raises NotConfigured or UnknownName."""
        if self._services.clients is None:
            raise UnknownName(f"There is no client {kind.__name__}.")
        return self._services.clients.get(kind)

    @property
    def lines_held_back(self) -> int:
        """Log lines of this run that were slowed down or not written because they came too fast."""
        return self._rate.held_back

    # For the engine.

    @property
    def is_wanted(self) -> bool:
        """Whether the run should go on."""
        return not (self._is_told_to_end or self._is_over)

    def tell_to_end(self, *, drain: bool) -> None:
        """Have `is_running` be False, and wake the daemon if it sleeps."""
        self._is_told_to_end = True
        self._is_draining = drain
        self._woken.set()
        self._told.set()

    def wake(self) -> None:
        """End the present sleep, or the next one when the daemon is at work: a wake is not lost."""
        if self._is_here():
            self._woken.set()
        else:
            self._hand_over(self.wake)

    def end(self) -> None:
        """Ignore every call from now on."""
        if not self._is_over:
            self._tell_held_back(now=True)
        self._is_over = True

    # For the daemon: being seen.

    def say(self, message: object, job_id: object, job_type: object) -> None:
        """Show what the daemon is doing."""
        if self._is_here() and self._is_open("update_status"):
            self.watches_job = job_id is not None
            self._line.update(_text(message), _text_or_none(job_id), _text_or_none(job_type))
        elif not self._is_here():
            self._hand_over(self.say, message, job_id, job_type)

    def heartbeat(self) -> None:
        """Show that the daemon lives."""
        if not self._is_here():
            self._hand_over(self.heartbeat)
        elif self._is_open("heartbeat"):
            self._line.heartbeat()

    def progress(self, done: object, total: object, message: object) -> None:
        """Show how far the work is; anything but finite numbers is ignored."""
        if not self._is_here():
            self._hand_over(self.progress, done, total, message)
        elif self._is_open("progress") and (amount := _number(done)) is not None:
            self._line.progress(amount, _number(total), _text_or_none(message))

    def metric(self, name: object, value: object, unit: object) -> None:
        """Record a figure; anything but a finite number is ignored."""
        if not self._is_here():
            self._hand_over(self.metric, name, value, unit)
        elif self._is_open("metric") and (figure := _number(value)) is not None:
            self._services.readings.metric(self.lease, _text(name), figure, _text_or_none(unit))

    def report_error(self, code: object, message: object, detail: object) -> None:
        """Record an error the daemon lived through."""
        if not self._is_here():
            self._hand_over(self.report_error, code, message, detail)
        elif self._is_open("report_error"):
            self._services.readings.report(self.lease, _text(code), _text(message), _text_or_none(detail))

    async def log(self, level: object, message: object) -> None:
        """Write a log line, and wait a little if the daemon logs too fast."""
        if not self._is_here():
            return await self._at_home(self.log(level, message))
        if not self._is_open("log"):
            return None
        text, how = _text(message), _level(level)
        is_written, wait = self._rate.admit(how, text)
        if is_written:
            self._services.journal.log(how, text, daemon=self._row, lease=self.lease)
        self._tell_held_back()
        if wait:
            with on_own_account():
                await self._services.clock.sleep(wait)
        return None

    # For the daemon: waiting, and jobs.

    async def sleep(self, seconds: float, message: str | None) -> bool:
        """Return after `seconds`, or True as soon as the daemon is woken."""
        if not self._is_here():
            return await self._at_home(self.sleep(seconds, message))
        await self._end_here_if_idle()
        duration = max(0.0, _number(seconds) or 0.0) if seconds != math.inf else math.inf
        reason = "Sleeping" if message is None else _text(message).replace("{seconds}", f"{duration:g}")
        if message is not None:
            self.say(reason, None, None)
        self._line.waiting(reason, self._countdown(duration))
        try:
            with on_own_account():
                return await self._services.clock.wait(self._woken, None if duration == math.inf else duration)
        finally:
            self._woken.clear()
            # One that the drain cut short counts as the first: the next must not be slept through.
            self._has_slept_draining = self._is_draining
            self._line.waiting(None, None)

    async def create_job(self, type: str, args: JsonValue | BaseModel, **wishes: Any) -> Job:
        """Return a stored job of this daemon, once the database can be had. Raises LeaseLost once the run is over."""
        if not self._is_here():
            return await self._at_home(self.create_job(type, args, **wishes))
        wishes |= {"lease": self.lease, "daemon": self._row, "job_id": new_id()}
        created = await self._fenced(lambda: self._services.orders.create(type, args, **wishes))
        return created.job

    async def wait_for(self, job_id: str, done: float | None, total: float | None) -> Job:
        """Return the job once it is finished; until then its progress is the daemon's, on top of `done`."""
        if not self._is_here():
            return await self._at_home(self.wait_for(job_id, done, total))

        def follow(job: Job) -> None:
            if done is not None and job.progress is not None:
                self.progress(done + job.progress.done, total, job.progress.message)

        job: Job = await self._fenced(lambda: self._services.orders.wait(job_id, follow), f"Waiting for job {job_id}")
        # A short one may have ended before anybody listened, and its last step is in its end.
        follow(job)
        return job

    async def cancel_job(self, job_id: str, reason: str | None) -> Job:
        """Ask for the end of a job."""
        if not self._is_here():
            return await self._at_home(self.cancel_job(job_id, reason))
        why = reason or f"cancelled by {self.name}"
        return await self._fenced(lambda: self._services.orders.cancel(job_id, reason=why, lease=self.lease))

    async def ask(self, title: str, form: type[M], *, timeout: float | None, **wishes: Any) -> M:
        """Return the answer of a person. Ends the run when it is told to end meanwhile; the question stays."""
        if not self._is_here():
            return await self._at_home(self.ask(title, form, timeout=timeout, **wishes))
        deadline = self._services.clock.now() + timedelta(seconds=timeout) if timeout is not None else None
        new = replace(NewQuestion.of(title, form, **wishes), deadline=deadline)
        new = replace(new, daemon_id=self._row.id, daemon_name=self._row.name)
        while True:
            question = await self._fenced(lambda: self._services.questions.ask(new, self._check_lease))
            if question.is_open:
                question = await self._answered(question)
            answer = await self._fenced(lambda: self._services.questions.take(question, form))  # noqa: B023
            if answer is not None:
                return cast(M, answer)

    async def _answered(self, question: Question) -> Question:
        reason = AWAITING + question.title
        with on_own_account():
            asked = self._fenced(lambda: self._services.questions.wait(question.id), reason)
            waiting, told = asyncio.ensure_future(asked), asyncio.ensure_future(self._told.wait())
        try:
            with on_own_account():
                await asyncio.wait({waiting, told}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                # Nothing is in hand; whoever answers meanwhile is heard at the next start.
                self._end_run()
                await asyncio.sleep(0)
                raise asyncio.CancelledError
            return waiting.result()
        finally:
            waiting.cancel()
            told.cancel()

    def _check_lease(self, tx: Transaction) -> None:
        check_lease(tx, self.lease)

    # How.

    async def _fenced(self, call: Callable[[], Coroutine[Any, Any, T]], reason: str | None = None) -> T:
        """Await the engine's part of a call, again and again while the database is away.

        A run that has lost its lease ends, even if it catches the error.
        """
        while not (self._is_over or self.has_lost_lease):
            try:
                with self._waiting(reason), on_own_account():
                    return await call()
            except LeaseLost:
                self.has_lost_lease = True
                self._end_run()
                raise
            except Unavailable as error:
                with self._waiting(f"Waiting: {error.message}"), on_own_account():
                    await self._services.clock.sleep(_RETRY_SECONDS)
        raise LeaseLost("This run of the daemon is over.")

    @contextmanager
    def _waiting(self, reason: str | None) -> Iterator[None]:
        if reason is None:
            yield
            return
        self._line.waiting(reason, None)
        try:
            yield
        finally:
            self._line.waiting(None, None)

    async def _end_here_if_idle(self) -> None:
        if self._is_over:
            # Whoever swallowed one cancellation may swallow this one: then at least slowly.
            await self._services.clock.sleep(_PACE_OF_THE_ABANDONED)
            raise asyncio.CancelledError
        if self._is_draining and self._has_slept_draining:
            self._end_run()
            await asyncio.sleep(0)
            raise asyncio.CancelledError
        self._has_slept_draining = self._is_draining

    def _countdown(self, duration: float) -> datetime | None:
        if duration > _LONGEST_COUNTDOWN:
            return None
        return self._services.clock.now() + timedelta(seconds=duration)

    def _tell_held_back(self, *, now: bool = False) -> None:
        sentence = self._rate.summary(now=now)
        if sentence:
            self._services.journal.log(LogLevel.WARNING, sentence, daemon=self._row, lease=self.lease)

    def _is_open(self, call: str) -> bool:
        if self._is_over and not self._has_warned:
            self._has_warned = True
            sentence = f"{call} was called after the run had ended; this and later calls are ignored."
            self._services.journal.log(LogLevel.WARNING, sentence, daemon=self._row)
        return not self._is_over

    def _is_here(self) -> bool:
        return threading.get_ident() == self._thread

    def _hand_over(self, call: Callable[..., None], *arguments: object) -> None:
        # Nobody is left to hear what comes after the loop was closed.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *arguments)

    async def _at_home(self, call: Coroutine[Any, Any, T]) -> T:
        if self._loop.is_closed():
            call.close()
            raise LeaseLost("This run of the daemon is over.")
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call, self._loop))


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray):
        return bytes(value[:_BYTES_SHOWN]).decode("utf-8", "backslashreplace")
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - an author's __str__ must not break the author's status
        return f"<{type(value).__name__} that cannot be shown>"


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)


def _number(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _level(value: object) -> LogLevel:
    try:
        return LogLevel(str(value).lower())
    except ValueError:
        return LogLevel.INFO
