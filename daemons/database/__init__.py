"""The one door to the data: units of work are written through it, rows are read through it.

keeper.unit ──▶ Database.write ──▶ SQLite: the writer thread, many units a commit
                              └──▶ PostgreSQL: a transaction each, repeated when the server says so
                     after the commit ──▶ Bus.publish(announcements) ──▶ the caller gets the result
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import Context
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from sqlalchemy import Row
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import Executable

from daemons.bus import Bus
from daemons.clock import Clock
from daemons.database.ballast import Ballast
from daemons.database.engines import normalise_url, postgres_readers, sqlite_engine, sqlite_readers
from daemons.database.errors import translated
from daemons.database.postgres import PostgresWriter
from daemons.database.transaction import PendingUnit, Unit
from daemons.database.writer import SqliteWriter
from daemons.killpoints import reach

T = TypeVar("T")

READ_BUDGET = 10.0
"""Seconds one reading may take, waiting for a connection included."""


class Writer(Protocol):
    """Takes units and delivers each of them once, after its commit or with its error."""

    @property
    def waiting(self) -> int: ...
    def submit(self, unit: Unit[Any], durable: bool) -> "asyncio.Future[Any]": ...


class Database:
    """Writes units, reads rows, from enter to exit. What it knows of the driver's errors it raises as Unavailable.

    `ballast`: a file that holds space for when the disk is full; see `require_space`.
    """

    def __init__(self, url: str, clock: Clock, bus: Bus, *, ballast: Ballast | None = None) -> None:
        self.url = normalise_url(url)
        self.clock = clock
        self._bus = bus
        self._ballast = ballast
        self._stack = AsyncExitStack()
        self._reads: set[asyncio.Task[Any]] = set()
        self._writer: Writer

    @property
    def is_sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            if self.is_sqlite:
                writing = sqlite_engine(self.url)
                self._writer = await stack.enter_async_context(
                    SqliteWriter(writing, self.clock, self._deliver, self._ballast)
                )
                self._readers = sqlite_readers(self.url, self.clock)
            else:
                self._writer = await stack.enter_async_context(PostgresWriter(self.url, self.clock, self._deliver))
                self._readers = postgres_readers(self.url)
            # Last in, first out: the readers close before the writer.
            stack.push_async_callback(self._readers.dispose)
            stack.push_async_callback(self._finish_reading)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def write(self, unit: Unit[T], *, durable: bool = True) -> T:
        """Run `unit` in a transaction and return its result after the commit.

        `durable`: the commit survives power loss. A unit may run more than once; only its last run counts.
        A cancelled caller does not know whether its unit was committed: read before writing again.
        Raises what the unit raises, Unavailable or StorageFull.
        """
        result: T = await self._writer.submit(unit, durable)
        return result

    @property
    def waiting(self) -> int:
        """How many units are in line to be written."""
        return self._writer.waiting

    def require_space(self) -> None:
        """Raise StorageFull while the disk is full. Asked before new work is taken in, not before any write."""
        if self._ballast is not None:
            self._ballast.require()

    def _deliver(self, batch: list[PendingUnit]) -> None:
        # Answered callers go on after this function, so nobody hears a result before its announcements. Answered
        # first, because a listener that raises must not leave them waiting.
        for pending in batch:
            if pending.future.done():
                continue
            if pending.error is None:
                pending.future.set_result(pending.result)
            else:
                pending.future.set_exception(pending.error)
        for pending in batch:
            if pending.error is None:
                for announcement in pending.announcements:
                    self._bus.publish(announcement)
        reach("announced")

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Open a connection that only reads; everything read in one context is one moment's picture."""
        async with self._reading() as connection:
            if self.is_sqlite:
                # The pool rolls it back when it gets the connection back.
                await connection.exec_driver_sql("BEGIN")
            else:
                await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            yield connection

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with asyncio.timeout(READ_BUDGET), self._readers.connect() as connection:
                yield connection
        except (DBAPIError, PoolTimeout, TimeoutError) as error:
            meaning = translated(error)
            if meaning is error:
                raise
            raise meaning from error

    async def fetch(self, statement: Executable) -> Sequence[Row[Any]]:
        """Return all rows of a SELECT."""
        return await self._sheltered(self._fetch(statement))

    async def fetch_one(self, statement: Executable) -> Row[Any] | None:
        """Return the first row of a SELECT, or None."""
        rows = await self._sheltered(self._fetch(statement, 1))
        return rows[0] if rows else None

    async def _fetch(self, statement: Executable, most: int | None = None) -> Sequence[Row[Any]]:
        async with self._reading() as connection:
            result = await connection.execute(statement)
            return result.all() if most is None else result.fetchmany(most)

    async def _sheltered(self, reading: Coroutine[Any, Any, T]) -> T:
        # A driver that is cancelled while it connects leaves the connection, and its thread, to nobody: who is
        # cancelled goes at once, and what was read for it is thrown away. The empty context makes it nobody's task.
        task = asyncio.get_running_loop().create_task(reading, name="read", context=Context())
        self._reads.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    def _forget(self, task: "asyncio.Task[Any]") -> None:
        self._reads.discard(task)
        if not task.cancelled():
            task.exception()  # heard, also when nobody waits for it any more

    async def _finish_reading(self) -> None:
        if self._reads:
            await asyncio.wait(self._reads, timeout=READ_BUDGET)
