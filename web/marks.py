"""How a state is shown: a word and a mark (never colour alone), what it says of itself, which commands make sense."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from daemons.questions import AWAITING
from daemons.states import DaemonState, Desired, JobState, StopMode
from daemons.values import Daemon, DaemonRow, Job, JsonValue

Tone = Literal["calm", "busy", "good", "warn", "bad"]


@dataclass(frozen=True, slots=True)
class Mark:
    """What stands beside a name: a sign, a word, and the tone that colours both."""

    sign: str
    word: str
    tone: Tone


DAEMON_MARKS = {
    DaemonState.RUNNING: Mark("▶", "running", "good"),
    DaemonState.STARTING: Mark("◔", "starting", "busy"),
    DaemonState.STOPPING: Mark("◔", "stopping", "busy"),
    DaemonState.BACKOFF: Mark("↻", "backing off", "warn"),
    DaemonState.FAILED: Mark("✕", "failed", "bad"),
    DaemonState.STUCK: Mark("⚠", "stuck", "bad"),
    DaemonState.PAUSED: Mark("‖", "paused", "calm"),
    DaemonState.FINISHED: Mark("✓", "finished", "calm"),
    DaemonState.STOPPED: Mark("■", "stopped", "calm"),
}
"""In the order in which they are counted on the page."""
_SILENT = Mark("⚠", "silent", "warn")
_SLEEPING = Mark("◌", "sleeping", "good")
_DRAINING = Mark("⤓", "draining", "busy")
_JOB_MARKS = {
    JobState.QUEUED: Mark("○", "queued", "calm"),
    JobState.RUNNING: Mark("▶", "running", "good"),
    JobState.CANCELLING: Mark("◔", "cancelling", "busy"),
    JobState.COMPLETED: Mark("✓", "completed", "calm"),
    JobState.FAILED: Mark("✕", "failed", "bad"),
    JobState.CANCELLED: Mark("–", "cancelled", "calm"),
}
_WAITING = Mark("…", "waiting", "warn")
_ASKING = Mark("?", "awaiting input", "warn")
_UNSAID = {
    DaemonState.STARTING: "Starting.",
    DaemonState.RUNNING: "Nothing said yet.",
    DaemonState.STOPPING: "Ending.",
    DaemonState.FINISHED: "Its work is done.",
}
_ON_ITS_WAY = {DaemonState.STARTING, DaemonState.RUNNING, DaemonState.BACKOFF}


def daemon_mark(daemon: Daemon) -> Mark:
    """Return the mark of a daemon; a running one may sleep, await input or be silent, a stopping one draining."""
    row, live = daemon
    if row.state is DaemonState.RUNNING and live.silent:
        return _SILENT
    if row.state is DaemonState.RUNNING and (live.wait_reason or "").startswith(AWAITING):
        return _ASKING
    if row.state is DaemonState.RUNNING and live.next_wake_at is not None:
        return _SLEEPING
    if row.state is DaemonState.STOPPING and row.stop_mode == StopMode.DRAIN:
        return _DRAINING
    return DAEMON_MARKS[row.state]


def kind_of(daemon: Daemon) -> str | None:
    """Return the title of the daemon's type, None when its name says the same."""
    row = daemon.row
    return None if _letters(row.title) == _letters(row.name) else row.title


def reason_of(daemon: Daemon) -> str | None:
    """Return why the daemon is in its state, None when its newest error says the same."""
    row = daemon.row
    return None if row.last_error and row.last_error.message == row.state_reason else row.state_reason


def silence_of(daemon: Daemon) -> str:
    """Return what stands where a daemon has nothing to say."""
    row = daemon.row
    return row.state_reason or _UNSAID.get(row.state) or _why_not(row)


def _why_not(row: DaemonRow) -> str:
    if not row.enabled:
        return "It is disabled."
    if row.switched_at is None and row.started_at is None:
        return "Not started yet."
    return "It was switched off." if row.desired is Desired.OFF else "Not running."


def job_mark(job: Job) -> Mark:
    """Return the mark of a job; a queued one that says why is waiting, one that asked a person awaits input."""
    if job.state is JobState.RUNNING and (job.waiting_reason or "").startswith(AWAITING):
        return _ASKING
    return _WAITING if job.state is JobState.QUEUED and job.waiting_reason else _JOB_MARKS[job.state]


def happening_mark(entry: Mapping[str, JsonValue]) -> Mark:
    """Return the mark of something that happened, given as the API shows it."""
    kind, new = entry["kind"], str(entry["to"] or "")
    if kind == "state" and new in DAEMON_MARKS:
        return DAEMON_MARKS[DaemonState(new)]
    if kind == "job" and new in _JOB_MARKS:
        return _JOB_MARKS[JobState(new)]
    if kind == "desired":
        return Mark("→", f"wanted {new}", "calm")
    return Mark("!", "error", "warn" if entry["to"] is None else "calm") if kind == "error" else Mark("✕", kind, "warn")


def tries(job: Job) -> str | None:
    """Return how often the job was tried where that is worth a word."""
    if job.state in (JobState.RUNNING, JobState.CANCELLING):
        # A try counts as failed from its beginning, so that a dying process cannot forget it.
        return f"try {job.failures} of {job.max_attempts}" if job.failures > 1 else None
    if job.state is JobState.FAILED:
        return f"gave up at try {job.failures} of {job.max_attempts}"
    return f"{job.failures} of {job.max_attempts} tries failed" if job.failures else None


def deaths(job: Job) -> int:
    """Return how often the process died that ran the job; the try under way counts as one until it ends."""
    return job.crashes - (job.state in (JobState.RUNNING, JobState.CANCELLING))


def daemon_accepts(daemon: Daemon, command: str) -> bool:
    """Whether `command` would change anything about the daemon as it stands."""
    row, live = daemon
    state, desired = row.state, row.desired
    match command:
        case "start":
            return row.enabled and not (desired is Desired.ON and state in _ON_ITS_WAY)
        case "stop":
            return desired is not Desired.OFF or state.is_live
        case "restart":
            return row.enabled and state not in (DaemonState.STOPPED, DaemonState.STOPPING)
        case "pause":
            return row.enabled and desired is Desired.ON
        case "resume":
            return row.enabled and desired is Desired.PAUSED
        case "wake":
            return state is DaemonState.RUNNING and live.next_wake_at is not None
        case "reset":
            return state in (DaemonState.FAILED, DaemonState.STUCK)
        case _:
            raise ValueError(f"{command} is not a command of daemons.")


def job_accepts(job: Job, command: str) -> bool:
    """Whether `command` would change anything about the job as it stands."""
    match command:
        case "cancel":
            return not job.is_finished and job.state is not JobState.CANCELLING
        case "retry":
            return job.is_finished and job.state is not JobState.COMPLETED
        case "next":
            return job.state is JobState.QUEUED
        case _:
            raise ValueError(f"{command} is not a command of jobs.")


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())
