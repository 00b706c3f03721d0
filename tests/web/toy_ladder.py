"""A plug-in: a ladder for pages and calls, which nobody climbs but by hand."""

from typing import cast

from pydantic import BaseModel, Field

from daemons import JobContext, job
from daemons.service import Service
from daemons.workflows.polling.keeper import RecordKeeper
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
