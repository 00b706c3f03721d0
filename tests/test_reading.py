"""The data, read by somebody who promised not to change it."""

import pytest
from sqlalchemy import select

from daemons.clock import SystemClock
from daemons.database import Database
from daemons.database.reading import ReadOnlyDatabase
from daemons.errors import Unavailable
from daemons.models import DaemonTable
from daemons.roster import DeclaredType, Roster


async def test_who_reads_sees_what_is_committed_and_cannot_write(database: Database) -> None:
    await Roster(database).declare([DeclaredType("night_watch", "Night watch", "")])

    async with ReadOnlyDatabase(database.url.render_as_string(hide_password=False), SystemClock()) as reading:
        assert await reading.fetch_one(select(DaemonTable.name)) == ("night_watch",)
        with pytest.raises(Unavailable):
            await reading.write(lambda tx: None)
