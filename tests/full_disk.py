"""Fills the disk it is given, and looks what the database does about it. A program of its own for test_writer.py."""

import asyncio
import sys
from pathlib import Path

from sqlalchemy import delete, func, insert, select

from daemons.bus import Bus
from daemons.clock import SystemClock
from daemons.database import Database
from daemons.database.ballast import Ballast
from daemons.database.engines import normalise_url, sqlite_engine
from daemons.database.transaction import Transaction
from daemons.errors import StorageFull
from daemons.models import Base, LogTable

LINES = 20
WORDS = "x" * 4_000
MB = 1024 * 1024


def write_lines(tx: Transaction) -> None:
    tx.execute(insert(LogTable), [{"at": tx.now, "level": "info", "message": WORDS} for _ in range(LINES)])


class WatchedBallast(Ballast):
    """Tells when it was made again."""

    is_back = asyncio.Event()
    loop: asyncio.AbstractEventLoop

    def make(self) -> bool:
        made = super().make()
        if made:
            self.loop.call_soon_threadsafe(self.is_back.set)
        return made


async def fill(database: Database) -> int:
    """Write until the disk is full, and return how many units were acknowledged."""
    written = 0
    while True:
        try:
            database.require_space()
            await database.write(write_lines)
            written += 1
        except StorageFull:
            return written


async def main(folder: Path) -> None:
    url = f"sqlite:///{folder / 'deck.db'}"
    engine = sqlite_engine(normalise_url(url))
    Base.metadata.create_all(engine)
    engine.dispose()
    clock = SystemClock()
    ballast = WatchedBallast(folder / "ballast", clock, size=3 * MB)
    ballast.loop = asyncio.get_running_loop()
    foreign = folder / "somebody else's"
    async with Database(url, clock, Bus(), ballast=ballast) as database:
        assert not ballast.is_released, "the ballast must fit at first"
        foreign.write_bytes(b"x" * 7 * MB)
        written = await fill(database)
        assert ballast.is_released, "the ballast must be given up"
        count = await database.fetch_one(select(func.count()).select_from(LogTable))
        assert count is not None and count[0] >= written * LINES > 0, "what was acknowledged must be there"
        for last in range(LINES, count[0], LINES):
            await database.write(lambda tx, last=last: tx.execute(delete(LogTable).where(LogTable.id <= last)).rowcount)  # type: ignore[misc]

        ballast.is_back.clear()
        foreign.unlink()
        async with asyncio.timeout(10):
            await ballast.is_back.wait()
        await database.write(write_lines)
        database.require_space()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
    sys.stdout.write("healed\n")
