"""What the author of a daemon sees: a class to extend, and its words for being seen and for creating jobs."""

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Protocol, TypeVar

from pydantic import BaseModel

from daemons.errors import Conflict, Invalid
from daemons.options import DaemonOptions
from daemons.states import LogLevel, OnStop
from daemons.values import Job, JsonValue

NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")

K = TypeVar("K")
M = TypeVar("M", bound=BaseModel)
DaemonClass = TypeVar("DaemonClass", bound="type[BaseDaemon]")


class NotRunning(Conflict):
    """The daemon is not running, so it cannot do that."""

    code = "ERR_DAEMON_NOT_RUNNING"


class Calls(Protocol):
    """What the engine does for a daemon during one run. Each may be called from any thread and loop."""

    name: str
    options: DaemonOptions

    @property
    def is_wanted(self) -> bool: ...
    def keeper(self, kind: type[K]) -> K: ...
    def client(self, kind: type[K]) -> K: ...
    def say(self, message: object, job_id: object, job_type: object) -> None: ...
    def heartbeat(self) -> None: ...
    def wake(self) -> None: ...
    def progress(self, done: object, total: object, message: object) -> None: ...
    def metric(self, name: object, value: object, unit: object) -> None: ...
    def report_error(self, code: object, message: object, detail: object) -> None: ...
    async def log(self, level: object, message: object) -> None: ...
    async def sleep(self, seconds: float, message: str | None) -> bool: ...
    async def create_job(self, type: str, args: JsonValue | BaseModel, **wishes: Any) -> Job: ...
    async def wait_for(self, job_id: str, done: float | None, total: float | None) -> Job: ...
    async def cancel_job(self, job_id: str, reason: str | None) -> Job: ...
    async def ask(self, title: str, form: type[M], *, timeout: float | None, **wishes: Any) -> M: ...


class BaseDaemon:
    """Extend it, write `run`, and decorate the class with `@daemon("name")`.

    Only `run` is required. The rest is the daemon's whole vocabulary for being seen; none of it waits for a
    browser or a database, except what creates, awaits or cancels jobs.
    """

    Options: ClassVar[type[DaemonOptions]] = DaemonOptions
    daemon_type: ClassVar[str]
    daemon_title: ClassVar[str]

    # A class attribute, so that a subclass may have an __init__ that knows nothing of ours.
    _calls: Calls | None = None

    async def run(self) -> None:
        """Do the daemon's work while `is_running`. Returning ends the run as finished, raising as crashed."""
        raise NotImplementedError

    async def on_start(self) -> None:
        """Prepare; the daemon is *starting* until this returns."""

    async def on_stop(self) -> None:
        """Clean up after `run` ended in whatever way; a few seconds are given. Not called if `on_start` failed."""

    @property
    def name(self) -> str:
        """The name of this instance."""
        return self._calls.name if self._calls else self.daemon_type

    @property
    def options(self) -> Any:
        """The present options, an instance of `Options`: replaced by a new one when a person edits them."""
        return self._calls.options if self._calls else self.Options()

    @property
    def is_running(self) -> bool:
        """Whether the loop in `run` should go on: False once the daemon was told to end."""
        return self._calls is not None and self._calls.is_wanted

    async def update_status(self, status_message: str, job_id: str | None = None, job_type: str | None = None) -> None:
        """Say what the daemon is doing now, and which job it watches. Never raises; ignored once stopped."""
        if self._calls is not None:
            self._calls.say(status_message, job_id, job_type)
        # A loop that fails at once and reports it must stay cancellable and leave room for others.
        await asyncio.sleep(0)

    async def log(self, level: LogLevel, message: str) -> None:
        """Write a line to the daemon's log. A daemon that logs more than 100 lines a second is slowed down."""
        if self._calls is not None:
            await self._calls.log(level, message)
        await asyncio.sleep(0)

    async def heartbeat(self) -> None:
        """Give a sign of life without saying anything new."""
        if self._calls is not None:
            self._calls.heartbeat()
        await asyncio.sleep(0)

    async def progress(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """Say how far the work is."""
        if self._calls is not None:
            self._calls.progress(done, total, message)
        await asyncio.sleep(0)

    async def metric(self, name: str, value: float, unit: str | None = None) -> None:
        """Record one figure; figures of a minute are folded into count, total, minimum, maximum and last."""
        if self._calls is not None:
            self._calls.metric(name, value, unit)
        await asyncio.sleep(0)

    async def report_error(self, code: str, message: str, detail: str | None = None) -> None:
        """Record an error the daemon lived through; equal ones are counted."""
        if self._calls is not None:
            self._calls.report_error(code, message, detail)
        await asyncio.sleep(0)

    async def sleep(self, seconds: float, message: str | None = None) -> bool:
        """Return after `seconds`, or True at once when woken: by a person, by new options, or to end the run.

        `message` becomes the status; `{seconds}` in it stands for the duration. While the daemon drains, the first
        sleep returns at once and the second ends the run: here nothing is in hand.
        """
        return await self._running().sleep(seconds, message)

    def wake(self) -> None:
        """End the present sleep, or the next one when the daemon is at work. May be called from any thread."""
        if self._calls is not None:
            self._calls.wake()

    async def create_job(
        self,
        type: str,
        args: JsonValue | BaseModel = None,
        *,
        key: str | None = None,
        unique: str | None = None,
        priority: int = 0,
        on_stop: OnStop | str = OnStop.CONTINUE,
        parent: Job | str | None = None,
    ) -> Job:
        """Return a job that is stored for good before this returns, or the earlier one of that name.

        `key`: one job ever; `unique`: one unfinished job. `args`: JSON or a pydantic model.
        """
        wishes = {"key": key, "unique": unique, "priority": priority, "on_stop": OnStop(on_stop)}
        return await self._running().create_job(type, args, parent=_id(parent) if parent else None, **wishes)

    async def wait_for(self, job: Job | str, *, done: float | None = None, total: float | None = None) -> Job:
        """Return the job once it is finished, whether it completed, failed or was cancelled.

        Where `done` is given, the daemon's progress meanwhile is that and what the job has done, of `total`.
        """
        return await self._running().wait_for(_id(job), done, total)

    async def cancel_job(self, job: Job | str, reason: str | None = None) -> Job:
        """Ask for the job to end, and return it as it is then."""
        return await self._running().cancel_job(_id(job), reason)

    async def ask(
        self,
        title: str,
        form: type[M],
        *,
        name: str | None = None,
        detail: str | None = None,
        suggestion: M | None = None,
        timeout: float | None = None,
        fallback: M | None = None,
    ) -> M:
        """Ask a person for `form` and return the answer; it is on the Inbox page at once, and survives a crash.

        `name` tells the questions of one asker apart (else `title` does). After `timeout` seconds the `fallback` is
        the answer; without one Unanswered is raised.
        """
        wishes = {"name": name, "detail": detail, "suggestion": suggestion, "fallback": fallback}
        return await self._running().ask(title, form, timeout=timeout, **wishes)

    def keeper(self, kind: type[K]) -> K:
        """Return the record keeper of that class, as a workflow declares it."""
        return self._running().keeper(kind)

    def client(self, kind: type[K]) -> K:
        """Return the client of another system, shared by all daemons. Raises NotConfigured, saying what to set."""
        return self._running().client(kind)

    def _running(self) -> Calls:
        if self._calls is None:
            raise NotRunning(f"{type(self).__name__} is not being run by a deck.")
        return self._calls


def _id(job: Job | str) -> str:
    return job.id if isinstance(job, Job) else str(job)


def daemon(name: str, *, title: str | None = None) -> Callable[[DaemonClass], DaemonClass]:
    """Name a type of daemon. The class's docstring describes it; its `Options` are its settings.

    Raises Invalid for a name, `run` or `Options` that cannot be used.
    """
    if not NAME.fullmatch(name):
        raise Invalid(
            f"{name!r} cannot name a daemon.",
            remedy="Use lower-case letters, digits, _ and -; begin with a letter; at most 63 characters.",
            code="ERR_INVALID_NAME",
        )

    def mark(cls: DaemonClass) -> DaemonClass:
        _check_shape(cls)
        cls.daemon_type = name
        cls.daemon_title = title or name.replace("_", " ").replace("-", " ").capitalize()
        return cls

    return mark


def _check_shape(cls: type[BaseDaemon]) -> None:
    where = f"{cls.__module__}.{cls.__qualname__}"
    if not issubclass(cls, BaseDaemon):
        raise Invalid(f"{where} does not extend BaseDaemon.", code="ERR_DAEMON_SHAPE")
    hooks: tuple[Callable[..., Awaitable[None]], ...] = (cls.run, cls.on_start, cls.on_stop)
    for hook in hooks:
        if not inspect.iscoroutinefunction(hook):
            raise Invalid(f"{where}.{hook.__name__} must be an `async def`.", code="ERR_DAEMON_SHAPE")
    if cls.run is BaseDaemon.run:
        raise Invalid(f"{where} has no `run`.", code="ERR_DAEMON_SHAPE")
    if not (isinstance(cls.Options, type) and issubclass(cls.Options, DaemonOptions)):
        raise Invalid(f"{where}.Options must extend DaemonOptions.", code="ERR_DAEMON_SHAPE")
