"""How an attempt of a job can end: a closed set."""

from dataclasses import dataclass
from datetime import datetime

from daemons.errors import ErrorInfo
from daemons.states import JobState
from daemons.values import Job, JsonValue


@dataclass(frozen=True, slots=True)
class Completed:
    """The handler returned this."""

    result: JsonValue


@dataclass(frozen=True, slots=True)
class Failed:
    """It went wrong for good."""

    error: ErrorInfo


@dataclass(frozen=True, slots=True)
class TriedAgain:
    """It went wrong and is tried again later."""

    error: ErrorInfo
    run_after: datetime


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Somebody ended it."""

    error: ErrorInfo


@dataclass(frozen=True, slots=True)
class GivenBack:
    """The worker was stopped; nothing is counted against the job and its progress stays."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Another worker has the job; there is nothing to write."""


Outcome = Completed | Failed | TriedAgain | Cancelled | GivenBack | Lost

NAMES: dict[type[Outcome], str] = {
    Completed: "completed",
    Failed: "failed",
    TriedAgain: "failed",
    Cancelled: "cancelled",
    GivenBack: "given back",
    Lost: "superseded",
}
"""The word for an outcome in the list of a job's attempts."""
STATES: dict[type[Outcome], JobState] = {
    Completed: JobState.COMPLETED,
    Failed: JobState.FAILED,
    TriedAgain: JobState.QUEUED,
    Cancelled: JobState.CANCELLED,
    GivenBack: JobState.QUEUED,
}


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of one attempt: the job as its worker last saw it, and the outcome."""

    job: Job
    outcome: Outcome


def cancelled(reason: str, cause: ErrorInfo | None = None) -> ErrorInfo:
    """Return the error of a cancelled job."""
    return ErrorInfo("ERR_CANCELLED", reason, None, "Retry the job if it is still wanted.", cause)
