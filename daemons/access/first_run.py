"""Whether the first steps still have to be shown."""

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from daemons.database import Database
from daemons.database.transaction import Transaction
from daemons.models import MilestoneTable

NAME = "first run"


class FirstRun:
    """The steps a new deck leads its owner through, until they are done or skipped."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def is_open(self) -> bool:
        """Whether nobody has gone through the steps, or skipped them."""
        reached = select(MilestoneTable.name).where(MilestoneTable.name == NAME)
        return await self._database.fetch_one(reached) is None

    async def end(self) -> None:
        """Never show the steps again. Safe to call twice."""

        def unit(tx: Transaction) -> None:
            # Two pages may end it at the same time.
            insert = sqlite.insert(MilestoneTable) if tx.is_sqlite else postgresql.insert(MilestoneTable)
            tx.execute(insert.values(name=NAME, reached_at=tx.now).on_conflict_do_nothing())

        await self._database.write(unit)
