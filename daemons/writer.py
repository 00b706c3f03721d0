"""The one thread that writes to SQLite: units wait in line and are committed together."""

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from daemons.clock import Clock
from daemons.errors import StorageFull, Unavailable
from daemons.events import Event
from daemons.transaction import Transaction

BATCH_UNITS = 512
"""Units committed together at the most."""
LOCK_BUDGET = 5.0
"""Seconds a unit waits for another program's lock before it is refused."""


@dataclass(eq=False, slots=True)
class PendingUnit:
    """A unit in line, and whom to tell."""

    unit: Callable[[Transaction], Any]
    durable: bool
    since: float
    future: "asyncio.Future[Any]"
    result: Any = None
    error: BaseException | None = None
    announcements: list[Event] = field(default_factory=list)


class TransactionGone(Exception):
    """SQLite rolled the whole transaction back by itself (disk full, I/O error, no memory)."""


class SqliteWriter:
    """Owns the only writing connection, in a thread of its own, from enter to exit."""

    def __init__(self, engine: Engine, clock: Clock, deliver: Callable[[list[PendingUnit]], None]) -> None:
        self._engine = engine
        self._clock = clock
        self._deliver = deliver
        self._line: deque[PendingUnit] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="daemondeck-writer", daemon=True)
        self._synchronous = ""

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._closed = asyncio.Event()
        self._thread.start()
        await self._opened
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._wake:
            self._closing = True
            self._wake.notify()
        await self._closed.wait()

    def submit(self, unit: Callable[[Transaction], Any], durable: bool) -> "asyncio.Future[Any]":
        """Put `unit` in line; its result is delivered on the event loop after the commit."""
        pending = PendingUnit(unit, durable, self._clock.monotonic(), self._loop.create_future())
        with self._wake:
            if self._closing:
                raise Unavailable("The database is closing.")
            self._line.append(pending)
            self._wake.notify()
        return pending.future

    # In the thread.

    def _work(self) -> None:
        try:
            connection = self._engine.connect()
        except Exception as error:  # whatever it is, the opener must hear it
            self._tell(self._fail_open, error)
            return
        self._tell(self._opened.set_result, None)
        try:
            while batch := self._next_batch():
                self._commit(connection, batch)
        finally:
            connection.close()
            self._tell(self._closed.set)

    def _fail_open(self, error: BaseException) -> None:
        self._closed.set()
        self._opened.set_exception(error)

    def _tell(self, function: Callable[..., object], *arguments: object) -> None:
        # A closed loop has nobody left to tell.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)

    def _next_batch(self) -> list[PendingUnit]:
        with self._wake:
            while not self._line and not self._closing:
                self._wake.wait()
            batch = [self._line.popleft() for _ in range(min(len(self._line), BATCH_UNITS))]
        return [pending for pending in batch if not pending.future.cancelled()] or (batch and self._next_batch())

    def _commit(self, connection: Connection, batch: list[PendingUnit]) -> None:
        batch = self._begin(connection, batch)
        if not batch:
            return
        try:
            self._run_all(connection, batch)
            _raw(connection).execute("COMMIT")
        except (TransactionGone, sqlite3.Error) as error:
            self._undo(connection)
            if len(batch) == 1:
                batch[0].error = _translate(batch[0].error or error)
            else:
                # The neighbours of the unit that broke the transaction did nothing wrong: each gets its own.
                for pending in batch:
                    pending.error = None
                    self._commit(connection, [pending])
                return
        self._tell(self._deliver, batch)

    def _begin(self, connection: Connection, batch: list[PendingUnit]) -> list[PendingUnit]:
        """Take the write lock; answer the units that waited too long for it, and return the others."""
        self._set_synchronous(connection, "FULL" if any(pending.durable for pending in batch) else "NORMAL")
        while batch:
            try:
                _raw(connection).execute("BEGIN IMMEDIATE")
                return batch
            except sqlite3.Error as error:
                now = self._clock.monotonic()
                busy = "locked" in str(error) or "busy" in str(error)
                late = [p for p in batch if not busy or self._closing or now - p.since >= LOCK_BUDGET]
                for pending in late:
                    pending.error = _translate(error)
                if late:
                    self._tell(self._deliver, late)
                batch = [pending for pending in batch if pending not in late]
        return batch

    def _set_synchronous(self, connection: Connection, level: str) -> None:
        if level != self._synchronous:
            _raw(connection).execute(f"PRAGMA synchronous={level}")
            self._synchronous = level

    def _run_all(self, connection: Connection, batch: list[PendingUnit]) -> None:
        raw = _raw(connection)
        alone = len(batch) == 1
        for pending in batch:
            if not alone:
                raw.execute("SAVEPOINT unit")
            transaction = Transaction(connection, self._clock.now())
            try:
                pending.result = pending.unit(transaction)
                pending.announcements = transaction.announcements
            except Exception as error:  # a unit's own failure is its caller's, not the thread's
                pending.error = error
            if not raw.in_transaction:
                raise TransactionGone from pending.error
            if pending.error is not None:
                raw.execute("ROLLBACK" if alone else "ROLLBACK TO unit")
            if alone:
                if pending.error is not None:
                    raw.execute("BEGIN IMMEDIATE")
            else:
                raw.execute("RELEASE unit")
        for pending in batch:
            if pending.error is not None:
                pending.error = _translate(pending.error)

    def _undo(self, connection: Connection) -> None:
        if _raw(connection).in_transaction:
            _raw(connection).execute("ROLLBACK")


def _raw(connection: Connection) -> sqlite3.Connection:
    raw = connection.connection.dbapi_connection
    assert isinstance(raw, sqlite3.Connection)
    return raw


def _translate(error: BaseException) -> BaseException:
    """Turn SQLite's own complaints into errors that say what to do."""
    inner = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(inner, sqlite3.OperationalError):
        return error
    text = str(inner)
    if "full" in text:
        return _caused(StorageFull(), error)
    if "locked" in text or "busy" in text:
        return _caused(Unavailable("Another program holds the database's write lock."), error)
    if "readonly" in text or "read-only" in text:
        return _caused(
            Unavailable(
                "The database cannot be written: it is read-only.",
                code="ERR_READ_ONLY",
                remedy="Make the data directory writable for this user.",
            ),
            error,
        )
    if "disk I/O" in text:
        return _caused(Unavailable("The disk refused a read or write of the database.", code="ERR_DISK"), error)
    return error


def _caused(new: BaseException, cause: BaseException) -> BaseException:
    new.__cause__ = cause
    return new
