"""The words for what daemons and jobs are, and which word may follow which."""

from collections.abc import Mapping
from enum import StrEnum

from daemons.errors import DaemonError


class IllegalTransition(DaemonError):
    """A state was to follow one that it cannot follow."""

    code = "ERR_ILLEGAL_TRANSITION"

    def __init__(self, old: StrEnum, new: StrEnum) -> None:
        super().__init__(f"{type(old).__name__} cannot go from {old} to {new}.")
        self.old = old
        self.new = new


class Desired(StrEnum):
    """What a person asked for; durable."""

    ON = "on"
    OFF = "off"
    PAUSED = "paused"


class DaemonState(StrEnum):
    """What is true of a daemon now."""

    STOPPED = "stopped"  #: no run exists and none is wanted
    STARTING = "starting"  #: a run was made, `on_start` is not through yet
    RUNNING = "running"  #: `run` is executing
    PAUSED = "paused"  #: no run exists because a person paused it
    STOPPING = "stopping"  #: a run was told to end and has not yet
    FINISHED = "finished"  #: `run` returned by itself
    BACKOFF = "backoff"  #: it crashed and is started again after a delay
    FAILED = "failed"  #: it crashed too often, or cannot be made; a person must start or reset it
    STUCK = "stuck"  #: it ignored cancellation past the grace and was abandoned

    @property
    def is_live(self) -> bool:
        """Whether a run of the daemon exists in this state."""
        return self in (DaemonState.STARTING, DaemonState.RUNNING, DaemonState.STOPPING)


_S = DaemonState
DAEMON_TRANSITIONS: Mapping[DaemonState, frozenset[DaemonState]] = {
    _S.STOPPED: frozenset({_S.STARTING, _S.PAUSED, _S.FAILED}),
    _S.STARTING: frozenset({_S.RUNNING, _S.STOPPING, _S.BACKOFF, _S.FAILED, _S.FINISHED, _S.STOPPED}),
    _S.RUNNING: frozenset({_S.STOPPING, _S.FINISHED, _S.BACKOFF, _S.FAILED, _S.STOPPED}),
    _S.PAUSED: frozenset({_S.STARTING, _S.STOPPED, _S.FAILED}),
    _S.STOPPING: frozenset({_S.STOPPED, _S.PAUSED, _S.FINISHED, _S.BACKOFF, _S.FAILED, _S.STUCK}),
    _S.FINISHED: frozenset({_S.STARTING, _S.STOPPED, _S.PAUSED}),
    _S.BACKOFF: frozenset({_S.STARTING, _S.STOPPED, _S.PAUSED, _S.FAILED}),
    _S.FAILED: frozenset({_S.STOPPED, _S.STARTING, _S.PAUSED}),
    _S.STUCK: frozenset({_S.STOPPED, _S.PAUSED, _S.STARTING, _S.FINISHED, _S.FAILED}),
}


class StopMode(StrEnum):
    """How a run is ended."""

    NOW = "now"  #: cancel it; its jobs go on unless created with on_stop="cancel"
    DRAIN = "drain"  #: let it finish the item or job in hand, take no more
    CANCEL_JOBS = "cancel_jobs"  #: cancel it and every unfinished job it created


class JobState(StrEnum):
    """What is true of a job."""

    QUEUED = "queued"  #: durable, not running; its waiting reason says why
    RUNNING = "running"  #: a worker has it
    CANCELLING = "cancelling"  #: a worker has it and was told to end it
    COMPLETED = "completed"  #: it has a result
    FAILED = "failed"  #: it has an error and will not be tried again by itself
    CANCELLED = "cancelled"  #: a person or a daemon ended it

    @property
    def is_finished(self) -> bool:
        """Whether nothing will happen to the job any more unless a person retries it."""
        return self in FINISHED_JOB_STATES


FINISHED_JOB_STATES = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED})
UNFINISHED_JOB_STATES = frozenset(JobState) - FINISHED_JOB_STATES


class OnStop(StrEnum):
    """What becomes of a job when the daemon that created it is stopped."""

    CONTINUE = "continue"
    CANCEL = "cancel"


class LogLevel(StrEnum):
    """How much a log line matters, least first."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        return _RANKS[self]

    @property
    def and_above(self) -> "frozenset[LogLevel]":
        return frozenset(level for level in LogLevel if level.rank >= self.rank)


_RANKS = {level: rank for rank, level in enumerate(LogLevel)}


def check_daemon_transition(old: DaemonState, new: DaemonState) -> None:
    """Raise IllegalTransition unless a daemon may go from `old` to `new`."""
    if new not in DAEMON_TRANSITIONS[old]:
        raise IllegalTransition(old, new)
