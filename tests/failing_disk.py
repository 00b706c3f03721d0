"""Writes forty lines and compares what was acknowledged with what is there. A program of its own, to be run under
strace, which makes one of its calls to the disk fail.
"""

import asyncio
import json
import sys

from sqlalchemy import insert, select

from daemons.bus import Bus
from daemons.clock import SystemClock
from daemons.database import Database
from daemons.errors import Unavailable
from daemons.models import LogTable


async def main(url: str) -> None:
    acknowledged, refused = [], []
    async with Database(url, SystemClock(), Bus()) as database:
        for number in range(40):
            row = {"at": database.clock.now(), "level": "info", "message": str(number)}
            try:
                await database.write(lambda tx, row=row: tx.execute(insert(LogTable), row).rowcount)
                acknowledged.append(str(number))
            except Unavailable as error:
                refused.append(error.error_code)
        there = [row.message for row in await database.fetch(select(LogTable.message))]
    json.dump({"acknowledged": acknowledged, "refused": refused, "there": there}, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
