"""How many jobs wait, run and ended in the last day: counted anew a moment after something changed."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from sqlalchemy import ColumnElement, func, select

from daemons.bus import Bus
from daemons.clock import Clock
from daemons.database import Database
from daemons.errors import Unavailable
from daemons.events import Event, ItemChanged, JobChanged, JobRemoved
from daemons.failure_marks import TOPIC as MARKS
from daemons.failure_marks import is_excused
from daemons.jobs.rows import IS_UNFINISHED, JOBS
from daemons.states import JobState
from daemons.status import StatusBoard
from daemons.tasks import beside

TOPIC = "tallies"
PACE_SECONDS = 3.0
"""The least between two counts."""
LOOK_SECONDS = 60.0
"""The most: what ended a day ago is not counted any more, though nothing happens."""
HOURS = 24

_J = JOBS.c


@dataclass(frozen=True, slots=True)
class Tally:
    """Numbers over all daemons; `ended_by_hour` has the jobs that ended in each of the last hours, oldest first.

    What failed and was skipped, or is muted, is not in `failed`.
    """

    active: int = 0
    queued: int = 0
    failed: int = 0
    ended_by_hour: list[int] = field(default_factory=lambda: [0] * HOURS)

    @property
    def ended(self) -> int:
        return sum(self.ended_by_hour)

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "ended": self.ended}


class Tallies:
    """Counts, from enter to exit; the board is told of each daemon's part."""

    def __init__(self, database: Database, clock: Clock, bus: Bus, board: StatusBoard) -> None:
        self.now = Tally()
        self._database = database
        self._clock = clock
        self._bus = bus
        self._board = board
        self._changed = asyncio.Event()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._stack.enter_context(self._bus.listen(self._hear))
        await self.count()
        await self._stack.enter_async_context(beside(self._keep_counting(), "tallies"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def count(self) -> Tally:
        """Count now, and tell whoever shows it if anything is different. Raises Unavailable."""
        now = self._clock.now()
        since = now - timedelta(hours=HOURS)
        by_state = select(_J.state, func.count()).where(IS_UNFINISHED).group_by(_J.state)
        hour = _hour_of(self._database.is_sqlite)
        each = select(_J.daemon_id, _J.state, hour.label("hour")).where(_J.finished_at > since).subquery().c
        ended = select(each.daemon_id, each.state, each.hour, func.count()).group_by(
            each.daemon_id, each.state, each.hour
        )
        excused = select(_J.daemon_id, func.count()).where(_J.finished_at > since, is_excused(now))
        waiting: dict[str, int] = dict(map(tuple, await self._database.fetch(by_state)))
        hours, failed, finished = Counter[str](), Counter[str | None](), Counter[str | None]()
        for daemon_id, state, at, count in map(tuple, await self._database.fetch(ended)):
            hours[at] += count
            finished[daemon_id] += count
            failed[daemon_id] += count if state == JobState.FAILED.value else 0
        failed.subtract(dict(map(tuple, await self._database.fetch(excused.group_by(_J.daemon_id)))))
        failed = +failed  # what ended between the two looks is never less than nothing
        queued = waiting.pop(JobState.QUEUED.value, 0)
        last_hours = [hours[(now - timedelta(hours=back)).strftime("%Y-%m-%d %H")] for back in reversed(range(HOURS))]
        self._show(Tally(sum(waiting.values()), queued, failed.total(), last_hours))
        self._board.count_jobs({key: (failed[key], count) for key, count in finished.items() if key is not None})
        return self.now

    def _show(self, tally: Tally) -> None:
        if tally != self.now:
            self.now = tally
            self._bus.publish(ItemChanged(TOPIC, "all", tally.as_dict()))

    def _hear(self, event: Event) -> None:
        is_mark = isinstance(event, ItemChanged) and event.topic == MARKS
        if is_mark or isinstance(event, JobChanged | JobRemoved):
            self._changed.set()

    async def _keep_counting(self) -> None:
        while True:
            await self._clock.wait(self._changed, LOOK_SECONDS)
            self._changed.clear()
            with suppress(Unavailable):
                await self.count()
            await self._clock.sleep(PACE_SECONDS)


def _hour_of(is_sqlite: bool) -> ColumnElement[str]:
    """Return the hour of a job's end as text, in UTC."""
    if is_sqlite:
        return func.substr(_J.finished_at, 1, len("2026-11-26 16"))  # SQLite keeps times as text
    return func.to_char(func.timezone("UTC", _J.finished_at), "YYYY-MM-DD HH24")
