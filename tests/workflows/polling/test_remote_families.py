"""Clips and their frames come from another system in any order, and belong together all the same."""

from functools import partial
from typing import Any

import pytest

from daemons.bus import Bus
from daemons.database import Database
from daemons.workflows.polling.keeper import RecordKeeper
from daemons.workflows.polling.keeper.remotes import Seen, Side, take
from daemons.workflows.polling.ladders import LADDERS
from tests.engine_deck import keeper_tools
from tests.fake_clock import FakeClock

PROCESSING, DONE = "5 - Processing Frame Info", "4 - Audio Transcribed"


@pytest.fixture
def keeper(database: Database, clock: FakeClock, bus: Bus) -> RecordKeeper:
    return RecordKeeper(keeper_tools(database, clock, bus=bus))


def seen(ladder: str, code: str, status: str, parent_code: str = "") -> Seen:
    return Seen(code, "1", Side(status), {}, f"filemaker:{ladder}/{code}", code, parent_code)


def as_text(_name: str, value: Any) -> str:
    return str(value or "")


async def came(database: Database, ladder: str, *records: Seen) -> None:
    await database.write(partial(take, ladders=LADDERS, ladder=ladder, seen=records, spell=as_text, by="FileMaker"))


async def test_frames_that_come_before_their_clip_hold_it_up_like_those_that_come_after(
    database: Database, keeper: RecordKeeper
) -> None:
    unfinished = LADDERS["frames"].statuses[2]
    await came(
        database, "frames", seen("frames", "FR0001", DONE, "FT0007"), seen("frames", "FR0002", unfinished, "FT0007")
    )
    await came(database, "frames", seen("frames", "FR0003", unfinished, "FT0008"))
    await came(database, "footage", seen("footage", "FT0007", PROCESSING))
    await came(database, "frames", seen("frames", "FR0004", unfinished, "FT0007"))

    clip = await keeper.get("FT0007")
    frames = [await keeper.get(f"FR000{number}") for number in range(1, 5)]

    assert clip.due_at is None
    assert [frame.parent_id for frame in frames] == [clip.id, clip.id, None, clip.id]


async def test_a_clip_whose_frames_came_before_it_and_are_complete_is_due(
    database: Database, keeper: RecordKeeper
) -> None:
    await came(database, "frames", seen("frames", "FR0001", DONE, "FT0007"))
    await came(database, "footage", seen("footage", "FT0007", PROCESSING))

    assert (await keeper.get("FT0007")).due_at is not None
