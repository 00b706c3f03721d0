"""What happened, told only after it is true. Frozen, past tense, complete."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

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


class Shown(Protocol):
    """What can say how it is shown."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as its API shows it."""
        ...


@dataclass(frozen=True)
class ItemChanged:
    """An item of a workflow changed: `topic` is the workflow's plural noun, `item` what it is now."""

    __match_args__ = ("topic", "id", "data")

    topic: str
    id: str
    item: Mapping[str, object] | Shown

    @cached_property
    def data(self) -> dict[str, Any]:
        """The item as its API shows it; made when the first one asks, for often nobody does."""
        return dict(self.item) if isinstance(self.item, Mapping) else self.item.as_dict()

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
