"""Frozen values that travel between the floors: a daemon, a job, a log line, as they were at one moment."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from daemons.errors import ErrorInfo
from daemons.states import DaemonState, Desired, JobState, LogLevel, OnStop

JsonValue = Any
"""What `json.loads` may return."""

MASK = "**********"
"""What is shown in place of a secret."""


class Progress(NamedTuple):
    """How far something is; `total` None when unknown."""

    done: float
    total: float | None = None
    message: str | None = None

    @property
    def fraction(self) -> float | None:
        """0.0 to 1.0, or None while the total is unknown."""
        if not self.total or self.total <= 0:
            return None
        return max(0.0, min(1.0, self.done / self.total))

    def as_dict(self) -> dict[str, JsonValue]:
        return {"done": self.done, "total": self.total, "fraction": self.fraction, "message": self.message}


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run one daemon: only writes that carry the newest epoch are taken."""

    daemon_id: str
    holder: str
    epoch: int


class LastError(NamedTuple):
    """The newest failure of a daemon."""

    code: str
    message: str
    at: datetime
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class DaemonRow:
    """The part of a daemon that changes by commands and state changes: stored, rarely replaced."""

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
    paused_until: datetime | None
    state: DaemonState
    state_reason: str | None
    stop_mode: str | None
    started_at: datetime | None
    restarts: int
    last_error: LastError | None
    configuration: dict[str, JsonValue]
    configuration_revision: int
    switched_at: datetime | None
    restart_revision: int
    wake_revision: int
    reset_revision: int
    created_at: datetime
    secret_options: frozenset[str] = frozenset()
    """Options whose values are never shown."""

    @property
    def shown_configuration(self) -> dict[str, JsonValue]:
        """The configuration with a mask where a secret is."""
        return {name: MASK if name in self.secret_options else value for name, value in self.configuration.items()}


class Ends(NamedTuple):
    """How fast work goes, and between which times it will end; None when unknown."""

    rate_per_hour: float
    ends_earliest: datetime | None = None
    ends_latest: datetime | None = None


class Live(NamedTuple):
    """The part of a daemon that changes with every status: replaced whole, cheap to make."""

    revision: int
    status_revision: int = 0
    current_status: str | None = None
    current_job_id: str | None = None
    current_job_type: str | None = None
    status_updated_at: datetime | None = None
    next_wake_at: datetime | None = None
    wait_reason: str | None = None
    last_heartbeat: datetime | None = None
    silent: bool = False
    progress: Progress | None = None
    pace: Ends | None = None
    failures: int = 0
    """Jobs of it that failed in the last day."""
    finished: int = 0
    """Jobs of it that ended in the last day, in whatever way."""
    items_failed: int = 0
    """Of the single things its jobs work on, those that failed in the last day."""
    items_settled: int = 0
    """Those that were done or failed in the last day."""

    @property
    def fails_often(self) -> bool:
        """Whether more than 5 % of what ended in the last day failed: of its jobs, or of the things they work on."""
        return self.failures > 0.05 * self.finished or self.items_fail_often

    @property
    def items_fail_often(self) -> bool:
        return self.items_failed > 0.05 * self.items_settled


class Daemon(NamedTuple):
    """One daemon as it is now. Attributes of both parts can be read on it directly."""

    row: DaemonRow
    live: Live

    @property
    def id(self) -> str:
        return self.row.id

    @property
    def name(self) -> str:
        return self.row.name

    @property
    def state(self) -> DaemonState:
        return self.row.state

    @property
    def revision(self) -> int:
        """Orders the pictures of this daemon within one boot."""
        return self.live.revision

    def as_dict(self) -> dict[str, JsonValue]:
        """Return the daemon of the HTTP API, times still datetimes."""
        row, live = self.row, self.live
        error = row.last_error
        return {
            "id": row.id,
            "name": row.name,
            "type": row.type,
            "title": row.title,
            "description": row.description,
            "enabled": row.enabled,
            "auto_start": row.auto_start,
            "vital": row.vital,
            "desired": row.desired.value,
            "desired_reason": row.desired_reason,
            "paused_until": row.paused_until,
            "state": row.state.value,
            "state_reason": row.state_reason,
            "stop_mode": row.stop_mode,
            "current_status": live.current_status,
            "current_job_id": live.current_job_id,
            "current_job_type": live.current_job_type,
            "status_updated_at": live.status_updated_at,
            "next_wake_at": live.next_wake_at,
            "wait_reason": live.wait_reason,
            "started_at": row.started_at,
            "last_heartbeat": live.last_heartbeat,
            "silent": live.silent,
            "restarts": row.restarts,
            "last_error": error._asdict() if error else None,
            "progress": live.progress.as_dict() if live.progress else None,
            "pace": live.pace._asdict() if live.pace else None,
            "failures": live.failures,
            "configuration": row.shown_configuration,
            "configuration_revision": row.configuration_revision,
            "revision": live.revision,
        }


@dataclass(frozen=True, slots=True)
class Job:
    """One job as it is now."""

    id: str
    type: str
    lane: str
    state: JobState
    daemon_id: str | None
    daemon_name: str | None
    parent_id: str | None
    key: str | None
    unique: str | None
    args: JsonValue
    result: JsonValue
    progress: Progress | None
    error: ErrorInfo | None
    attempt: int
    failures: int
    crashes: int
    max_attempts: int
    priority: int
    on_stop: OnStop
    run_after: datetime
    waiting_reason: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    worker: str | None
    revision: int

    @property
    def is_finished(self) -> bool:
        return self.state.is_finished

    def as_dict(self) -> dict[str, JsonValue]:
        """Return the job of the HTTP API, times still datetimes."""
        return {
            "id": self.id,
            "type": self.type,
            "lane": self.lane,
            "state": self.state.value,
            "daemon_id": self.daemon_id,
            "daemon_name": self.daemon_name,
            "parent_id": self.parent_id,
            "key": self.key,
            "args": self.args,
            "result": self.result,
            "progress": self.progress.as_dict() if self.progress else None,
            "error": self.error.as_dict() if self.error else None,
            "attempt": self.attempt,
            "failures": self.failures,
            "crashes": self.crashes,
            "max_attempts": self.max_attempts,
            "priority": self.priority,
            "run_after": self.run_after,
            "waiting_reason": self.waiting_reason,
            "created_at": self.created_at,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "worker": self.worker,
            "revision": self.revision,
        }


@dataclass(frozen=True, slots=True)
class Attempt:
    """One time a job was taken by a worker."""

    attempt: int
    worker: str
    started_at: datetime
    finished_at: datetime | None
    outcome: str | None
    error: ErrorInfo | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A write that came too late from a worker that no longer had the job."""

    at: datetime
    attempt: int
    worker: str
    what: str
    detail: str | None


@dataclass(frozen=True, slots=True)
class JobDetail:
    """A job with all that is known of it."""

    job: Job
    attempts: list[Attempt] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    children: list[Job] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a daemon's or a job's log, and of what single thing it is, such as a record."""

    id: int
    at: datetime
    level: LogLevel
    message: str
    daemon_id: str | None
    daemon_name: str | None
    job_id: str | None
    item_id: str | None = None

    def as_dict(self) -> dict[str, JsonValue]:
        return {
            "id": self.id,
            "at": self.at,
            "level": self.level.value,
            "message": self.message,
            "daemon_id": self.daemon_id,
            "daemon_name": self.daemon_name,
            "job_id": self.job_id,
            "item_id": self.item_id,
        }


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One change of a daemon: its state, what was asked of it, or a job it launched or saw end."""

    id: int
    at: datetime
    kind: str
    old: str | None
    new: str | None
    reason: str | None
    job_id: str | None

    def as_dict(self) -> dict[str, JsonValue]:
        return {
            "id": self.id,
            "at": self.at,
            "kind": self.kind,
            "from": self.old,
            "to": self.new,
            "reason": self.reason,
            "job_id": self.job_id,
        }


class StatusNote(NamedTuple):
    """A sentence on a daemon's timeline: from `at` to `last_at` it said this, `repeats` times."""

    at: datetime
    last_at: datetime
    message: str
    job_id: str | None
    job_type: str | None
    repeats: int = 1

    def says_the_same(self, other: "StatusNote") -> bool:
        return (self.message, self.job_id, self.job_type) == (other.message, other.job_id, other.job_type)

    def again(self, other: "StatusNote") -> "StatusNote":
        """This sentence, also said at the time of `other`."""
        return self._replace(last_at=other.last_at, repeats=self.repeats + other.repeats)

    def as_dict(self) -> dict[str, JsonValue]:
        return self._asdict()


@dataclass(frozen=True, slots=True)
class MetricPoint:
    """One of a daemon's own figures, folded over the minute that begins at `at`."""

    name: str
    at: datetime
    unit: str | None
    count: int
    total: float
    minimum: float
    maximum: float
    last: float


@dataclass(frozen=True, slots=True)
class ReportedError:
    """An error that a daemon reported, with how often."""

    id: int
    code: str
    message: str
    detail: str | None
    count: int
    first_seen: datetime
    last_seen: datetime
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list and the cursor of the next, None at the end."""

    items: list[Any]
    next: str | None
