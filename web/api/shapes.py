"""What the API answers, as models: for the schema, and for the tests that hold the answers to it."""

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from daemons.access import Role
from daemons.states import DaemonState, Desired, JobState, LogLevel


class Shape(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, defer_build=True)


class Problem(Shape):
    """What went wrong and what to do."""

    code: str
    message: str
    remedy: str | None
    expected: int | None = None
    actual: int | None = None


class ProblemAnswer(Shape):
    """Every refusal."""

    error: Problem


class ErrorShape(Shape):
    """Why a job failed."""

    code: str
    message: str
    detail: str | None
    remedy: str | None
    cause: "ErrorShape | None"


class ProgressShape(Shape):
    """How far something is."""

    done: float
    total: float | None
    fraction: float | None
    message: str | None


class PaceShape(Shape):
    """How fast the work goes, and between which times it will end, if that is known."""

    rate_per_hour: float
    ends_earliest: AwareDatetime | None
    ends_latest: AwareDatetime | None


class LastErrorShape(Shape):
    """The newest failure of a daemon."""

    code: str
    message: str
    at: AwareDatetime
    remedy: str | None


class DaemonShape(Shape):
    """A daemon as it is now."""

    id: str
    name: str
    type: str
    title: str
    description: str
    enabled: bool
    auto_start: bool
    vital: bool
    desired: Desired
    desired_reason: str | None
    paused_until: AwareDatetime | None
    state: DaemonState
    state_reason: str | None
    stop_mode: str | None
    current_status: str | None
    current_job_id: str | None
    current_job_type: str | None
    status_updated_at: AwareDatetime | None
    next_wake_at: AwareDatetime | None
    wait_reason: str | None
    started_at: AwareDatetime | None
    last_heartbeat: AwareDatetime | None
    silent: bool
    restarts: int
    last_error: LastErrorShape | None
    progress: ProgressShape | None
    pace: PaceShape | None
    failures: int
    configuration: dict[str, Any]
    configuration_revision: int
    revision: int


class JobShape(Shape):
    """A job as it is now."""

    id: str
    type: str
    lane: str
    state: JobState
    daemon_id: str | None
    daemon_name: str | None
    parent_id: str | None
    key: str | None
    args: Any
    result: Any
    progress: ProgressShape | None
    error: ErrorShape | None
    attempt: int
    failures: int
    crashes: int
    max_attempts: int
    priority: int
    run_after: AwareDatetime
    waiting_reason: str | None
    created_at: AwareDatetime
    started_at: AwareDatetime | None
    finished_at: AwareDatetime | None
    worker: str | None
    revision: int


class AttemptShape(Shape):
    """One time a worker took the job."""

    attempt: int
    worker: str
    started_at: AwareDatetime
    finished_at: AwareDatetime | None
    outcome: str | None
    error: ErrorShape | None


class RefusalShape(Shape):
    """A write that came too late from a worker that no longer had the job."""

    at: AwareDatetime
    attempt: int
    worker: str
    what: str
    detail: str | None


class JobDetailShape(JobShape):
    """A job with its attempts, refused writes and children."""

    attempts: list[AttemptShape]
    refused: list[RefusalShape]
    children: list[JobShape]


class LogLineShape(Shape):
    """One line of a log."""

    id: int
    at: AwareDatetime
    level: LogLevel
    message: str
    daemon_id: str | None
    daemon_name: str | None
    job_id: str | None
    item_id: str | None


class HistoryShape(Shape):
    """One change of a daemon."""

    id: int
    at: AwareDatetime
    kind: str
    from_: str | None = Field(alias="from")
    to: str | None
    reason: str | None
    job_id: str | None


class FrameShape(Shape):
    """One call that has not returned."""

    file: str
    line: int
    function: str
    code: str


class StackShape(Shape):
    """Where a daemon stands, outermost call first."""

    at: AwareDatetime
    running: bool
    frames: list[FrameShape]


class DaemonTypeShape(Shape):
    """A type of daemon and the JSON schema of its options."""

    name: str
    title: str
    description: str
    source: str
    options: dict[str, Any]


class JobTypeShape(Shape):
    """A type of job and the JSON schema of its arguments, None where any value is taken."""

    type: str
    description: str
    lane: str
    max_attempts: int
    timeout: float | None
    args: dict[str, Any] | None


class CommandedShape(Shape):
    """What a command for all came to for one daemon."""

    name: str
    state: DaemonState
    error: Problem | None


class FindingShape(Shape):
    """Something a person should know of, and mend."""

    code: str
    severity: Literal["info", "warning", "error"]
    message: str
    remedy: str | None
    subject: str | None
    since: AwareDatetime | None
    link: str | None
    dismissable: bool


class HealthShape(Shape):
    """What is wrong, nothing when all is well."""

    version: str
    boot: str
    started_at: AwareDatetime
    ready: bool
    items: list[FindingShape]
    next: None


class LiveShape(Shape):
    """The process answers."""

    alive: bool


class ReadyShape(Shape):
    """Whether work is taken, and if not, why."""

    ready: bool
    reasons: list[str]


class TokenShape(Shape):
    """A token without its secret."""

    id: str
    name: str
    role: Role
    created_at: AwareDatetime
    last_used_at: AwareDatetime | None
    expires_at: AwareDatetime | None


class NewTokenShape(TokenShape):
    """A new token; `secret` is never shown again."""

    secret: str


class SigninLinkShape(Shape):
    """A link that signs in one browser, once."""

    url: str
    expires_at: AwareDatetime


class EndedShape(Shape):
    """How many sessions were ended."""

    ended: int


class DaemonPage(Shape):
    items: list[DaemonShape]
    next: str | None


class JobPage(Shape):
    items: list[JobShape]
    next: str | None


class LogPage(Shape):
    """Oldest first; `next` goes into the parameter that was used, `before` if none was."""

    items: list[LogLineShape]
    next: str | None


class HistoryPage(Shape):
    """Newest first; `next` goes into `before`."""

    items: list[HistoryShape]
    next: str | None


class TypePage(Shape):
    items: list[DaemonTypeShape]
    jobs: list[JobTypeShape]
    next: None


class CommandedPage(Shape):
    items: list[CommandedShape]


class TokenPage(Shape):
    items: list[TokenShape]
    next: None
