"""A clock that stands still until a test moves it, and the wait for everything that a move set going."""

import asyncio
import heapq
import itertools
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

_SECONDS_FOR_OTHERS = 1.0
"""Real seconds that one step waits for work in threads and on connections."""
_ROUNDS = 200
"""Turns of the loop that one step gives to tasks which only yield, and perhaps never stop yielding."""
_WORK_IN_HAND = (
    "/aiosqlite/",
    "/psycopg/",
    "/daemons/database/__init__.py",
    "/daemons/database/postgres.py",
    "/daemons/health/looker.py",
    "/asyncio/threads.py",
    "/daemons/workflows/polling/steps/file_threads.py",
)
"""A task that waits in one of these goes on by itself: time must not move before it has."""


class FakeClock:
    """Time as tests want it: `advance` wakes sleepers in the order of their due times."""

    def __init__(self, start: datetime = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return 1000.0 + self._elapsed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
        else:
            await self._due_in(seconds)

    async def breathe(self, seconds: float) -> None:
        await asyncio.sleep(0)

    async def wait(self, event: asyncio.Event, timeout: float | None) -> bool:
        if event.is_set():
            return True
        arrived = asyncio.ensure_future(event.wait())
        try:
            await self._first({arrived}, timeout)
            return event.is_set()
        finally:
            arrived.cancel()

    async def settle(self, tasks: "Iterable[asyncio.Future[Any]]", timeout: float) -> "set[asyncio.Future[Any]]":
        waiting = set(tasks)
        due = self._due_in(timeout)
        try:
            while (pending := {task for task in waiting if not task.done()}) and not due.done():
                await asyncio.wait({*pending, due}, return_when=asyncio.FIRST_COMPLETED)
            return pending
        finally:
            due.cancel()

    async def advance(self, seconds: float) -> None:
        """Move time on by `seconds`; whoever is due on the way runs at its own moment, as far as it gets by itself."""
        target = self._elapsed + seconds
        await self.idle()
        while self._sleepers and self._sleepers[0][0] <= target:
            due, _, sleeper = heapq.heappop(self._sleepers)
            if not sleeper.done():
                self._elapsed = max(self._elapsed, due)
                sleeper.set_result(None)
                await self.idle()
        self._elapsed = target
        await self.idle()

    async def idle(self) -> None:
        """Return once every task waits for time, for an event or for another process; within reason."""
        deadline = time.monotonic() + _SECONDS_FOR_OTHERS
        while time.monotonic() < deadline:
            for _ in range(_ROUNDS):
                await asyncio.sleep(0)
                if not _has_ready_callbacks():
                    break
            if not any(_is_at_work(task) for task in asyncio.all_tasks()):
                return
            await asyncio.wait({asyncio.get_running_loop().create_future()}, timeout=0.001)

    def jump(self, seconds: float) -> None:
        """Move the wall clock alone, as an administrator or the end of a suspend does."""
        self._start += timedelta(seconds=seconds)

    def leap(self, seconds: float) -> None:
        """Move time on and let nobody run meanwhile: who is due on the way wakes late."""
        self._elapsed += seconds

    @property
    def sleepers(self) -> list[float]:
        """Seconds until each sleeper is due, soonest first."""
        return sorted(due - self._elapsed for due, _, sleeper in self._sleepers if not sleeper.done())

    def _due_in(self, seconds: float) -> "asyncio.Future[None]":
        sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + max(0.0, seconds), next(self._order), sleeper))
        return sleeper

    async def _first(self, waiting: "set[asyncio.Future[Any]]", timeout: float | None) -> None:
        if timeout is None:
            await asyncio.wait(waiting)
            return
        due = self._due_in(timeout)
        try:
            await asyncio.wait({*waiting, due}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            due.cancel()


def _has_ready_callbacks() -> bool:
    # Our own turn is not in the queue while it runs, so what is there belongs to others.
    return bool(asyncio.get_running_loop()._ready)  # type: ignore[attr-defined]


def _is_at_work(task: "asyncio.Task[Any]") -> bool:
    return any(part in name for name in _files_awaited(task) for part in _WORK_IN_HAND)


def _files_awaited(task: "asyncio.Task[Any]") -> Iterator[str]:
    awaited: Any = task.get_coro()
    while awaited is not None:
        code = (
            getattr(awaited, "cr_code", None) or getattr(awaited, "ag_code", None) or getattr(awaited, "gi_code", None)
        )
        if code is not None:
            yield code.co_filename
        awaited = _generator_entered(awaited) or (
            getattr(awaited, "cr_await", None)
            or getattr(awaited, "ag_await", None)
            or getattr(awaited, "gi_yieldfrom", None)
        )


def _generator_entered(awaited: Any) -> Any:
    """Return the generator behind an `async with` that is being entered or left: its await does not lead there."""
    code, frame = getattr(awaited, "cr_code", None), getattr(awaited, "cr_frame", None)
    if code is None or frame is None or not code.co_filename.endswith("/contextlib.py"):
        return None
    return getattr(frame.f_locals.get("self"), "gen", None)
