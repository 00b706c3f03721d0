"""The real engine's lower floors, opened on a database file of their own."""

import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benchmarks.report import Rounds
from daemons.bus import Bus, Mailbox
from daemons.clock import SystemClock
from daemons.database import Database
from daemons.database.transaction import Transaction
from daemons.journal import Journal
from daemons.leases import Leases
from daemons.roster import DeclaredType, Roster
from daemons.schema import prepare
from daemons.status import StatusBoard, StatusLine

T = TypeVar("T")

FSYNCS = 30


class DurableDatabase(Database):
    """Commits everything so that it survives power loss, also what could wait."""

    async def write(self, unit: Callable[[Transaction], T], *, durable: bool = True) -> T:
        return await super().write(unit, durable=True)


@dataclass(frozen=True, slots=True)
class Board:
    """A status board with the lines of its daemons, and one subscriber, as an open page would be."""

    database: Database
    journal: Journal
    board: StatusBoard
    lines: list[StatusLine]
    page: Mailbox


@contextmanager
def folder() -> Iterator[Path]:
    """Give a directory on a real disk: /tmp may be memory, where a commit costs nothing."""
    disk = Path("/var/tmp")
    with tempfile.TemporaryDirectory(prefix="deck-bench-", dir=disk if disk.is_dir() else None) as path:
        yield Path(path)


def fsync_milliseconds() -> Rounds:
    """Measure what one flush to the disk takes: no durable commit is faster, and on shared disks it varies most."""
    spent = []
    with folder() as place, (place / "probe").open("wb", buffering=0) as file:
        for _ in range(FSYNCS):
            file.write(bytes(4096))
            began = time.perf_counter()
            os.fsync(file.fileno())
            spent.append((time.perf_counter() - began) * 1000)
    return Rounds(spent, " ms")


@asynccontextmanager
async def open_board(daemons: int, *, kind: type[Database] = Database) -> AsyncIterator[Board]:
    """Open a migrated database with so many daemons, each with a live status line."""
    clock, bus = SystemClock(), Bus()
    with folder() as place:
        url = f"sqlite:///{place / 'deck.db'}"
        prepare(url, place, clock)
        async with kind(url, clock, bus) as database, Journal(database, clock) as journal:
            roster, leases = Roster(database), Leases(database, clock)
            names = [f"daemon_{number:04}" for number in range(daemons)]
            await roster.declare([DeclaredType(name, name, "") for name in names])
            await leases.join()
            async with StatusBoard(database, clock, bus, journal, roster) as board:
                lines = []
                for row in await roster.rows():
                    lease = await leases.take(row.id)
                    assert lease is not None
                    lines.append(await board.open(lease))
                with bus.subscribe() as page:
                    yield Board(database, journal, board, lines, page)
