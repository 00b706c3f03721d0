"""Forgets finished jobs after their time, a little at a time; how many there were is kept."""

import asyncio
from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Self

from sqlalchemy import and_, bindparam, delete, exists, select

from daemons.clock import Clock
from daemons.database import Database
from daemons.database.transaction import Transaction
from daemons.errors import Unavailable
from daemons.events import JobRemoved
from daemons.jobs.counting import count_ended
from daemons.jobs.rows import IS_UNFINISHED, JOBS

EVERY = 3600.0
"""Seconds between two purges."""
SLICE_SECONDS = 0.05
"""Other writers wait at most about this long for a slice."""
SLICE_FIRST = 100
SLICE_MOST = 1_000

_J = JOBS.c
_parent = JOBS.alias("parent")
_parent_unfinished = exists(
    select(_parent.c.id).where(_parent.c.id == _J.parent_id, _parent.c.state.in_(("queued", "running", "cancelling")))
)
# A child stays as long as its parent may ask for it again.
_over = (
    select(_J.number, _J.id, _J.type, _J.state, _J.finished_at)
    .where(
        _J.finished_at < bindparam("before", type_=_J.finished_at.type),
        ~and_(_J.parent_id.is_not(None), _parent_unfinished),
        ~IS_UNFINISHED,
    )
    .order_by(_J.finished_at)
    .limit(bindparam("b_limit", type_=_J.number.type))
    .with_for_update(skip_locked=True, of=JOBS)
)
_remove = delete(JOBS).where(_J.number.in_(bindparam("numbers", expanding=True)))


class Retention:
    """Purges once an hour, from enter to exit."""

    def __init__(self, database: Database, clock: Clock, kept: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._kept = kept
        self._slice = SLICE_FIRST

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="retention")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        while True:
            with suppress(Unavailable):  # the next round is soon enough
                await self.purge()
            await self._clock.sleep(EVERY)

    async def purge(self) -> int:
        """Remove every finished job older than the time it is kept; return how many."""
        before = self._clock.now() - self._kept
        total = 0
        while True:
            asked = self._slice
            slice_of = partial(self._purge_slice, before=before, limit=asked)
            removed, seconds = await self._database.write(slice_of, durable=False)
            total += removed
            self._adapt(seconds)
            if removed < asked:
                return total
            # Between two slices everybody else has a turn.
            await self._clock.sleep(0)

    def _purge_slice(self, tx: Transaction, before: datetime, limit: int) -> tuple[int, float]:
        began = self._clock.monotonic()
        rows = tx.execute(_over, {"before": before, "b_limit": limit}).all()
        if rows:
            count_ended(tx, Counter((row.finished_at.date().isoformat(), row.type, row.state) for row in rows))
            tx.execute(_remove, {"numbers": [row.number for row in rows]})
        for row in rows:
            tx.announce(JobRemoved(row.id))
        return len(rows), self._clock.monotonic() - began

    def _adapt(self, seconds: float) -> None:
        if seconds > SLICE_SECONDS / 2:
            self._slice = max(10, self._slice // 2)
        elif seconds < SLICE_SECONDS / 8:
            self._slice = min(SLICE_MOST, self._slice * 2)
