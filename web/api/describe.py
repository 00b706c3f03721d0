"""Calls about descriptions of images."""

from pydantic import AwareDatetime, Field
from starlette.requests import Request
from starlette.responses import Response

from daemons.errors import Invalid
from daemons.values import Page
from daemons.workflows.describe.keeper import STATES, DescriptionFilter, DescriptionKeeper
from web.api import shapes
from web.api.calls import Call
from web.api.paging import ListQuery, cursor_of, place_of
from web.context import service
from web.encoding import JsonResponse, Listing


class DescriptionQuery(ListQuery):
    """Which descriptions to list, newest first: those that meet every condition."""

    state: str = Field("", description="Comma list of " + ", ".join(STATES) + ".")
    folder: str | None = Field(None, max_length=4096, description="The folder as it is shown.")
    describer: str | None = Field(None, max_length=63)
    q: str | None = Field(None, max_length=200, description="Part of the path or of the description.")


class DescriptionShape(shapes.Shape):
    """What is known of one image file, or why nothing is."""

    id: str
    path: str
    folder: str
    state: str
    description: str | None
    describer: str
    model: str
    error: shapes.ErrorShape | None
    seconds: float | None
    facts: dict[str, object] | None
    thumbnail: str | None
    job_id: str | None
    created_at: AwareDatetime


class DescriptionPage(shapes.Shape):
    items: list[DescriptionShape]
    next: str | None


def keeper_of(request: Request) -> DescriptionKeeper:
    """Return the keeper of descriptions."""
    return service(request).keepers.get(DescriptionKeeper)


async def find(request: Request, query: DescriptionQuery) -> Page:
    """Return the page of descriptions that `query` asks for; its `next` is a cursor."""
    chosen = DescriptionFilter(
        states=[word.strip() for word in query.state.split(",") if word.strip()],
        folder=query.folder,
        describer=query.describer,
        q=query.q,
    )
    before = _number(query.cursor) if query.cursor else None
    page = await keeper_of(request).list(chosen, before=before, limit=query.limit)
    return Page(page.items, cursor_of(page.next) if page.next else None)


async def list_descriptions(request: Request, query: DescriptionQuery) -> Response:
    page = await find(request, query)
    return Listing([item.as_dict() for item in page.items], page.next)


async def get_description(request: Request) -> Response:
    return JsonResponse((await keeper_of(request).get(request.path_params["id"])).as_dict())


def _number(cursor: str) -> int:
    place = place_of(cursor)
    if not place.isascii() or not place.isdigit() or len(place) > 18:
        raise Invalid("The cursor is not one that this list gave.", code="ERR_BAD_CURSOR")
    return int(place)


CALLS = [
    Call(
        "GET",
        "/api/descriptions",
        list_descriptions,
        "Descriptions of images, newest first.",
        DescriptionPage,
        command="daemondeck descriptions ls",
    ),
    Call(
        "GET",
        "/api/descriptions/{id}",
        get_description,
        "One description with its facts.",
        DescriptionShape,
        command="daemondeck descriptions get {id}",
    ),
]
