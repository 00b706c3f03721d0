"""A plug-in: a ladder for pages and calls, which nobody climbs but by hand."""

from functools import partial
from typing import cast

from pydantic import BaseModel, Field
from sqlalchemy import update

from daemons import JobContext, job
from daemons.database.transaction import Transaction
from daemons.errors import ErrorInfo
from daemons.service import Service
from daemons.workflows.polling.keeper import RecordKeeper
from daemons.workflows.polling.keeper.adding import add
from daemons.workflows.polling.keeper.rows import RECORDS
from daemons.workflows.polling.ladder import Ladder, Outcome, Step, StepContext
from daemons.workflows.polling.ladders import LADDERS
from daemons.workflows.polling.records import NewRecord, Record

NEW, FOUND, ASKING, FORCED, TOP = "0 - New", "1 - Found", "Awaiting User Input", "Force Resume", "2 - Told"


@job("toy_wind")
async def toy_wind(_ctx: JobContext) -> None:
    """Wind a toy up: a plug-in brings a daemon or a job."""


class Knowledge(BaseModel):
    """What a person is asked for."""

    title: str | None = Field(None, max_length=40, description="A few words.")
    year: int | None = Field(None, ge=1800, le=2100, description="When it was made.")
    keywords: list[str] = Field([], description="What it is about.")


async def stand_still(_ctx: StepContext, _record: Record) -> Outcome:
    return Outcome()


TOYS = Ladder(
    "toys",
    "Toys",
    "TO",
    steps=(
        Step("find", stand_still, (NEW,), FOUND, title="Find it"),
        Step("resume", stand_still, (FORCED,), TOP, title="Go on all the same"),
        Step("judge", stand_still, (FOUND, ASKING), TOP, title="Judge it"),
    ),
    statuses=(NEW, FOUND, ASKING, FORCED, TOP),
    final=frozenset({TOP}),
    awaiting=ASKING,
    form=Knowledge,
    forced=FORCED,
)
cast(dict[str, Ladder], LADDERS)["toys"] = TOYS


def keeper_of(service: Service) -> RecordKeeper:
    """Return the keeper of records."""
    return service.keepers.get(RecordKeeper)


async def add_toys(service: Service, *names: str, status: str = NEW) -> list[Record]:
    """Have a record of each name at a status, as if a person had put it there."""
    keeper = keeper_of(service)
    new = [NewRecord("toys", NEW, f"/toys/{name}.jpg", name) for name in names]
    made = await keeper.add(new, by="drop folder")
    return [record if status == NEW else await keeper.move(record.id, status, who="Ben") for record in made]


async def held_up(service: Service) -> tuple[Record, list[Record]]:
    """Have a clip wait for its frames: one is complete, one parked, one where no step begins, and one goes on."""
    keeper = keeper_of(service)
    [clip] = await keeper.add([NewRecord("footage", "0 - Pending File Info", "/pier.mov", "pier.mov")], by="test")
    new = [NewRecord("frames", "0 - Pending File Info", f"/pier.mov#t={at}", f"at {at}") for at in range(4)]
    below = partial(add, ladders=keeper.ladders, new=new, by="frames", parent_id=clip.id)
    frames = await service.database.write(below)
    await keeper.move(frames[0].id, "4 - Audio Transcribed", who="test")
    await keeper.move(clip.id, "5 - Processing Frame Info", who="test")
    error = ErrorInfo("ERR_BAD", "No <b> picture.", None, "Take another.").as_dict()
    parked = {"error": error, "parked_at": keeper.clock.now()}
    for frame, change in ((frames[1], parked), (frames[2], {"status": "4 - Audio Transcribed"})):
        put = update(RECORDS).where(RECORDS.c.id == frame.id).values(due_at=None, **change)
        await service.database.write(partial(Transaction.execute, statement=put))
    return await keeper.get(clip.id), [await keeper.get(frame.id) for frame in frames]
