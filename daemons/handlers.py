"""What the author of a job sees: `@job` for the function that does the work, and the context it is called with."""

import asyncio
import inspect
import re
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from daemons.errors import ErrorInfo, Invalid, Permanent
from daemons.json_values import check_json
from daemons.states import LogLevel
from daemons.subprocess_work.spec import WorkerSpec
from daemons.text import own_words
from daemons.values import Job, JsonValue

if TYPE_CHECKING:
    from daemons.subprocess_work import Worker

DEFAULT_LANE = "default"
TIDY_UP = 5.0
"""Seconds a cancelled handler gets to tidy up before it is abandoned."""
_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,99}")

F = TypeVar("F", bound=Callable[..., Coroutine[Any, Any, Any]])
T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


class JobContext(Protocol):
    """The job in hand, as its handler may use it. Everything but `log` raises Superseded once the job is lost."""

    @property
    def job_id(self) -> str: ...

    @property
    def attempt(self) -> int:
        """1 for the first try; goes up with each."""
        ...

    @property
    def job(self) -> Job:
        """The job as it was taken, with the progress that an earlier attempt left."""
        ...

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt of this job: give it to systems that must not do a thing twice."""
        ...

    def keeper(self, kind: type[T]) -> T:
        """Return the record keeper of that class, as its workflow declares it."""
        ...

    def client(self, kind: type[T]) -> T:
        """Return the client of another system, shared by all jobs. Raises NotConfigured, saying what to set."""
        ...

    def borrow(self, spec: WorkerSpec) -> "AbstractAsyncContextManager[Worker]":
        """Lend a worker process for what eats memory or blocks; it is kept warm for the next borrower."""
        ...

    async def progress(self, done: float, total: float | None = None, text: str | None = None) -> None:
        """Say how far the work is. Call it as often as you like; it is also the sign that the job lives."""
        ...

    async def log(self, level: LogLevel | str, message: object, *, item_id: str | None = None) -> None:
        """Add a line to the job's log, and to that of the single thing it is of. A storm of lines is slowed down."""
        ...

    async def spawn(
        self,
        type: str,
        args: JsonValue | BaseModel = None,
        *,
        key: str | None = None,
        priority: int | None = None,
    ) -> Job:
        """Return a child job, durable. A later attempt gets the same child for the same `key`, or for the same
        place in the order of its calls; a child that failed meanwhile is tried again.
        """
        ...

    async def wait_for(self, job: Job | str, *, keeps_slot: bool = False) -> Job:
        """Return the job once it is completed. Raises JobFailed otherwise.

        Holds no slot meanwhile, unless `keeps_slot`: for a handler that does other things beside.
        """
        ...

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
        the answer; without one Unanswered is raised. Holds no slot meanwhile.
        """
        ...

    def raise_if_cancelled(self) -> None:
        """Raise CancelledError when the job is to end."""
        ...

    async def write(self, unit: Callable[[Any], T]) -> T:
        """Run a unit (a plain function of a transaction) that is committed only while this attempt has the job."""
        ...


class JobFailed(Permanent):
    """A job that this one needs did not complete."""

    code = "ERR_PREREQ_FAILED"

    def __init__(self, job: Job) -> None:
        why = f": {job.error.message}" if job.error else "."
        super().__init__(f"{job.type} {job.id} {job.state}{why}")
        self.job = job
        self.inner = job.error


class ResultNotJson(Permanent):
    """The handler's result cannot be stored as JSON."""

    code = "ERR_RESULT_NOT_JSON"


@dataclass(frozen=True, slots=True)
class JobSpec:
    """A type of job: its handler and the rules it runs by."""

    type: str
    handler: Callable[..., Coroutine[Any, Any, Any]]
    description: str
    lane: str
    max_attempts: int
    timeout: float | None
    tidy_up: float
    conflicts_with: frozenset[str]
    keeps_awake: bool
    takes_args: bool
    args: TypeAdapter[Any] | None
    """None: any JSON value is taken as it is."""

    def accept(self, args: JsonValue | BaseModel) -> JsonValue:
        """Return `args` as they are stored. Raises Invalid naming what is wrong."""
        if isinstance(args, BaseModel):
            args = args.model_dump(mode="json")
        elif args is None:
            args = {}
        # Before pydantic sees them: where a type is open, it turns NaN into null without a word.
        check_json(args, "args")
        if self.args is not None:
            args = self.args.dump_python(self._validated(args), mode="json")
            check_json(args, "args")
        elif not self.takes_args and args != {}:
            raise Invalid(f"{self.type} takes no arguments.", code="ERR_BAD_ARGUMENTS")
        return args

    def call(self, context: JobContext, args: JsonValue) -> Coroutine[Any, Any, Any]:
        """Call the handler with stored arguments. Raises Invalid when they fit it no longer."""
        if not self.takes_args:
            return self.handler(context)
        return self.handler(context, args if self.args is None else self._validated(args))

    def result(self, value: Any) -> JsonValue:
        """Return a handler's result as it is stored. Raises ResultNotJson."""
        try:
            if isinstance(value, BaseModel):
                value = value.model_dump(mode="json")
            check_json(value, "The result")
        except Invalid as error:
            raise ResultNotJson(
                error.message, remedy=error.remedy or "Return a pydantic model or a JSON value."
            ) from error
        except ValueError as error:
            raise ResultNotJson(f"The result cannot be written as JSON: {error}") from error
        return value

    def _validated(self, args: JsonValue) -> Any:
        assert self.args is not None
        try:
            return self.args.validate_python(args)
        except ValidationError as error:
            raise Invalid(f"{self.type}: {_in_words(error)}", code="ERR_BAD_ARGUMENTS") from None


def _in_words(error: ValidationError) -> str:
    problems = (f"{'.'.join(map(str, one['loc'])) or 'args'}: {own_words(one['msg'])}" for one in error.errors()[:5])
    return "; ".join(problems)[:500]


def job(
    type: str,
    *,
    max_attempts: int = 3,
    timeout: float | None = None,
    lane: str = DEFAULT_LANE,
    conflicts_with: Iterable[str] = (),
    tidy_up: float = TIDY_UP,
    keeps_awake: bool = False,
) -> Callable[[F], F]:
    """Make an async function the handler of a type of job.

    `timeout`: seconds one attempt may take, waiting for children included. `conflicts_with`: types that never run
    beside this one. `keeps_awake`: the machine does not fall asleep while it runs. A failure is tried again with
    growing delay up to `max_attempts`, unless it is Permanent.
    """
    if not _NAME.fullmatch(type) or not _NAME.fullmatch(lane):
        raise ValueError(f"{type!r} on lane {lane!r}: names are small letters, digits, '_', '-' and '.'")
    if max_attempts < 1 or (timeout is not None and timeout <= 0) or tidy_up < 0:
        raise ValueError(f"{type}: max_attempts and timeout must be positive, tidy_up not negative")

    def register(function: F) -> F:
        takes_args, args = _arguments_of(function)
        spec = JobSpec(
            type,
            function,
            inspect.getdoc(function) or "",
            lane,
            max_attempts,
            timeout,
            tidy_up,
            frozenset(conflicts_with),
            keeps_awake,
            takes_args,
            args,
        )
        function.job_spec = spec  # type: ignore[attr-defined]
        return function

    return register


def spec_of(value: object) -> JobSpec | None:
    """Return what `@job` noted on a function, None for anything else."""
    spec = getattr(value, "job_spec", None)
    return spec if isinstance(spec, JobSpec) else None


def _arguments_of(function: Callable[..., Any]) -> tuple[bool, TypeAdapter[Any] | None]:
    if not inspect.iscoroutinefunction(function):
        raise TypeError(f"{function!r} must be an async function to be a job's handler")
    parameters = list(inspect.signature(function, eval_str=True).parameters.values())
    if not 1 <= len(parameters) <= 2:
        raise TypeError(f"{function.__qualname__} must take (ctx) or (ctx, args)")
    if len(parameters) == 1:
        return False, None
    annotation = parameters[1].annotation
    if annotation in (inspect.Parameter.empty, Any, JsonValue):
        return True, None
    return True, TypeAdapter(annotation)


def can_be_retried(error: BaseException) -> bool:
    """Whether another try may mend `error`: not what is wrong with the work itself."""
    return not isinstance(error, Permanent | Invalid | ValidationError)


def info_of(error: BaseException) -> ErrorInfo:
    """Describe how a handler failed."""
    if isinstance(error, asyncio.CancelledError):
        return ErrorInfo("ERR_CANCELLED_ITSELF", "The handler was cancelled, but nobody had cancelled the job.")
    if isinstance(error, SystemExit | KeyboardInterrupt):
        name = type(error).__name__
        return ErrorInfo("ERR_HANDLER_EXITED", f"The handler raised {name}.", None, "A job must not end the process.")
    return ErrorInfo.of(error)
