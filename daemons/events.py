"""What happened, told only after it is true. Frozen, past tense, complete."""

from dataclasses import dataclass

from daemons.values import Daemon, DaemonRow, Job, LogLine


@dataclass(frozen=True, slots=True)
class DaemonRowChanged:
    """A daemon's row was written. The status board turns it into DaemonChanged for everybody else."""

    row: DaemonRow

    @property
    def key(self) -> tuple[str, str]:
        return ("daemon row", self.row.id)


@dataclass(frozen=True, slots=True)
class DaemonChanged:
    """A daemon's row, state or status is now this."""

    daemon: Daemon

    @property
    def key(self) -> tuple[str, str]:
        return ("daemon", self.daemon.row.id)


@dataclass(frozen=True, slots=True)
class DaemonRemoved:
    """A daemon is gone."""

    id: str
    name: str

    @property
    def key(self) -> tuple[str, str]:
        return ("daemon", self.id)


@dataclass(frozen=True, slots=True)
class JobChanged:
    """A job is now this."""

    job: Job

    @property
    def key(self) -> tuple[str, str]:
        return ("job", self.job.id)


@dataclass(frozen=True, slots=True)
class JobOffered:
    """A job may run in this process; a hint for the executor, nothing that is shown."""

    id: str
    attempt: int

    @property
    def key(self) -> tuple[str, str]:
        return ("offer", self.id)


@dataclass(frozen=True, slots=True)
class JobRemoved:
    """A job was deleted by retention."""

    id: str

    @property
    def key(self) -> tuple[str, str]:
        return ("job", self.id)


@dataclass(frozen=True, slots=True)
class ItemChanged:
    """An item of a workflow changed: `topic` is the workflow's plural noun, `data` the item as its API shows it."""

    topic: str
    id: str
    data: dict[str, object]

    @property
    def key(self) -> tuple[str, str]:
        return (self.topic, self.id)


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """A person's session or token was revoked; its sockets close."""

    id: str

    @property
    def key(self) -> tuple[str, str]:
        return ("session", self.id)


@dataclass(frozen=True, slots=True)
class LogWritten:
    """A line was added to a log."""

    line: LogLine

    @property
    def key(self) -> None:
        """Lines do not replace each other."""
        return None


Event = (
    DaemonRowChanged
    | DaemonChanged
    | DaemonRemoved
    | JobChanged
    | JobOffered
    | JobRemoved
    | ItemChanged
    | SessionEnded
    | LogWritten
)
