"""Lends workers and keeps them warm for the next borrower until they are worn out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from daemons.clock import Clock
from daemons.subprocess_work import Worker
from daemons.subprocess_work.spec import WorkerSpec


@dataclass(eq=False, slots=True)
class _Idle:
    spec: WorkerSpec
    worker: Worker
    life: AsyncExitStack
    taken: asyncio.Event = field(default_factory=asyncio.Event)


class WorkerPool:
    """Workers of every spec; how many run at once is the borrowers' affair (a lane's slots), not the pool's."""

    def __init__(self, clock: Clock, *, idle_seconds: float = 60.0) -> None:
        self._clock = clock
        self._idle_seconds = idle_seconds
        self._idle: list[_Idle] = []
        self._retiring: set[asyncio.Task[None]] = set()
        self._is_open = False

    async def __aenter__(self) -> Self:
        self._is_open = True
        return self

    @asynccontextmanager
    async def borrow(self, spec: WorkerSpec) -> AsyncIterator[Worker]:
        """Lend a warm worker or a new one; whoever leaves it unusable leaves it dead."""
        idle = self._take(spec) or await self._start(spec)
        try:
            yield idle.worker
        finally:
            if self._is_open and idle.worker.is_ready and not idle.worker.is_worn_out:
                self._keep(idle)
            else:
                await idle.life.aclose()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False
        for idle in self._idle:
            idle.taken.set()
        retiring = asyncio.gather(*self._retiring, *(idle.life.aclose() for idle in self._idle))
        self._idle.clear()
        await retiring

    def _take(self, spec: WorkerSpec) -> _Idle | None:
        for idle in reversed(self._idle):
            # One that died while nobody looked is left to its own timer.
            if idle.spec == spec and idle.worker.is_ready:
                self._idle.remove(idle)
                idle.taken.set()
                return idle
        return None

    async def _start(self, spec: WorkerSpec) -> _Idle:
        life = AsyncExitStack()
        return _Idle(spec, await life.enter_async_context(Worker(spec, self._clock)), life)

    def _keep(self, idle: _Idle) -> None:
        kept = _Idle(idle.spec, idle.worker, idle.life)
        self._idle.append(kept)
        task = asyncio.create_task(self._retire(kept), name=f"retire-worker-{kept.worker.pid}")
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _retire(self, idle: _Idle) -> None:
        patience = self._idle_seconds if idle.spec.idle_seconds is None else idle.spec.idle_seconds
        if not await self._clock.wait(idle.taken, patience) and idle in self._idle:
            self._idle.remove(idle)
            await idle.life.aclose()
