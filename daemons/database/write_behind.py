"""Writes what may be written a moment later: soon, together, and again while the database is away."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from daemons.clock import Clock
from daemons.errors import Unavailable

INTERVAL = 0.1
"""Seconds between a mark and its flush, and between two flushes."""
SLOWEST_RETRY = 5.0
CLOSING_TRIES = 3


class WriteBehind:
    """Calls `flush` soon after `mark`. One flush runs at a time; the last one is awaited on exit."""

    def __init__(self, name: str, clock: Clock, flush: Callable[[], Awaitable[None]]) -> None:
        self._name = name
        self._clock = clock
        self._flush = flush
        self._marked = asyncio.Event()
        self._flushing = asyncio.Lock()
        # Those who wait for the next flush, and its task.
        self._waiting: list[asyncio.Future[None]] = []
        self._next: asyncio.Task[None] | None = None
        self.is_behind = False
        """Whether the last flush failed, so that what is shown is newer than what is stored."""

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name=self._name)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})
        for _ in range(CLOSING_TRIES):
            try:
                await self.flush_now()
                break
            except Unavailable:
                continue

    def mark(self) -> None:
        """Say that there is something to write. Costs nothing when it was said already."""
        self._marked.set()

    async def flush_now(self) -> None:
        """Return after everything marked so far was handed to the database. Raises what `flush` raises."""
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(stored)
        # Who asks while a flush runs shares the next one with all others who do: one commit, not one each.
        if self._next is None:
            self._next = asyncio.create_task(self._flush_in_turn(), name=f"{self._name} flush")
        await stored

    async def _flush_in_turn(self) -> None:
        async with self._flushing:
            self._next = None
            waiting, self._waiting = self._waiting, []
            self._marked.clear()
            try:
                await self._flush()
            except BaseException as error:
                self._marked.set()
                for stored in waiting:
                    if not stored.done():
                        stored.set_exception(error)
                if not isinstance(error, Exception):
                    raise
            else:
                for stored in waiting:
                    if not stored.done():
                        stored.set_result(None)

    async def _run(self) -> None:
        delay = INTERVAL
        while True:
            await self._marked.wait()
            await self._clock.sleep(delay)
            try:
                await self.flush_now()
                self.is_behind, delay = False, INTERVAL
            except Unavailable:
                self.is_behind, delay = True, min(SLOWEST_RETRY, delay * 2)
