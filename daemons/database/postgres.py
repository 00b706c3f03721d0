"""Writes units to PostgreSQL: a transaction each, several at once, repeated when the server asks for it."""

import asyncio
import random
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from daemons.clock import Clock
from daemons.database.engines import postgres_engine
from daemons.database.errors import REPEATABLE_STATES, is_disconnect, sql_state, translated
from daemons.database.transaction import PendingUnit, Transaction, Unit
from daemons.errors import Unavailable
from daemons.killpoints import reach

WRITERS = 8
"""Connections that write."""
WRITE_WAIT = 5.0
"""Seconds a unit waits for one of them."""
REPEATS = 8
"""Times a unit is tried when the server asks to repeat it or is just being restarted: about two seconds."""
ANSWER_WITHIN = 20.0
"""Seconds after which a caller is told that the server does not answer, whatever the server then does."""
CLOSING_GRACE = 2.0


class CommitInDoubt(Unavailable):
    """The connection was lost during a commit: what was being written may or may not be there."""

    code = "ERR_COMMIT_IN_DOUBT"
    remedy = "Look whether it is there before trying again."


class PostgresWriter:
    """Owns the writing connections from enter to exit. Answers each unit once, as SqliteWriter does."""

    def __init__(self, url: URL, clock: Clock, deliver: Callable[[list[PendingUnit]], None]) -> None:
        self._clock = clock
        self._deliver = deliver
        self._engine = postgres_engine(url, WRITERS, WRITE_WAIT)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=CLOSING_GRACE)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._engine.dispose()

    @property
    def waiting(self) -> int:
        """Units that were not answered yet."""
        return len(self._tasks)

    def submit(self, unit: Unit[Any], durable: bool) -> "asyncio.Future[Any]":
        """Carry `unit` out, whether or not its caller stays; the result is delivered after the commit."""
        if self._closing:
            raise Unavailable("The database is closing.")
        loop = asyncio.get_running_loop()
        pending = PendingUnit(unit, durable, self._clock.monotonic(), loop.create_future())
        # A task of its own: a cancelled caller must neither break the connection nor swallow the announcements.
        task = loop.create_task(self._carry_out(pending), name="unit")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        alarm = loop.call_later(ANSWER_WITHIN, self._give_up, pending, task)
        task.add_done_callback(lambda done: alarm.cancel())
        return pending.future

    async def _carry_out(self, pending: PendingUnit) -> None:
        try:
            await self._try_repeatedly(pending)
        except asyncio.CancelledError:
            pending.error = CommitInDoubt()
        except Exception as error:  # noqa: BLE001 - a unit's own failure is its caller's
            pending.error = translated(error)
        self._answer(pending)

    def _give_up(self, pending: PendingUnit, task: "asyncio.Task[None]") -> None:
        pending.error = CommitInDoubt("The database does not answer; what was being written may or may not be there.")
        self._answer(pending)
        task.cancel()

    def _answer(self, pending: PendingUnit) -> None:
        if not pending.is_answered:
            pending.is_answered = True
            self._deliver([pending])

    async def _try_repeatedly(self, pending: PendingUnit) -> None:
        for repeat in range(REPEATS):
            try:
                await self._try(pending)
                return
            except DBAPIError as error:
                wanted = sql_state(error) in REPEATABLE_STATES or is_disconnect(error)
                if not wanted or repeat == REPEATS - 1:
                    raise
                # Spread by chance, or those who collided meet again.
                await self._clock.sleep(0.01 * 2**repeat * random.uniform(0.5, 1.5))  # noqa: S311

    async def _try(self, pending: PendingUnit) -> None:
        async with self._engine.connect() as connection:
            await connection.run_sync(self._run, pending)
            reach("before commit")
            try:
                await connection.commit()
            except DBAPIError as error:
                if is_disconnect(error):
                    raise CommitInDoubt from error
                raise
            reach("committed")

    def _run(self, connection: Connection, pending: PendingUnit) -> None:
        if not pending.durable:
            connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
        transaction = Transaction(connection, self._clock.now())
        pending.result = pending.unit(transaction)
        pending.announcements = transaction.announcements
