"""Writes how attempts ended: many at once, again and again while the database is away. No end is ever dropped."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from daemons.clock import Clock
from daemons.database import Database
from daemons.database.transaction import Transaction
from daemons.dispatch import Dispatcher
from daemons.errors import DaemonError, ErrorInfo, Unavailable
from daemons.jobs.ends import end_all
from daemons.jobs.outcomes import Ending, Failed
from daemons.killpoints import reach
from daemons.states import JobState

ENDS_AT_ONCE = 200
_FIRST_DELAY = 0.05
_LONGEST_DELAY = 5.0

PACE = 0.002
"""Seconds between two commits of ends."""


class Settling:
    """Takes endings at once and commits them as soon as the one before is through."""

    def __init__(
        self, database: Database, clock: Clock, dispatcher: Dispatcher, turn: Callable[[], Awaitable[None]]
    ) -> None:
        self._database = database
        self._clock = clock
        self._dispatcher = dispatcher
        self._turn = turn
        self._waiting: list[Ending] = []
        self._task: asyncio.Task[None] | None = None

    def add(self, ending: Ending) -> None:
        """Take the end of an attempt. The caller may be cancelled afterwards: the end is told all the same."""
        self._waiting.append(ending)
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="settling")

    @property
    def unsettled(self) -> int:
        """How many ends are not committed yet."""
        return len(self._waiting)

    @property
    def keys(self) -> set[tuple[str, int]]:
        """Id and attempt of every end that is not committed yet."""
        return {(ending.job.id, ending.job.attempt) for ending in self._waiting}

    async def settle(self, seconds: float) -> bool:
        """Return True once every end is committed, False after `seconds`."""
        if self._task is None:
            return True
        return not await self._clock.settle({self._task}, seconds)

    async def close(self) -> None:
        """Give up what could not be written: whoever comes next finds those jobs without a living worker."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._turn()
                batch = self._waiting[:ENDS_AT_ONCE]
                await self._write(batch)
                del self._waiting[: len(batch)]
                # Under load the ends of some milliseconds share a commit; a lone one was written at once.
                await self._clock.breathe(PACE)
        finally:
            self._task = None

    async def _write(self, batch: Sequence[Ending]) -> None:
        try:
            await self._write_when_possible(batch)
        except Exception as error:  # noqa: BLE001 - one end that cannot be stored must not hold up the others
            if len(batch) > 1:
                for ending in batch:
                    await self._write([ending])
            elif not isinstance(batch[0].outcome, Failed):
                await self._write([replace(batch[0], outcome=Failed(_unstorable(error)))])

    async def _write_when_possible(self, batch: Sequence[Ending]) -> None:
        delay = _FIRST_DELAY
        while True:
            try:
                reach("before settling")
                await self._database.write(lambda tx: self._unit(tx, batch))
                reach("settled")
                return
            except Unavailable:
                await self._clock.sleep(delay)
                delay = min(_LONGEST_DELAY, delay * 2)

    def _unit(self, tx: Transaction, batch: Sequence[Ending]) -> None:
        for job in end_all(tx, batch):
            if job is not None and job.state is JobState.QUEUED and job.run_after <= tx.now:
                self._dispatcher.offer(tx, job.id, job.attempt)


def _unstorable(error: Exception) -> ErrorInfo:
    message = error.message if isinstance(error, DaemonError) else type(error).__name__
    return ErrorInfo("ERR_END_NOT_STORED", f"How the attempt ended could not be stored: {message}")
