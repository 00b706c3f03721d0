"""The one door to the data: units of work are written through it, rows are read through it.

    keeper.unit ──▶ Database.write ──▶ SQLite: the writer thread, many units a commit
                                  └──▶ PostgreSQL: a transaction each, repeated when the server says so
                         after the commit ──▶ Bus.publish(announcements) ──▶ the caller gets the result
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

from sqlalchemy import Connection, Row, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool
from sqlalchemy.sql import Executable

from daemons.bus import Bus
from daemons.clock import Clock
from daemons.errors import Fatal, Unavailable
from daemons.transaction import Transaction
from daemons.writer import PendingUnit, SqliteWriter

T = TypeVar("T")
Unit = Callable[[Transaction], T]

READERS = 4
"""Connections that only read, each of its own thread on SQLite."""
WRITERS = 8
"""Connections that write, on PostgreSQL."""
REPEATS = 8
"""Times a PostgreSQL unit is repeated after a serialization failure or a deadlock."""
STATEMENT_TIMEOUT = 10.0
"""Seconds after which PostgreSQL gives up on one statement."""


def normalise_url(url: str) -> URL:
    """Turn the ways people write a database's address into the one we use.

    `sqlite:///path` and `postgresql://…` (also `postgres://`) name no driver; ours are chosen here.
    Raises Fatal for any other database.
    """
    parsed = make_url(url.replace("postgres://", "postgresql://", 1) if url.startswith("postgres://") else url)
    kind = parsed.get_backend_name()
    if kind == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return parsed.set(drivername="sqlite")
    if kind == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    raise Fatal(
        f"{parsed.drivername} is not a database this program can use.",
        remedy="Set database_url to sqlite:///FILE or postgresql://USER@HOST/NAME.",
        code="ERR_DATABASE_URL",
    )


class Database:
    """Writes units, reads rows, from enter to exit. Raises nothing of the driver's for what it knows."""

    def __init__(self, url: str, clock: Clock, bus: Bus) -> None:
        self.url = normalise_url(url)
        self.clock = clock
        self._bus = bus
        self._stack = AsyncExitStack()
        self._writing: asyncio.Semaphore = asyncio.Semaphore(WRITERS)

    @property
    def is_sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            if self.is_sqlite:
                writing = sqlite_engine(self.url)
                stack.callback(writing.dispose)
                self._writer = await stack.enter_async_context(SqliteWriter(writing, self.clock, self._deliver))
                self._readers = _sqlite_readers(self.url)
            else:
                self._readers = _postgres_engine(self.url, READERS)
                self._writers = _postgres_engine(self.url, WRITERS)
                stack.push_async_callback(self._writers.dispose)
            # Last in, first out: the readers close before the writer.
            stack.push_async_callback(self._readers.dispose)
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
        if self.is_sqlite:
            result: T = await self._writer.submit(unit, durable)
            return result
        async with self._writing:
            return await self._write_postgres(unit, durable)

    def _deliver(self, batch: list[PendingUnit]) -> None:
        for pending in batch:
            if pending.error is None:
                for announcement in pending.announcements:
                    self._bus.publish(announcement)
            if pending.future.cancelled():
                continue
            if pending.error is None:
                pending.future.set_result(pending.result)
            else:
                pending.future.set_exception(pending.error)

    async def _write_postgres(self, unit: Unit[T], durable: bool) -> T:
        for repeat in range(REPEATS):
            try:
                async with self._writers.connect() as connection:
                    async with connection.begin():
                        result, transaction = await connection.run_sync(self._run_postgres, unit, durable)
                for announcement in transaction.announcements:
                    self._bus.publish(announcement)
                return result
            except DBAPIError as error:
                if not _is_conflict(error) or repeat == REPEATS - 1:
                    raise _translate_postgres(error) from error
                await self.clock.sleep(0.005 * 2**repeat)
        raise AssertionError("unreachable")

    def _run_postgres(self, connection: Connection, unit: Unit[T], durable: bool) -> tuple[T, Transaction]:
        if not durable:
            connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
        transaction = Transaction(connection, self.clock.now())
        return unit(transaction), transaction

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Open a connection that only reads; everything read in one context is one moment's picture on SQLite."""
        try:
            async with self._readers.connect() as connection:
                yield connection
        except OperationalError as error:
            raise _translate_postgres(error) from error

    async def fetch(self, statement: Executable) -> Sequence[Row[Any]]:
        """Return all rows of a SELECT."""
        async with self.read() as connection:
            return (await connection.execute(statement)).all()

    async def fetch_one(self, statement: Executable) -> Row[Any] | None:
        """Return the first row of a SELECT, or None."""
        async with self.read() as connection:
            return (await connection.execute(statement)).first()


def _dump(value: object) -> str:
    return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def sqlite_engine(url: URL) -> Any:
    """Make the engine of the writing connection: WAL, foreign keys, transactions begun by hand."""
    engine = create_engine(
        url,
        poolclass=NullPool,
        json_serializer=_dump,
        isolation_level="AUTOCOMMIT",
        connect_args={"timeout": 1.0, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def prepare(raw: Any, record: object) -> None:
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute("PRAGMA foreign_keys=ON")
        raw.execute("PRAGMA temp_store=MEMORY")
        raw.execute("PRAGMA cache_size=-16000")

    return engine


def _sqlite_readers(url: URL) -> AsyncEngine:
    engine = create_async_engine(
        url.set(drivername="sqlite+aiosqlite"), json_serializer=_dump, pool_size=READERS, max_overflow=0, pool_timeout=2
    )

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(raw: Any, record: object) -> None:
        cursor = raw.cursor()
        cursor.execute("PRAGMA query_only=ON")
        cursor.execute("PRAGMA wal_autocheckpoint=0")
        cursor.close()

    return engine


def _postgres_engine(url: URL, size: int) -> AsyncEngine:
    return create_async_engine(
        url,
        json_serializer=_dump,
        pool_size=size,
        max_overflow=0,
        pool_timeout=2,
        pool_pre_ping=True,
        connect_args={
            "options": f"-c statement_timeout={int(STATEMENT_TIMEOUT * 1000)} -c timezone=UTC",
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
        },
    )


def _is_conflict(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", None) in ("40001", "40P01")


def _translate_postgres(error: DBAPIError) -> BaseException:
    state = getattr(error.orig, "sqlstate", None)
    if state == "53100":
        from daemons.errors import StorageFull

        return StorageFull()
    if isinstance(error, OperationalError) or error.connection_invalidated:
        return Unavailable("The database does not answer.", code="ERR_DATABASE_AWAY")
    return error
