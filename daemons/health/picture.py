"""Everything that findings are judged from, as it was at one moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from daemons.findings import Finding
from daemons.health.places import DataLook, FolderLook
from daemons.leases import WorkerInfo
from daemons.registry import BrokenPlugin
from daemons.values import Daemon


class Jump(NamedTuple):
    """The wall clock and the time that passed did not agree: the machine slept, or its clock was set."""

    at: datetime
    seconds: float


class Blocked(NamedTuple):
    """The event loop stood still."""

    at: datetime
    sentence: str
    times: int


class Dropped(NamedTuple):
    """Log lines that nobody will read, when that last happened."""

    at: datetime
    lines: int


class Failing(NamedTuple):
    """Of a daemon's jobs that ended lately, how many failed."""

    failed: int
    tried: int

    @property
    def part(self) -> float:
        return self.failed / self.tried if self.tried else 0.0


@dataclass(slots=True)
class Picture:
    """Filled in by Health, each part at its own pace; parts that nobody looked at yet are empty."""

    now: datetime
    data_dir: Path
    is_sqlite: bool
    at_start: Sequence[Finding] = ()
    is_behind: bool = False
    full: str | None = None
    """What is said while the disk is full."""
    plugins: Sequence[BrokenPlugin] = ()
    kept: Sequence[Finding] = ()
    """What the keepers of workflows find wrong themselves."""
    daemons: Sequence[Daemon] = ()
    systems: Sequence[Finding] = ()
    """What the clients of other systems found."""
    workers: Sequence[WorkerInfo] = ()
    failing: Mapping[str, Failing] = field(default_factory=dict)
    items_failing: Mapping[str, Failing] = field(default_factory=dict)
    """The same of the single things that jobs work on."""
    """By the daemon's id."""
    lag: float = 0.0
    blocked: Blocked | None = None
    jump: Jump | None = None
    dropped: Dropped | None = None
    data: DataLook | None = None
    data_answers: bool = True
    database_bytes: int | None = None
    folders: dict[Path, FolderLook | None] = field(default_factory=dict)
    """None: the place does not answer."""
    needs: dict[Path, list[str]] = field(default_factory=dict)
    """The names of the daemons that need a folder."""
    mounts: dict[Path, Path] = field(default_factory=dict)
    """Where what holds a folder was mounted when there last was something in it."""
