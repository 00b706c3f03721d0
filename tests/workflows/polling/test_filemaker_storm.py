"""Two writers of many records, a server that fails at random, a process that dies: in the end both sides agree."""

import asyncio
import random
from typing import Any

import pytest

from daemons.bus import Bus
from daemons.clients.errors import ServerAway
from daemons.database import Database
from daemons.errors import Conflict, DaemonError
from daemons.workflows.polling.keeper import RecordKeeper
from daemons.workflows.polling.stores.filemaker import FileMakerStore
from tests.clients.filemaker.bench import CODE, CONSOLE, STATUS, open_bench
from tests.engine_deck import keeper_tools
from tests.fake_clock import FakeClock
from tests.fakes.filemaker_wire import fails
from tests.fakes.openai_server import answers, closes
from tests.workflows.polling.test_filemaker_store import (
    ASKING,
    DESCRIPTION,
    FORCED,
    FOUND,
    LADDER,
    NEW,
    ORIGINAL,
    TOP,
    Studio,
)

RECORDS, TURNS = 6, 40
FAULTS = (closes, fails("802"), fails("812"), fails("952"), answers(502, b"<html>"), answers(200, b"{"))


class Storm:
    """What both sides do, and what has to be true afterwards."""

    def __init__(self, studio: Studio, seed: int) -> None:
        self.studio, self.chance = studio, random.Random(seed)
        self.last_there: dict[str, str] = {}
        """The last caption that somebody wrote there."""

    async def turn(self, number: int) -> None:
        studio, chance = self.studio, self.chance
        # Lines of the console are told apart by their second.
        await studio.clock.advance(1)
        record_id = chance.randint(1, RECORDS)
        match chance.randint(0, 7):
            case 0:
                studio.stills.write(record_id, **{STATUS: chance.choice([NEW, FOUND, ASKING, FORCED])})
            case 1:
                self.last_there[f"ST{record_id:04}"] = words = f"there {number}"
                # What is complete is not looked at any more, unless somebody puts it back.
                at_end = studio.there(record_id)[STATUS] == TOP
                studio.stills.write(record_id, **{ORIGINAL: words, **({STATUS: FOUND} if at_end else {})})
            case 2:
                await self.here(record_id, number)
            case 3:
                await studio.climb()
            case 4:
                await self.dying(studio.store.push())
            case 5:
                # Somebody opens a record at a screen, or closes it.
                studio.bench.server.in_use ^= {record_id}
            case _:
                await self.tried(studio.store.pull() if chance.random() < 0.5 else studio.store.push())

    async def here(self, record_id: int, number: int) -> None:
        try:
            record = await self.studio.keeper.get(f"ST{record_id:04}")
            if self.chance.random() < 0.5:
                await self.studio.keeper.move(record.id, self.chance.choice([NEW, FOUND, ASKING]), who="ana")
            else:
                await self.studio.keeper.edit(record.id, {"description": f"here {number}"}, who="ana")
        except (Conflict, DaemonError):
            return

    async def tried(self, work: Any) -> None:
        """Do it with a server that fails now and then."""
        if self.chance.random() < 0.6:
            self.studio.bench.server.then(*[self.chance.choice(FAULTS) for _ in range(self.chance.randint(1, 4))])
        if self.chance.random() < 0.3:
            self.studio.bench.server.loses = ["PATCH"]
        try:
            await self.studio.bench.resting(work)
        except DaemonError as error:
            assert isinstance(error, ServerAway), error

    async def dying(self, work: Any) -> None:
        """Begin it in a process that ends at any moment."""
        task = asyncio.create_task(work)
        for _ in range(self.chance.randint(0, 400)):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            assert isinstance(task.exception(), ServerAway | None), task.exception()
        studio = self.studio
        studio.store = FileMakerStore(studio.keeper, studio.bench.client, "stills", studio.clock)

    async def calm(self) -> None:
        """Let everything be done that is to be done, by a server that is well."""
        self.studio.bench.server.no_more()
        self.studio.bench.server.in_use.clear()
        for _ in range(6):
            await self.studio.clock.advance(601)
            await self.studio.bench.resting(self.studio.store.pull())
            await self.studio.climb()
            pushed = await self.studio.bench.resting(self.studio.store.push())
            assert pushed.failed == []


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("seed", range(3))
async def test_both_sides_agree_after_a_storm(seed: int, database: Database, clock: FakeClock, bus: Bus) -> None:
    keeper = RecordKeeper(keeper_tools(database, clock, bus=bus), {"stills": LADDER})
    async with open_bench(clock) as bench:
        storm = Storm(Studio(bench, keeper, database), seed)
        for number in range(1, RECORDS + 1):
            bench.stills.add(**{CODE: f"ST{number:04}", STATUS: NEW})
        for number in range(TURNS):
            await storm.turn(number)
        await storm.calm()

        for there in bench.stills.records.values():
            code, record = there.fields[CODE], await keeper.get(there.fields[CODE])
            assert (there.fields[STATUS], there.fields[DESCRIPTION]) == (
                record.status,
                record.fields.get("description", ""),
            ), f"{code}, seed {seed}"
            assert there.fields[STATUS] in (TOP, ASKING)
            # What a person wrote there was never overwritten, and climbed with.
            assert there.fields[ORIGINAL] == record.fields.get("caption", "") == storm.last_there.get(code, "")
            lines = there.fields[CONSOLE].split("\r")
            assert len(lines) == len(set(lines)), f"{code}, seed {seed}: told twice"
            ours = [one for one in await keeper.story(record) if one.step]
            assert sum("file_info done" in line for line in lines) <= sum(one.step == "file_info" for one in ours)
