"""Calls about ladders: their steps and statuses, what stands where, and how the steps went."""

from dataclasses import asdict
from typing import Any

from pydantic import AwareDatetime, Field
from starlette.requests import Request
from starlette.responses import Response

from daemons.errors import NotFound
from daemons.text import clean
from daemons.workflows.polling.keeper import Ladder
from web.api import shapes
from web.api.calls import Call
from web.api.record_fields import form_of
from web.api.records import TryShape, keeper_of
from web.encoding import JsonResponse, Listing
from web.parsing import Query


class StepShape(shapes.Shape):
    """One step: from which statuses to which, how long it may take, and how often it is tried."""

    name: str
    title: str
    origins: list[str]
    to: str
    timeout: float
    lane: str
    max_attempts: int
    needs_children: bool


class LadderShape(shapes.Shape):
    """A ladder; `form` is the JSON schema of what a person is asked for at `awaiting`, `fields` of what one may write
    anywhere."""

    name: str
    title: str
    prefix: str
    statuses: list[str]
    final: list[str]
    awaiting: str | None
    forced: str | None
    steps: list[StepShape]
    form: dict[str, Any]
    fields: dict[str, Any]


class LadderPage(shapes.Shape):
    items: list[LadderShape]
    next: None


class ColumnShape(shapes.Shape):
    """What stands at one status, since when the oldest does, and how many left it within the last hour."""

    status: str
    total: int
    running: int
    failing: int
    parked: int
    complete: int
    oldest_at: AwareDatetime | None
    left_last_hour: int
    is_awaiting: bool
    is_known: bool
    """Whether the ladder has such a status; else somebody wrote it by hand."""


class BoardShape(shapes.Shape):
    """A ladder's columns in order, then whatever else records stand at."""

    ladder: str
    title: str
    columns: list[ColumnShape]


class FiguresQuery(Query):
    """Of which time."""

    hours: float = Field(24, gt=0, le=24 * 366, description="The last so many hours.")


class StepFiguresShape(shapes.Shape):
    """How one step went; the seconds are of those that were done."""

    step: str
    title: str
    done: int
    failed: int
    seconds_mean: float | None
    seconds_p95: float | None


class FiguresPage(shapes.Shape):
    """In the order of the steps."""

    items: list[StepFiguresShape]
    next: None


class NewsQuery(Query):
    """Since when."""

    after: int | None = Field(None, ge=0, lt=2**63, description="The `last` of the look before; empty: no tries.")


class HeardShape(TryShape):
    """A try of a step, or a move by somebody, and which record's."""

    number: int
    code: str
    title: str


class NewsShape(shapes.Shape):
    """How many records stand how, and the tries since the last look, oldest first.

    It is settled when none goes on by itself, and no folder or other system is still being looked through.
    """

    ladder: str
    total: int
    due: int
    running: int
    parked: int
    awaiting: int
    complete: int
    is_settled: bool
    is_expecting: bool
    tries: list[HeardShape]
    last: int


def ladder_of(request: Request) -> Ladder:
    """Return the ladder that the path names. Raises NotFound."""
    name, ladders = request.path_params["name"], keeper_of(request).ladders
    if name not in ladders:
        known = ", ".join(sorted(ladders)) or "none"
        raise NotFound(f"There is no ladder {clean(name, 63)}.", remedy=f"There are: {known}.", code="ERR_NO_LADDER")
    return ladders[name]


def shown_ladder(ladder: Ladder) -> dict[str, Any]:
    """Return a ladder as the API shows it."""
    names = ("name", "title", "origins", "to", "timeout", "lane", "max_attempts", "needs_children")
    return {
        "name": ladder.name,
        "title": ladder.title,
        "prefix": ladder.prefix,
        "statuses": list(ladder.statuses),
        "final": [status for status in ladder.statuses if status in ladder.final],
        "awaiting": ladder.awaiting,
        "forced": ladder.forced,
        "steps": [{name: getattr(step, name) for name in names} for step in ladder.steps],
        "form": form_of(ladder, awaits=True).model_json_schema(),
        "fields": form_of(ladder, awaits=False).model_json_schema(),
    }


async def columns_of(request: Request, ladder: Ladder) -> list[dict[str, Any]]:
    """Return the columns of a ladder's board as the API shows them."""
    columns = await keeper_of(request).board(ladder.name)
    return [
        {
            **asdict(column),
            "is_awaiting": column.status == ladder.awaiting,
            "is_known": column.status in ladder.statuses,
        }
        for column in columns
    ]


async def list_ladders(request: Request) -> Response:
    return Listing([shown_ladder(ladder) for ladder in keeper_of(request).ladders.values()])


async def get_ladder(request: Request) -> Response:
    return JsonResponse(shown_ladder(ladder_of(request)))


async def get_board(request: Request) -> Response:
    ladder = ladder_of(request)
    columns = await columns_of(request, ladder)
    return JsonResponse({"ladder": ladder.name, "title": ladder.title, "columns": columns})


async def get_figures(request: Request, query: FiguresQuery) -> Response:
    figures = await keeper_of(request).figures(ladder_of(request).name, query.hours)
    return Listing([one.as_dict() for one in figures])


async def get_news(request: Request, query: NewsQuery) -> Response:
    news = await keeper_of(request).news(ladder_of(request).name, query.after)
    return JsonResponse(news.as_dict())


_ONE = "/api/ladders/{name}"
CALLS = [
    Call(
        "GET",
        "/api/ladders",
        list_ladders,
        "The ladders that records climb, with their steps and forms.",
        LadderPage,
        command="daemondeck records ladders",
    ),
    Call("GET", _ONE, get_ladder, "One ladder.", LadderShape, command="daemondeck records ladders {name}"),
    Call(
        "GET",
        _ONE + "/board",
        get_board,
        "What stands at each status of a ladder.",
        BoardShape,
        command="daemondeck records board {name}",
    ),
    Call(
        "GET",
        _ONE + "/figures",
        get_figures,
        "How each step of a ladder went of late.",
        FiguresPage,
        command="daemondeck records figures {name}",
    ),
    Call(
        "GET",
        _ONE + "/news",
        get_news,
        "How a ladder's records stand, and what was tried since the last look.",
        NewsShape,
    ),
]
