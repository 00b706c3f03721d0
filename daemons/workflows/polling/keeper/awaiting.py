"""Which records wait for a person: known from memory, because every page shows how many there are."""

from collections.abc import Mapping

from sqlalchemy import select

from daemons.database import Database
from daemons.events import Event
from daemons.workflows.polling.keeper.rows import RECORDS, record_told
from daemons.workflows.polling.ladder import Ladder

_R = RECORDS.c


class Awaiting:
    """Keeps count by what the bus tells, from what was there when it was read."""

    def __init__(self, ladders: Mapping[str, Ladder]) -> None:
        self._ladders = ladders
        self._ids: set[str] = set()

    def __len__(self) -> int:
        return len(self._ids)

    def hear(self, event: Event) -> None:
        """Heed what the bus tells."""
        if (record := record_told(event)) is None:
            return
        ladder = self._ladders.get(record.ladder)
        if ladder is not None and ladder.awaiting is not None and record.status == ladder.awaiting:
            self._ids.add(record.id)
        else:
            self._ids.discard(record.id)

    async def read(self, database: Database) -> None:
        """Read those there are. Listen first: then nothing is missed between."""
        for ladder in self._ladders.values():
            if ladder.awaiting is not None:
                waiting = select(_R.id).where(_R.ladder == ladder.name, _R.status == ladder.awaiting)
                self._ids.update(row[0] for row in await database.fetch(waiting))
