"""The one thread that writes to SQLite: units wait in line and are committed together."""

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, cast

from sqlalchemy import Connection, Engine

from daemons.clock import Clock
from daemons.database.ballast import RECHECK, Ballast
from daemons.database.errors import is_full, sqlite_code, translated
from daemons.database.transaction import PendingUnit, Transaction, Unit
from daemons.errors import Unavailable
from daemons.killpoints import reach

BATCH_UNITS = 512
"""Units committed together at the most."""
LOCK_BUDGET = 5.0
"""Seconds a unit waits for another program's lock before it is refused."""

_UNDOABLE = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_BUSY})
"""Failures after which nothing of the transaction is there, for certain."""


class TransactionGone(Unavailable):
    """The database undid the transaction by itself."""


class SqliteWriter:
    """Owns the only writing connection, in a thread of its own, from enter to exit."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        deliver: Callable[[list[PendingUnit]], None],
        ballast: Ballast | None = None,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._deliver = deliver
        self._ballast = ballast
        # Shared with the event loop, under the condition's lock.
        self._wake = threading.Condition()
        self._line: deque[PendingUnit] = deque()
        self._closing = False
        # The thread's own.
        self._thread = threading.Thread(target=self._work, name="daemondeck-writer", daemon=True)
        self._connection: Connection | None = None
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

    @property
    def waiting(self) -> int:
        """Units that the thread has not taken yet."""
        return len(self._line)

    def submit(self, unit: Unit[Any], durable: bool) -> "asyncio.Future[Any]":
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
            self._connected()
            if self._ballast is not None:
                self._ballast.make()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the opener must hear it
            self._tell(self._opened.set_exception, translated(error))
            return
        self._tell(self._opened.set_result, None)
        try:
            while (batch := self._next_batch()) is not None:
                self._serve(batch)
        finally:
            self._disconnect()
            self._tell(self._closed.set)

    def _tell(self, function: Callable[..., object], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            return  # A closed loop has nobody left to tell.

    def _next_batch(self) -> list[PendingUnit] | None:
        """Return the units in line, none when it is time to look at the ballast, or None at the end."""
        with self._wake:
            while not self._line and not self._closing:
                full = self._ballast is not None and self._ballast.is_released
                if not self._wake.wait(RECHECK if full else None):
                    return []
            if not self._line:
                return None
            batch = [self._line.popleft() for _ in range(min(len(self._line), BATCH_UNITS))]
        return [pending for pending in batch if not pending.future.cancelled()]

    def _serve(self, batch: list[PendingUnit]) -> None:
        try:
            if self._ballast is not None:
                self._ballast.recheck()
            if batch:
                self._commit(batch)
        except BaseException as error:  # noqa: BLE001 - the callers must be answered, and the thread must go on
            waiting = [pending for pending in batch if not pending.is_answered]
            for pending in waiting:
                pending.error = translated(error)
                if pending.error is error:
                    pending.error = Unavailable("The database failed unexpectedly.", code="ERR_INTERNAL")
                    pending.error.__cause__ = error
            self._answer(waiting)
            self._disconnect()

    def _commit(self, batch: list[PendingUnit], *, is_last_try: bool = False) -> None:
        """Run and commit the units of `batch` together, or each alone when together they cannot."""
        connection = self._connected()
        raw = _raw(connection)
        batch = self._begin(raw, batch)
        if not batch:
            return
        try:
            self._run_all(connection, raw, batch, is_last_try)
            if raw.in_transaction:
                reach("before commit")
                raw.execute("COMMIT")
                reach("committed")
        except (TransactionGone, sqlite3.Error) as error:
            if not isinstance(error, TransactionGone) and sqlite_code(error) not in _UNDOABLE:
                # A commit that the disk refused may still have reached it: only the callers can find out.
                raise
            if raw.in_transaction:
                raw.execute("ROLLBACK")
            self._repeat_alone(raw, batch, error.__cause__ or error, is_last_try)
            return
        for pending in batch:
            if pending.error is not None:
                pending.error = translated(pending.error)
        self._answer(batch)

    def _repeat_alone(
        self, raw: sqlite3.Connection, batch: list[PendingUnit], cause: BaseException, is_last_try: bool
    ) -> None:
        has_room = is_full(cause) and not is_last_try and self._make_room(raw)
        if len(batch) == 1 and not has_room:
            batch[0].error = translated(cause)
            self._answer(batch)
            return
        # The neighbours of the unit that broke the transaction did nothing wrong: each gets its own.
        for pending in batch:
            pending.error = None
            pending.announcements = []
            self._commit([pending], is_last_try=len(batch) == 1)

    def _make_room(self, raw: sqlite3.Connection) -> bool:
        """Give up the ballast and move the log into the database, for what is already begun and for deleting."""
        released = self._ballast is not None and self._ballast.release()
        try:
            (blocked, _, _) = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error:
            return released
        return released or not blocked

    def _begin(self, raw: sqlite3.Connection, batch: list[PendingUnit]) -> list[PendingUnit]:
        """Take the write lock; answer the units that waited too long for it, and return the others."""
        self._set_synchronous(raw, "FULL" if any(pending.durable for pending in batch) else "NORMAL")
        while batch:
            try:
                raw.execute("BEGIN IMMEDIATE")
                return batch
            except sqlite3.Error as error:
                if sqlite_code(error) != sqlite3.SQLITE_BUSY:
                    raise
                now = self._clock.monotonic()
                late = [p for p in batch if self._closing or now - p.since >= LOCK_BUDGET or p.future.cancelled()]
                for pending in late:
                    pending.error = translated(error)
                self._answer(late)
                batch = [pending for pending in batch if not pending.is_answered]
        return batch

    def _set_synchronous(self, raw: sqlite3.Connection, level: str) -> None:
        if level != self._synchronous:
            raw.execute(f"PRAGMA synchronous={level}")
            self._synchronous = level

    def _run_all(
        self, connection: Connection, raw: sqlite3.Connection, batch: list[PendingUnit], is_last_try: bool
    ) -> None:
        """Run every unit; what a failed one wrote is undone. Raises TransactionGone if all must be run again."""
        alone = len(batch) == 1
        for pending in batch:
            if not alone:
                raw.execute("SAVEPOINT unit")
            self._run(connection, pending)
            # A full disk, a failed read and too little memory make SQLite roll everything back by itself.
            if not raw.in_transaction or (is_full(pending.error) and not is_last_try):
                raise TransactionGone from pending.error
            if pending.error is not None:
                raw.execute("ROLLBACK" if alone else "ROLLBACK TO unit")
            if not alone:
                raw.execute("RELEASE unit")

    def _run(self, connection: Connection, pending: PendingUnit) -> None:
        transaction = Transaction(connection, self._clock.now())
        try:
            pending.result = pending.unit(transaction)
            pending.announcements = transaction.announcements
        except BaseException as error:  # noqa: BLE001 - a unit's own failure is its caller's, not the thread's
            pending.error = error

    def _answer(self, batch: list[PendingUnit]) -> None:
        for pending in batch:
            pending.is_answered = True
        if batch:
            self._tell(self._deliver, batch)

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
            self._synchronous = ""
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except BaseException:  # noqa: BLE001 - it is given up because it does not work
                return


def _raw(connection: Connection) -> sqlite3.Connection:
    return cast(sqlite3.Connection, connection.connection.dbapi_connection)
