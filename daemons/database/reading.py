"""The data, read and never written: for who wants to know while nobody serves it."""

from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote

from sqlalchemy.engine import URL

from daemons.bus import Bus
from daemons.clock import Clock
from daemons.database import Database
from daemons.database.engines import postgres_readers, sqlite_readers
from daemons.database.transaction import Unit
from daemons.errors import Unavailable

T = TypeVar("T")


class ReadOnlyDatabase(Database):
    """Reads rows, from enter to exit; leaves the data and its folder as they are."""

    def __init__(self, url: str, clock: Clock) -> None:
        super().__init__(url, clock, Bus())

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            reading = sqlite_readers(_untouched(self.url), self.clock) if self.is_sqlite else postgres_readers(self.url)
            self._readers = reading
            stack.push_async_callback(reading.dispose)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def write(self, unit: Unit[T], *, durable: bool = True) -> T:
        """Refuse: whoever opened the data like this promised not to."""
        raise Unavailable("The data is only read here.")


def _untouched(url: URL) -> URL:
    """Return `url` as SQLite opens it without making, changing or removing any file."""
    path = Path(str(url.database)).absolute()
    log = Path(f"{path}-wal")
    # With a log left behind, SQLite has to look into it; without one, it would make an empty one to lock.
    has_log = log.exists() and log.stat().st_size > 0
    query = {"uri": "true", "mode": "ro", **({} if has_log else {"immutable": "1"})}
    return url.set(database=f"file:{quote(str(path))}", query=query)
