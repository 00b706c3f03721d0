"""A ladder, declared once: from which status to which a record climbs, by what, and when.

Runner, board, calls and docs follow from the declaration. A record's place is its status alone: whoever writes another
status, a person or another system, has moved the record.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pydantic import BaseModel

from daemons.states import LogLevel
from daemons.subprocess_work.spec import WorkerSpec
from daemons.values import Job, JsonValue
from daemons.workflows.polling.records import NewRecord, Reason, Record

if TYPE_CHECKING:
    from daemons.subprocess_work import Worker

T = TypeVar("T")

STEP_SECONDS = 300.0
"""Seconds a step may take, as the scripts of the seed."""
STEP_ATTEMPTS = 5
"""Tries of one step before its record is parked."""
PATIENT_ATTEMPTS = 20
"""Of steps that ask a server, which may be away: with their waits in between, about two hours."""


class StepContext(Protocol):
    """What a step may use besides its record. Everything but `log` raises Superseded once the run is lost."""

    @property
    def options(self) -> Any:
        """The options of the ladder, an instance of `Ladder.options`."""
        ...

    def keeper(self, kind: type[T]) -> T:
        """Return the record keeper of that class."""
        ...

    def client(self, kind: type[T]) -> T:
        """Return the client of another system. Raises NotConfigured, saying what to set."""
        ...

    def borrow(self, spec: WorkerSpec) -> "AbstractAsyncContextManager[Worker]":
        """Lend a worker process for what decodes files or blocks; it is kept warm for the next borrower."""
        ...

    async def job(self, type: str, args: JsonValue | BaseModel) -> Job:
        """Return a job that was made for this step and has completed. Raises JobFailed with what the job died of."""
        ...

    async def log(self, level: LogLevel | str, message: object) -> None:
        """Add a line to the logs of the job and of the record, with the record's code before it."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step came to. It is stored in the transaction that moves the record on."""

    fields: Mapping[str, JsonValue] = field(default_factory=dict)  #: what was found out; None removes a field
    to: str | None = None  #: another status than the step's own `to`
    note: str | None = None  #: a sentence for the record's story
    reasons: Sequence[Reason] = ()  #: why a person is needed, when `to` is the ladder's `awaiting`
    children: Sequence[NewRecord] = ()  #: records below this one; one that is there already, by source, stays as it is
    vector: tuple[str, bytes] | None = None  #: the name of a space and 32-bit floats, little-endian
    thumbnail: bytes | None = None  #: a small copy as WebP, to be kept by the hash in the field `thumbnail`


Run = Callable[[StepContext, Record], Awaitable[Outcome]]


def always(_record: Record) -> bool:
    """Whether a step without a condition may run."""
    return True


@dataclass(frozen=True, slots=True)
class Step:
    """One rung: what takes a record from any of `origins` to `to`. Run twice, it must come to the same."""

    name: str
    run: Run
    origins: tuple[str, ...]
    to: str
    when: Callable[[Record], bool] = always
    timeout: float = STEP_SECONDS
    lane: str = "io"  #: what it takes: `io`, `cpu` or `model`; the runner's options say how many at a time
    max_attempts: int = STEP_ATTEMPTS
    title: str = ""  #: an infinitive for people, as "Read the file's facts"
    needs_children: bool = False  #: whether every record below it has to be complete first
    makes_vector: bool = False  #: whether it makes what its record is compared by


@dataclass(frozen=True, slots=True)
class Ladder:
    """Steps in order of preference: of those a record may take, the first is its next one."""

    name: str  #: as `stills`
    title: str
    prefix: str  #: of codes, as `ST` of ST0001
    steps: tuple[Step, ...]
    statuses: tuple[str, ...]  #: the board's columns, in order
    final: frozenset[str]  #: where a record is complete when no step is left
    awaiting: str | None = None  #: where it stands until a person has done something
    form: type[BaseModel] | None = None  #: what a person is asked for there
    options: type[BaseModel] | None = None
    forced: str | None = None  #: where a person puts it to have it go on all the same
    _rungs: Mapping[str, tuple[Step, ...]] = field(init=False, repr=False, compare=False)
    """The steps that begin at a status; looked up for every step of every record."""

    def next_step(self, record: Record) -> Step | None:
        """Return the step that `record` is to take, None where there is none."""
        for step in self._rungs.get(record.status, ()):
            if step.when(record):
                return step
        return None

    def step(self, name: str) -> Step | None:
        """Return the step of that name."""
        return next((step for step in self.steps if step.name == name), None)

    @property
    def vector_step(self) -> Step | None:
        """The step by which its records can be compared, None where none can."""
        return next((step for step in self.steps if step.makes_vector), None)

    def is_complete(self, record: Record) -> bool:
        """Whether `record` has nothing before it."""
        return record.status in self.final and self.next_step(record) is None

    def __post_init__(self) -> None:
        known = {*self.statuses}
        for step in self.steps:
            if unknown := {*step.origins, step.to} - known:
                raise ValueError(f"{self.name}.{step.name}: {', '.join(sorted(unknown))} is no status of the ladder")
        for status in (*self.final, self.awaiting, self.forced):
            if status is not None and status not in known:
                raise ValueError(f"{self.name}: {status} is no status of the ladder")
        rungs = {status: tuple(step for step in self.steps if status in step.origins) for status in self.statuses}
        object.__setattr__(self, "_rungs", rungs)
