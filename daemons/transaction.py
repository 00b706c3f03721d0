"""What a unit of work gets to write with."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, CursorResult
from sqlalchemy.sql import Executable

from daemons.events import Event


class Transaction:
    """One write transaction: execute statements, announce what will be true once it is committed."""

    __slots__ = ("announcements", "connection", "now")

    def __init__(self, connection: Connection, now: datetime) -> None:
        self.connection = connection
        self.now = now
        self.announcements: list[Event] = []

    def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[Any]:
        """Run a Core statement; a sequence of parameters runs it for each as one executemany."""
        result = self.connection.execute(statement, parameters)
        assert isinstance(result, CursorResult)
        return result

    def announce(self, event: Event) -> None:
        """Tell `event` to everybody after the commit, or to nobody if there is none."""
        self.announcements.append(event)

    @property
    def is_sqlite(self) -> bool:
        return self.connection.dialect.name == "sqlite"
