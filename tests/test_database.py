from sqlalchemy import func, insert, select

from daemons.database import Database
from daemons.events import JobRemoved
from daemons.models import LogTable
from daemons.transaction import Transaction
from tests.fake_clock import FakeClock
from tests.recorder import Recorder


async def test_a_unit_is_announced_after_its_commit(database: Database, clock: FakeClock, events: Recorder) -> None:
    def write_line(tx: Transaction) -> str:
        tx.execute(insert(LogTable), {"at": tx.now, "level": "info", "message": "x"})
        tx.announce(JobRemoved("one"))
        return "done"

    assert await database.write(write_line) == "done"
    assert await events.next(JobRemoved) == JobRemoved("one")
    row = await database.fetch_one(select(LogTable.at))
    assert row is not None and row.at == clock.now()
    assert (await database.fetch(select(func.count()).select_from(LogTable)))[0][0] == 1
