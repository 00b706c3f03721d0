"""What is wrong, since when, and what to do about it: one list for pages, API, command line and notifications.

board, leases, journal, supervisor ──▶ Picture ─▶ judging ─▶ findings, each since it was first seen
disks, folders, files (in threads) ──────┘
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import func, select

from daemons import options
from daemons.bus import Bus
from daemons.clients.registry import Clients
from daemons.clock import Clock
from daemons.database import Database
from daemons.errors import Conflict, ErrorInfo, NotFound, StorageFull, Unavailable
from daemons.events import ItemChanged
from daemons.findings import Finding
from daemons.health.figures import figures
from daemons.health.judging import judge, wants_to_run
from daemons.health.looker import Looker
from daemons.health.picture import Blocked, Dropped, Failing, Jump, Picture
from daemons.health.places import FolderLook, look_at_data, look_into
from daemons.item_work import ItemWork
from daemons.journal import Journal
from daemons.keep_awake import KeepAwake
from daemons.leases import Leases
from daemons.registry import Registry
from daemons.schema import sqlite_path
from daemons.schema.sqlite_file import forget_damage
from daemons.settings import Settings
from daemons.states import LogLevel
from daemons.statistics import Statistics
from daemons.status import StatusBoard
from daemons.supervisor import Supervisor
from daemons.values import Daemon
from daemons.workflow import Keepers

LOOK_SECONDS = 2.0
"""Seconds between two looks at what is in memory."""
WORKERS_SECONDS = 5.0
PLACES_SECONDS = 10.0
"""Seconds between two looks at disks and folders."""
FAILURES_SECONDS = 30.0
FAILURES_OVER = timedelta(hours=1)
ITEMS_OVER = timedelta(days=1)
JUMP_SECONDS = 5.0
"""By how much the clock must differ from the time that passed to be worth a word."""
TOPIC = "health"
_ORDER = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True)
class Watched:
    """The parts of the engine that health is judged from."""

    settings: Settings
    database: Database
    bus: Bus
    board: StatusBoard
    journal: Journal
    leases: Leases
    statistics: Statistics
    registry: Registry
    supervisor: Supervisor
    keep_awake: KeepAwake
    keepers: Keepers
    clients: Clients | None = None
    things: ItemWork | None = None


class Health:
    """Watches from enter to exit; reading what it found waits for nothing."""

    def __init__(self, watched: Watched, clock: Clock, at_start: Sequence[Finding] = ()) -> None:
        self._watched = watched
        self._clock = clock
        self._looker = Looker(clock)
        self._tasks: list[asyncio.Task[None]] = []
        self._since: dict[tuple[str, str | None], datetime] = {}
        self._findings: list[Finding] = []
        self._dropped = 0
        self._complaints: set[str] = set()
        self._database_file = sqlite_path(watched.settings.database_url)
        self.picture = Picture(
            clock.now(),
            watched.settings.data_dir,
            is_sqlite=watched.database.is_sqlite,
            at_start=tuple(at_start),
            plugins=watched.registry.broken,
        )
        """What was seen, each part at its last look."""

    async def __aenter__(self) -> Self:
        self.look()
        self._every(WORKERS_SECONDS, self._look_at_workers)
        self._every(PLACES_SECONDS, self.look_at_places)
        self._every(FAILURES_SECONDS, self.look_at_failures)
        self._tasks.append(asyncio.create_task(self._watch(), name="health"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await self._clock.settle(self._tasks, 1.0)

    def findings(self) -> list[Finding]:
        """Return what is wrong, the worst first, then the oldest."""
        return list(self._findings)

    @property
    def trouble(self) -> int:
        """How many findings want somebody to do something."""
        return sum(finding.is_trouble for finding in self._findings)

    def figures(self) -> dict[str, Any]:
        """Return lag, sizes, disks and the last backup, as the HTTP API shows them."""
        return figures(self.picture, self._watched.keep_awake.state)

    def dismiss(self, code: str) -> None:
        """Show what is known no more, also after a restart. Raises NotFound, or Conflict if it clears by itself."""
        named = [finding for finding in self._findings if finding.code == code]
        if not named:
            raise NotFound(f"Nothing is wrong with the code {code[:100]}.", code="ERR_UNKNOWN_FINDING")
        if not any(finding.dismissable for finding in named):
            raise Conflict(
                f"{code} goes away by itself once it is mended.", remedy=named[0].remedy, code="ERR_NOT_DISMISSABLE"
            )
        if self._database_file is not None:
            forget_damage(self._database_file)
        self.picture.at_start = tuple(finding for finding in self.picture.at_start if finding.code != code)
        self._judge()

    # Looking.

    def _every(self, seconds: float, look: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def repeat() -> None:
            while True:
                await self._guarded(look)
                await self._clock.sleep(seconds)

        self._tasks.append(asyncio.create_task(repeat(), name=f"health {look.__name__.strip('_')}"))

    async def _guarded(self, look: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await look()
        except Unavailable:
            return  # The board says so already.
        except Exception as error:  # noqa: BLE001 - a plug-in's options may raise anything, and looking must go on
            message = f"Health could not be looked at: {ErrorInfo.of(error).message}"
            if message not in self._complaints:
                self._complaints.add(message)
                self._watched.journal.log(LogLevel.ERROR, message)

    async def _watch(self) -> None:
        while True:
            wall, passed = self._clock.now(), self._clock.monotonic()
            await self._clock.sleep(LOOK_SECONDS)
            passed = self._clock.monotonic() - passed
            self.picture.lag = max(0.0, passed - LOOK_SECONDS)
            jumped = (self._clock.now() - wall).total_seconds() - passed
            if abs(jumped) >= JUMP_SECONDS:
                self.picture.jump = Jump(self._clock.now(), jumped)
            await self._guarded(self._look_again)

    async def _look_again(self) -> None:
        self.look()

    def look(self) -> None:
        """See what is in memory, and judge."""
        watched, picture = self._watched, self.picture
        picture.now = self._clock.now()
        picture.is_behind = watched.board.is_behind
        picture.daemons = watched.board.all()
        picture.systems = watched.clients.findings() if watched.clients else ()
        try:
            watched.database.require_space()
            picture.full = None
        except StorageFull as error:
            picture.full = error.message
        picture.kept = watched.keepers.findings()
        if block := watched.supervisor.last_block:
            picture.blocked = Blocked(block.at, str(block), watched.supervisor.blocks)
        if watched.journal.lines_dropped > self._dropped:
            self._dropped = watched.journal.lines_dropped
            picture.dropped = Dropped(picture.now, self._dropped)
        self._judge()

    async def _look_at_workers(self) -> None:
        self.picture.workers = await self._watched.leases.workers()

    async def look_at_failures(self) -> None:
        """See what failed lately, without waiting for the next look."""
        ended = await self._watched.statistics.failing(self._clock.now() - FAILURES_OVER)
        self.picture.failing = {daemon_id: Failing(failed, tried) for daemon_id, (failed, tried) in ended.items()}
        if self._watched.things is not None:
            await self._look_at_items(self._watched.things)

    async def _look_at_items(self, things: ItemWork) -> None:
        now, found = self._clock.now(), {}
        for daemon in self._watched.board.all():
            of_day = await things.failures(daemon.row, now - ITEMS_OVER)
            if of_day is None:
                continue
            self._watched.board.count_items(daemon.id, *of_day)
            of_hour = await things.failures(daemon.row, now - FAILURES_OVER) if of_day[0] else None
            if of_hour is not None:
                found[daemon.id] = Failing(*of_hour)
        self.picture.items_failing = found

    async def look_at_places(self) -> None:
        """See how disks, folders and files are now, without waiting for the next look."""
        picture = self.picture
        picture.needs = self._folders_needed()
        file = self._database_file
        folders = asyncio.gather(*(self._look_into(folder) for folder in picture.needs))
        data = await self._looker.look("data", lambda: look_at_data(picture.data_dir, file))
        picture.data_answers = data is not None
        picture.data = data or picture.data
        picture.folders = dict(zip(picture.needs, await folders, strict=True))
        for folder, look in picture.folders.items():
            if look and look.mount and not look.error and not look.is_empty:
                picture.mounts[folder] = look.mount
        picture.mounts = {folder: mount for folder, mount in picture.mounts.items() if folder in picture.needs}
        picture.database_bytes = await self._database_bytes()
        self._judge()

    async def _look_into(self, folder: Path) -> FolderLook | None:
        return await self._looker.look(str(folder), lambda: look_into(folder))

    def _folders_needed(self) -> dict[Path, list[str]]:
        needed: dict[Path, list[str]] = {}
        for daemon in filter(wants_to_run, self._watched.board.all()):
            for folder in self._folders_of(daemon):
                needed.setdefault(folder, []).append(daemon.name)
        return needed

    def _folders_of(self, daemon: Daemon) -> list[Path]:
        try:
            given, _ = self._watched.registry.effective(daemon.row, self._watched.settings)
        except Exception:  # noqa: BLE001 - options that cannot be used are their daemon's own failure
            return []
        return options.folders_needed(given)

    async def _database_bytes(self) -> int | None:
        if self.picture.data is not None and self._database_file is not None:
            return self.picture.data.database_bytes
        if self._watched.database.is_sqlite:
            return None
        row = await self._watched.database.fetch_one(select(func.pg_database_size(func.current_database())))
        return int(row[0]) if row else None

    # Judging.

    def _judge(self) -> None:
        now = self._clock.now()
        found = {finding.key: finding for finding in judge(self.picture)}
        self._since = {key: self._since.get(key, now) for key in found}
        dated = [finding._replace(since=finding.since or self._since[key]) for key, finding in found.items()]
        dated.sort(key=lambda finding: (_ORDER[finding.severity], finding.since))
        was, self._findings = self._findings, dated
        if [_without_figures(finding) for finding in was] != [_without_figures(finding) for finding in dated]:
            data: dict[str, object] = {"items": [finding.as_dict() for finding in dated]}
            self._watched.bus.publish(ItemChanged(TOPIC, "findings", data))


def _without_figures(finding: Finding) -> Finding:
    # Figures that change all the time are no news by themselves.
    return finding._replace(message="") if finding.code == "ERR_LOOP_LATE" else finding
