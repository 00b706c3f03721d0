"""A plug-in: troupes and their players. A troupe performs once all of them are dressed; some need a year for that."""

from typing import cast

from pydantic import BaseModel, Field

from daemons import JobContext, job
from daemons.errors import Permanent
from daemons.states import LogLevel
from daemons.workflows.polling.ladder import Ladder, Outcome, Step, StepContext
from daemons.workflows.polling.ladders import LADDERS
from daemons.workflows.polling.records import NewRecord, Reason, Record

NEW, GATHERED, PERFORMED, DRESSED, ASKING = "0 - New", "1 - Gathered", "2 - Performed", "1 - Dressed", "Asks"


@job("toy_rehearsal")
async def toy_rehearsal(_ctx: JobContext) -> None:
    """Rehearse: a plug-in brings a daemon or a job."""


class Costume(BaseModel):
    """What a person is asked for."""

    year: int | None = Field(None, ge=1800, le=2100, description="Of the costume.")


class NoCostume(Permanent):
    """There is no costume."""

    code = "ERR_NO_COSTUME"
    remedy = "Say of which year it is to be."


async def gather(_ctx: StepContext, record: Record) -> Outcome:
    names = ("first", "second", "third")
    return Outcome(children=[NewRecord("players", NEW, f"{record.source}/{name}", name) for name in names])


async def dress(ctx: StepContext, record: Record) -> Outcome:
    await ctx.log(LogLevel.INFO, f"Dressing the {record.title} as of {record.fields.get('year') or 'any year'}.")
    if record.title == "second" and not record.fields.get("year"):
        raise NoCostume("No costume fits.")
    if record.title == "third" and not record.fields.get("year"):
        return Outcome(to=ASKING, reasons=[Reason("no_year", "It has no year.", "year")])
    return Outcome()


async def perform(_ctx: StepContext, _record: Record) -> Outcome:
    return Outcome(note="They performed.")


TROUPES = Ladder(
    "troupes",
    "Troupes",
    "TR",
    steps=(
        Step("gather", gather, (NEW,), GATHERED, title="Gather its players"),
        Step("perform", perform, (GATHERED,), PERFORMED, title="Perform", needs_children=True),
    ),
    statuses=(NEW, GATHERED, PERFORMED),
    final=frozenset({PERFORMED}),
)
PLAYERS = Ladder(
    "players",
    "Players",
    "PL",
    steps=(Step("dress", dress, (NEW, ASKING), DRESSED, title="Dress"),),
    statuses=(NEW, ASKING, DRESSED),
    final=frozenset({DRESSED}),
    awaiting=ASKING,
    form=Costume,
)
cast(dict[str, Ladder], LADDERS).update(troupes=TROUPES, players=PLAYERS)
