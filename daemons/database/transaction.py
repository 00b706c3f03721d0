"""What a unit of work gets to write with, and what it is while it waits for its turn."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, CursorResult
from sqlalchemy.sql import Executable
from sqlalchemy.sql.dml import UpdateBase

from daemons.database.many import execute_many
from daemons.events import Event


class Transaction:
    """One write transaction: execute statements, announce what will be true once it is committed."""

    # The connection is nobody else's: a commit by hand would commit the neighbours in the batch too.
    __slots__ = ("_connection", "announcements", "now")

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self.now = now
        self.announcements: list[Event] = []

    def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[Any]:
        """Run a Core statement; a sequence of parameters runs it for each as one executemany."""
        result = self._connection.execute(statement, parameters)
        assert isinstance(result, CursorResult)
        return result

    def execute_many(self, statement: UpdateBase, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run a statement that is kept, as a module's own is, for each of `rows`; all of them have the same keys.

        Quicker than `execute`, which binds each row anew; not for statements that return rows, nor for two changes of
        the same row of a table: which of them came last would not be told.
        """
        if rows:
            keys = tuple(rows[0])
            self.execute_tuples(statement, keys, [tuple([row[key] for key in keys]) for row in rows])

    def execute_tuples(self, statement: UpdateBase, keys: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> None:
        """Do as `execute_many`, with rows that are the values of `keys`: quicker still, for thousands a second."""
        execute_many(self._connection, statement, keys, rows)

    def announce(self, event: Event) -> None:
        """Tell `event` to everybody after the commit, or to nobody if there is none."""
        self.announcements.append(event)

    @property
    def is_sqlite(self) -> bool:
        return self._connection.dialect.name == "sqlite"


T = TypeVar("T")
Unit = Callable[[Transaction], T]
"""A plain function of a transaction: no await, no effect but its rows and announcements, repeatable."""


@dataclass(eq=False, slots=True)
class PendingUnit:
    """A unit in line, and whom to tell."""

    unit: Unit[Any]
    durable: bool
    since: float
    future: "asyncio.Future[Any]"
    result: Any = None
    error: BaseException | None = None
    announcements: list[Event] = field(default_factory=list)
    is_answered: bool = False
