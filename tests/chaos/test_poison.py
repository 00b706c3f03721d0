from daemons.journal import Journal
from daemons.leases import Leases
from daemons.roster import DeclaredType, Roster
from daemons.states import LogLevel

async def test_x(database, clock, bus, events):
    roster = Roster(database)
    await roster.declare([DeclaredType("a", "A", "")])
    row = await roster.add("a", "a2", {})
    leases = Leases(database, clock)
    await leases.join()
    lease = await leases.take(row.id)
    async with Journal(database, clock) as journal:
        journal.log(LogLevel.INFO, "x", daemon=row)
        journal.log(LogLevel.INFO, "x", daemon=row, lease=lease)
        await roster.remove("a2")
        other = await roster.row("a")
        journal.log(LogLevel.INFO, "y", daemon=other)
        await journal.flush()
        print([l.message for l in await journal.lines()])
