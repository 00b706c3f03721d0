"""How a state is shown in a word and a mark (never by colour alone), and which commands make sense in it."""

from dataclasses import dataclass
from typing import Literal

from daemons.states import DaemonState, Desired, JobState, StopMode
from daemons.values import Daemon, Job

Tone = Literal["calm", "busy", "good", "warn", "bad"]


@dataclass(frozen=True, slots=True)
class Mark:
    """What stands beside a name: a sign, a word, and the tone that colours both."""

    sign: str
    word: str
    tone: Tone


_DAEMON_MARKS = {
    DaemonState.STOPPED: Mark("■", "stopped", "calm"),
    DaemonState.STARTING: Mark("◔", "starting", "busy"),
    DaemonState.RUNNING: Mark("▶", "running", "good"),
    DaemonState.PAUSED: Mark("‖", "paused", "calm"),
    DaemonState.STOPPING: Mark("◔", "stopping", "busy"),
    DaemonState.FINISHED: Mark("✓", "finished", "calm"),
    DaemonState.BACKOFF: Mark("↻", "backing off", "warn"),
    DaemonState.FAILED: Mark("✕", "failed", "bad"),
    DaemonState.STUCK: Mark("⚠", "stuck", "bad"),
}
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
_ON_ITS_WAY = {DaemonState.STARTING, DaemonState.RUNNING, DaemonState.BACKOFF}


def daemon_mark(daemon: Daemon) -> Mark:
    """Return the mark of a daemon; a running one may be sleeping or silent, a stopping one draining."""
    row, live = daemon
    if row.state is DaemonState.RUNNING and live.silent:
        return _SILENT
    if row.state is DaemonState.RUNNING and live.next_wake_at is not None:
        return _SLEEPING
    if row.state is DaemonState.STOPPING and row.stop_mode == StopMode.DRAIN:
        return _DRAINING
    return _DAEMON_MARKS[row.state]


def job_mark(job: Job) -> Mark:
    """Return the mark of a job; a queued one that says why is waiting."""
    return _WAITING if job.state is JobState.QUEUED and job.waiting_reason else _JOB_MARKS[job.state]


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
        case _:
            raise ValueError(f"{command} is not a command of jobs.")
