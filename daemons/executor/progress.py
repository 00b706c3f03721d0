"""Shows how far running jobs are: on air at once, then at most every 100 ms; stored at most four times a second."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Protocol

from daemons.bus import Bus
from daemons.clock import Clock
from daemons.database import Database
from daemons.database.write_behind import INTERVAL, WriteBehind
from daemons.errors import Unavailable
from daemons.events import JobChanged
from daemons.jobs.attempts import Moved, hold_of, store_progress
from daemons.jobs.rows import Hold
from daemons.values import Job

STORE_SECONDS = 0.25


class Moving(Protocol):
    """A running job whose picture moves."""

    job: Job
    told_at: float
    stored_at: float


class JobProgress:
    """Collects what handlers say of their progress. The newest always comes through, also at the end."""

    def __init__(self, database: Database, clock: Clock, bus: Bus, lost: Callable[[Hold], None]) -> None:
        self._database = database
        self._clock = clock
        self._bus = bus
        self._lost = lost
        self._live: set[Moving] = set()
        self._untold: set[Moving] = set()
        self._unstored: set[Moving] = set()
        self.stored = asyncio.Event()
        """Set while nothing is on its way to the database."""
        self.stored.set()
        self.behind = WriteBehind("job progress", clock, self._flush)

    def moved(self, run: Moving) -> None:
        """Take the new picture of a job; costs nothing when one is waiting already."""
        self._live.add(run)
        if self._clock.monotonic() - run.told_at >= INTERVAL:
            self._tell(run)
        else:
            self._untold.add(run)
        self._unstored.add(run)
        self.behind.mark()

    def ended(self, run: Moving) -> None:
        """Forget a job: its last progress is stored and told with its end."""
        self._live.discard(run)
        self._untold.discard(run)
        self._unstored.discard(run)

    def _tell(self, run: Moving) -> None:
        run.told_at = self._clock.monotonic()
        run.job = replace(run.job, revision=run.job.revision + 1)
        self._bus.publish(JobChanged(run.job))

    async def _flush(self) -> None:
        untold, self._untold = self._untold, set()
        for run in untold:
            self._tell(run)
        now = self._clock.monotonic()
        due = {run for run in self._unstored if now - run.stored_at >= STORE_SECONDS}
        self._unstored -= due
        if due:
            await self._store(due, now)
        if self._unstored or self._untold:
            self.behind.mark()

    async def _store(self, due: Collection[Moving], now: float) -> None:
        moved = [
            Moved(hold_of(run.job), run.job.progress, run.job.revision) for run in due if run.job.progress is not None
        ]
        for run in due:
            run.stored_at = now
        self.stored.clear()
        try:
            lost = await self._database.write(lambda tx: store_progress(tx, moved), durable=False)
        except Unavailable:
            self._unstored |= self._live.intersection(due)
            raise
        finally:
            self.stored.set()
        for hold in lost:
            self._lost(hold)
