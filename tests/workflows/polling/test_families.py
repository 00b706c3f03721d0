"""Records that wait for what is below them go on when they can, and say what holds them up until then."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import delete, update

from daemons.bus import Bus
from daemons.database import Database
from daemons.events import ItemChanged
from daemons.workflows.polling.keeper import NewRecord, Reason, Record, RecordFilter, RecordKeeper
from daemons.workflows.polling.keeper.rows import RECORDS
from daemons.workflows.polling.ladder import Ladder, Outcome, Step, StepContext
from daemons.workflows.polling.steps.files import PENDING
from tests.fake_clock import FakeClock
from tests.recorder import Recorder
from tests.workflows.polling.test_climbing import BOUND, Broken, Job, climber, keeper_tools

NEW, SPLIT, TOP, SEEN, ASKING, ASIDE = PENDING, "1 - Split", "2 - Summed Up", "1 - Seen", "Awaiting", "Aside"


class Studio:
    """Clips of three frames each; some frames break, some need a person, by the numbers of their codes."""

    def __init__(self, database: Database, clock: FakeClock, bus: Bus) -> None:
        self.breaks: set[str] = set()
        self.asks: set[str] = set()
        self.frames = 3
        self.summed: list[str] = []
        clips = Ladder(
            "clips",
            "Clips",
            "CL",
            (Step("split", self.split, (NEW,), SPLIT), Step("sum", self.sum, (SPLIT,), TOP, needs_children=True)),
            (NEW, SPLIT, TOP),
            frozenset({TOP}),
        )
        frames = Ladder(
            "frames",
            "Frames",
            "FR",
            (Step("look", self.look, (NEW, ASKING), SEEN), Step("tell", self.tell, (SEEN,), TOP)),
            (NEW, SEEN, TOP, ASKING, ASIDE),
            frozenset({TOP}),
            awaiting=ASKING,
        )
        self.keeper = RecordKeeper(keeper_tools(database, clock, bus=bus), {"clips": clips, "frames": frames})
        self._database = database

    async def split(self, ctx: StepContext, record: Record) -> Outcome:
        sources = [f"{record.source}#{at}" for at in range(self.frames)]
        return Outcome(children=[NewRecord("frames", NEW, source, source) for source in sources])

    async def look(self, ctx: StepContext, record: Record) -> Outcome:
        if record.code in self.breaks:
            raise Broken(f"{record.code} is no picture")
        if record.code in self.asks and not record.fields.get("caption"):
            return Outcome(to=ASKING, reasons=[Reason("no_caption", "It has no caption.", "caption")])
        return Outcome()

    async def tell(self, ctx: StepContext, record: Record) -> Outcome:
        return Outcome()

    async def sum(self, ctx: StepContext, record: Record) -> Outcome:
        frames = await self.keeper.list(RecordFilter(parent_id=record.id), limit=500)
        assert all(frame.is_complete for frame in frames.items)
        self.summed.append(record.code)
        return Outcome()

    async def climb(self) -> None:
        """Climb until nothing is due."""
        async with asyncio.timeout(BOUND):
            await climber(Job(self._database), self.keeper).run(linger=0)

    async def added(self, *names: str) -> Sequence[Record]:
        """Have clips climb as far as they do."""
        made = await self.keeper.add([NewRecord("clips", NEW, f"/{name}", name) for name in names], by="test")
        await self.climb()
        return [await self.keeper.get(one.id) for one in made]

    async def says(self, clip: Record) -> str | None:
        """Return what the clip says it waits for."""
        waits = (await self.keeper.waiting([await self.keeper.get(clip.id)])).get(clip.id)
        return waits.sentence() if waits is not None else None

    async def is_complete(self, clip: Record) -> bool:
        return (await self.keeper.get(clip.id)).is_complete


@pytest.fixture
def studio(database: Database, clock: FakeClock, bus: Bus) -> Studio:
    return Studio(database, clock, bus)


async def test_a_clip_says_which_frames_hold_it_up_and_goes_on_when_they_do(studio: Studio) -> None:
    studio.breaks, studio.asks = {"FR0001"}, {"FR0003"}

    [clip] = await studio.added("pier")
    both = await studio.says(clip)
    studio.breaks.clear()
    await studio.keeper.retry((await studio.keeper.get("FR0001")).id, who="ada")
    while_it_climbs = await studio.says(clip)
    await studio.climb()
    one = await studio.says(clip)
    await studio.keeper.edit((await studio.keeper.get("FR0003")).id, {"caption": "Pier"}, who="ada")
    await studio.climb()

    assert both == (
        "Waits for 2 of 3 frames: FR0001 is parked (ERR_BROKEN: FR0001 is no picture), FR0003 awaits input."
    )
    assert while_it_climbs == "Waits for 2 of 3 frames: FR0003 awaits input."
    assert one == "Waits for 1 of 3 frames: FR0003 awaits input."
    assert (await studio.is_complete(clip), studio.summed, await studio.says(clip)) == (True, ["CL0001"], None)


async def test_many_clips_are_asked_about_at_once_and_each_names_only_a_few(studio: Studio) -> None:
    studio.frames = 8
    studio.breaks = {f"FR{number:04}" for number in range(1, 17)}

    clips = await studio.added("a", "b", "c")
    waits = await studio.keeper.waiting(clips)

    assert [waits[clip.id].stuck for clip in clips if clip.id in waits] == [8, 8]
    first, second = (waits[clip.id] for clip in clips[:2])
    assert [len(first.named), len(second.named)] == [5, 5]
    assert not {one.code for one in first.named} & {one.code for one in second.named}
    assert first.sentence().endswith(" is no picture), 3 more need somebody.")
    assert clips[2].is_complete
    assert await studio.keeper.waiting([]) == {}


@pytest.mark.parametrize("how", ["skip", "move"])
async def test_a_frame_that_a_person_brings_to_its_end_lets_its_clip_go_on(studio: Studio, how: str) -> None:
    studio.breaks = {"FR0002"}
    [clip] = await studio.added("pier")
    stuck = await studio.keeper.get("FR0002")

    if how == "move":
        await studio.keeper.move(stuck.id, TOP, who="ada")
    else:
        await studio.keeper.skip(stuck.id, who="ada")
        await studio.keeper.skip(stuck.id, who="ada")
    await studio.climb()

    assert await studio.is_complete(clip)


async def test_a_frame_that_stands_aside_is_told_of(studio: Studio) -> None:
    studio.breaks = {"FR0002"}
    [clip] = await studio.added("pier")

    await studio.keeper.move((await studio.keeper.get("FR0002")).id, ASIDE, who="ada")

    assert await studio.says(clip) == ("Waits for 1 of 3 frames: FR0002 stands at Aside, from where no step leads on.")


async def test_a_clip_that_is_sent_to_where_it_waits_waits_there(studio: Studio) -> None:
    studio.breaks = {"FR0002"}
    [clip] = await studio.added("pier")

    await studio.keeper.move(clip.id, SPLIT, who="ada")
    await studio.climb()

    assert studio.summed == []
    assert (await studio.says(clip) or "").startswith("Waits for 1 of 3 frames: FR0002 is parked")


async def test_a_frame_sent_back_holds_up_a_clip_that_was_about_to_go_on(studio: Studio) -> None:
    studio.breaks = {"FR0002"}
    [clip] = await studio.added("pier")
    studio.breaks.clear()
    await studio.keeper.move((await studio.keeper.get("FR0002")).id, TOP, who="ada")
    was_due = (await studio.keeper.get(clip.id)).due_at

    await studio.keeper.move((await studio.keeper.get("FR0001")).id, NEW, who="ada")

    assert was_due is not None
    assert await studio.says(clip) == "Waits for 1 of 3 frames."
    await studio.climb()
    assert await studio.is_complete(clip)


async def test_a_frame_sent_back_after_its_clip_went_on_climbs_again_and_moves_nobody(studio: Studio) -> None:
    [clip] = await studio.added("pier")
    studio.breaks = {"FR0001"}

    await studio.keeper.move((await studio.keeper.get("FR0001")).id, NEW, who="ada")
    await studio.climb()

    assert (await studio.keeper.get("FR0001")).parked_at is not None
    now = await studio.keeper.get(clip.id)
    assert (now.is_complete, now.revision, await studio.says(clip)) == (True, clip.revision, None)
    # Sent back itself, it waits for that frame.
    await studio.keeper.move(clip.id, SPLIT, who="ada")
    assert (await studio.says(clip) or "").startswith("Waits for 1 of 3 frames: FR0001 is parked")


async def test_frames_climb_though_their_clip_is_gone_and_a_clip_goes_on_without_frames(
    studio: Studio, database: Database
) -> None:
    studio.breaks = {"FR0001", "FR0005"}
    gone, other = await studio.added("gone", "other")
    frame = await studio.keeper.get("FR0001")
    await database.write(lambda tx: tx.execute(delete(RECORDS).where(RECORDS.c.id == gone.id)))
    await database.write(lambda tx: tx.execute(delete(RECORDS).where(RECORDS.c.code == "FR0005")))
    studio.breaks.clear()

    await studio.keeper.retry(frame.id, who="ada")
    await studio.climb()

    assert (await studio.keeper.get("FR0001")).is_complete
    assert await studio.is_complete(other)


async def test_whoever_looks_at_a_clip_hears_when_what_it_waits_for_changes(studio: Studio, events: Recorder) -> None:
    studio.breaks = {"FR0002"}
    [clip] = await studio.added("pier")
    events.forget()

    def of_clip() -> list[dict[str, Any]]:
        return [dict(one.data) for one in events.seen(ItemChanged, lambda event: event.id == clip.id)]

    frame = await studio.keeper.get("FR0002")
    await studio.keeper.edit((await studio.keeper.get("FR0001")).id, {"caption": "x"}, who="ada")
    untouched = of_clip()
    await studio.keeper.retry(frame.id, who="ada")
    told = of_clip()

    assert untouched == []
    assert [one["revision"] for one in told] == [clip.revision]


async def test_a_clip_that_was_in_hand_when_its_process_died_waits_again_if_it_must(
    studio: Studio, database: Database
) -> None:
    [clip] = await studio.added("pier")
    await studio.keeper.move(clip.id, SPLIT, who="ada")
    held = {"held_by": "nobody", "held_attempt": 1, "due_at": None}
    of_clip = update(RECORDS).where(RECORDS.c.id == clip.id)
    await database.write(lambda tx: tx.execute(of_clip.values(**held, running_since=tx.now)))
    studio.breaks = {"FR0001"}
    await studio.keeper.move((await studio.keeper.get("FR0001")).id, NEW, who="ada")

    await studio.climb()

    assert studio.summed == ["CL0001"]
    assert (await studio.says(clip) or "").startswith("Waits for 1 of 3 frames: FR0001 is parked")
