"""Everything that runs jobs, opened for one test around whatever dispatcher it is about."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

from daemons.bus import Bus
from daemons.clock import Clock
from daemons.database import Database
from daemons.dispatch import Dispatcher
from daemons.executor import Executor
from daemons.handlers import JobSpec, spec_of
from daemons.jobs import Jobs
from daemons.journal import Journal
from daemons.orders import Orders
from daemons.values import Job

Handler = Callable[..., Coroutine[Any, Any, Any]]

SECONDS = 10.0
"""Real seconds that anything may take; a test that waits longer has found something."""


class JobTypesOfTest:
    """A registry that holds just the handlers of a test."""

    def __init__(self) -> None:
        self.jobs: dict[str, JobSpec] = {}

    def add(self, *handlers: Handler) -> None:
        for handler in handlers:
            spec = spec_of(handler)
            assert spec is not None
            self.jobs[spec.type] = spec


class JobDeck:
    """Orders jobs and, while `running`, executes them. Several executors may run side by side on one deck."""

    def __init__(self, database: Database, clock: Clock, bus: Bus, make_dispatcher: Callable[[], Dispatcher]) -> None:
        self.database = database
        self.clock = clock
        self.bus = bus
        self.types = JobTypesOfTest()
        self.jobs = Jobs(database, clock)
        self.dispatcher = make_dispatcher()
        self.orders = Orders(self.types, self.jobs, self.dispatcher, database, clock, bus)
        self.journal = Journal(database, clock)
        self.dead: set[str] = set()
        self.executor: Executor
        self._workers = 0

    def executor_of(self, worker: str, slots: Mapping[str, int] | None = None) -> Executor:
        async def dead_workers() -> set[str]:
            return self.dead

        return Executor(
            self.types,
            self.jobs,
            self.orders,
            self.dispatcher,
            self.journal,
            self.database,
            self.clock,
            self.bus,
            worker=worker,
            slots=slots or {},
            dead_workers=dead_workers,
        )

    @asynccontextmanager
    async def running(self, *handlers: Handler, slots: Mapping[str, int] | None = None) -> AsyncIterator[Executor]:
        self.types.add(*handlers)
        self._workers += 1
        async with self.journal, self.executor_of(f"worker {self._workers}", slots) as self.executor:
            yield self.executor
            await self.executor.stop(1.0)

    async def order(self, type: str, args: Any = None, **wishes: Any) -> Job:
        return (await self.orders.create(type, args, **wishes)).job

    async def end(self, job: Job) -> Job:
        async with asyncio.timeout(SECONDS):
            return await self.orders.wait(job.id)

    async def run(self, type: str, args: Any = None, **wishes: Any) -> Job:
        """Order a job and return it once it has ended."""
        return await self.end(await self.order(type, args, **wishes))


async def soon(event: asyncio.Event) -> None:
    """Wait for `event`, within reason."""
    async with asyncio.timeout(SECONDS):
        await event.wait()
