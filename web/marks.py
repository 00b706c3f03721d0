"""How a state is shown: a word and a mark (never colour alone), what it says of itself, which commands make sense."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from daemons.questions import AWAITING
from daemons.states import DaemonState, Desired, JobState, StopMode
from daemons.values import Daemon, DaemonRow, Job, JsonValue
from web.words import N_, _, ngettext

Tone = Literal["calm", "busy", "good", "warn", "bad"]


@dataclass(frozen=True, slots=True)
class Mark:
    """What stands beside a name: a sign, a word (its message is the English one), and the tone that colours both."""

    sign: str
    message: str
    tone: Tone

    @property
    def word(self) -> str:
        return _(self.message)


DAEMON_MARKS = {
    DaemonState.RUNNING: Mark("▶", N_("running"), "good"),
    DaemonState.STARTING: Mark("◔", N_("starting"), "busy"),
    DaemonState.STOPPING: Mark("◔", N_("stopping"), "busy"),
    DaemonState.BACKOFF: Mark("↻", N_("backing off"), "warn"),
    DaemonState.FAILED: Mark("✕", N_("failed"), "bad"),
    DaemonState.STUCK: Mark("⚠", N_("stuck"), "bad"),
    DaemonState.PAUSED: Mark("‖", N_("paused"), "calm"),
    DaemonState.FINISHED: Mark("✓", N_("finished"), "calm"),
    DaemonState.STOPPED: Mark("■", N_("stopped"), "calm"),
}
"""In the order in which they are counted on the page."""
_SILENT = Mark("⚠", N_("silent"), "warn")
_SLEEPING = Mark("◌", N_("sleeping"), "good")
_DRAINING = Mark("⤓", N_("draining"), "busy")
_JOB_MARKS = {
    JobState.QUEUED: Mark("○", N_("queued"), "calm"),
    JobState.RUNNING: Mark("▶", N_("running"), "good"),
    JobState.CANCELLING: Mark("◔", N_("cancelling"), "busy"),
    JobState.COMPLETED: Mark("✓", N_("completed"), "calm"),
    JobState.FAILED: Mark("✕", N_("failed"), "bad"),
    JobState.CANCELLED: Mark("–", N_("cancelled"), "calm"),
}
_WAITING = Mark("…", N_("waiting"), "warn")
_ASKING = Mark("?", N_("awaiting input"), "warn")
RECORD_MARKS: Mapping[str, Mark] = {
    "awaiting": _ASKING,
    "parked": Mark("✕", N_("parked"), "bad"),
    "failing": Mark("↻", N_("failing"), "warn"),
    "running": Mark("▶", N_("running"), "good"),
    "waiting": Mark("○", N_("waiting"), "calm"),
    "resting": Mark("…", N_("resting"), "calm"),
    "complete": Mark("✓", N_("complete"), "good"),
}
"""By the word that web/record_states.py finds for a record."""
_WISHES: Mapping[str, Mark] = {
    Desired.ON: Mark("→", N_("wanted on"), "calm"),
    Desired.OFF: Mark("→", N_("wanted off"), "calm"),
    Desired.PAUSED: Mark("→", N_("wanted paused"), "calm"),
}
_UNSAID = {
    DaemonState.STARTING: N_("Starting."),
    DaemonState.RUNNING: N_("Nothing said yet."),
    DaemonState.STOPPING: N_("Ending."),
    DaemonState.FINISHED: N_("Its work is done."),
}
_VALUES = frozenset(
    (
        *(mark.message for mark in (*DAEMON_MARKS.values(), *_JOB_MARKS.values())),
        *(N_("backoff"), N_("on"), N_("off"), N_("wanted"), N_("state"), N_("job"), N_("error")),
        *(N_("sent"), N_("dropped"), N_("open"), N_("answered"), N_("taken"), N_("expired"), N_("withdrawn")),
        *(N_("viewer"), N_("operator"), N_("admin"), N_("done"), N_("refused"), N_("crashed"), N_("released")),
        *(mark.message for mark in RECORD_MARKS.values()),
        *(N_("awaiting"), N_("timed out"), N_("lost"), N_("moved")),
        *(N_("describer"), N_("copy"), N_("hand"), N_("import")),
        *(N_("ran"), N_("missed"), N_("skipped"), N_("waiting"), N_("unknown"), N_("all"), N_("silent")),
    )
)
"""Values of the API that pages show as a word: the values themselves are the English ones."""
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


def word_of(value: object) -> str:
    """Return the word for a state, an outcome or a role of the API; what is none of them stays as it is."""
    text = str(value)
    return _(text) if text in _VALUES else text


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
    if row.state_reason:
        return row.state_reason
    return _(_UNSAID[row.state]) if row.state in _UNSAID else _why_not(row)


def _why_not(row: DaemonRow) -> str:
    if not row.enabled:
        return _("It is disabled.")
    if row.switched_at is None and row.started_at is None:
        return _("Not started yet.")
    return _("It was switched off.") if row.desired is Desired.OFF else _("Not running.")


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
        return _WISHES.get(new, Mark("→", new, "calm"))
    return (
        Mark("!", N_("error"), "warn" if entry["to"] is None else "calm")
        if kind == "error"
        else Mark("✕", kind, "warn")
    )


def tries(job: Job) -> str | None:
    """Return how often the job was tried where that is worth a word."""
    counts = {"n": job.failures, "most": job.max_attempts}
    if job.state in (JobState.RUNNING, JobState.CANCELLING):
        # A try counts as failed from its beginning, so that a dying process cannot forget it.
        return _("try %(n)s of %(most)s") % counts if job.failures > 1 else None
    if job.state is JobState.FAILED:
        return _("gave up at try %(n)s of %(most)s") % counts
    said = ngettext("%(n)s of %(most)s tries failed", "%(n)s of %(most)s tries failed", job.failures)
    return said % counts if job.failures else None


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
