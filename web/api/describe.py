"""Calls about descriptions of images."""

from typing import Annotated

from pydantic import AwareDatetime, Field
from starlette.requests import Request
from starlette.responses import Response

from daemons.errors import Invalid
from daemons.values import Page
from daemons.workflows.describe.keeper import (
    DISTANCE,
    DISTANCE_MOST,
    GROUP_DISTANCE,
    GROUP_DISTANCE_MOST,
    SEARCH_CHARACTERS,
    STATES,
    DescriptionFilter,
    DescriptionKeeper,
)
from web.api import shapes
from web.api.calls import Call
from web.api.paging import ListQuery, cursor_of, place_of
from web.context import service
from web.encoding import JsonResponse, Listing
from web.parsing import Day, Query

Text = Annotated[str, Field(pattern="^[^\\x00]*$")]
"""Text that every database can be asked for."""


class DescriptionChoice(Query):
    """Which descriptions are meant: those that meet every condition, each by any value of its list."""

    state: str = Field("", max_length=100, description="Comma list of " + ", ".join(STATES) + ".")
    folder: Text | None = Field(None, max_length=4096, description="A folder as it is shown, with all below it.")
    describer: Text = Field("", max_length=1000, description="Comma list.")
    model: Text | None = Field(None, max_length=255, description="As it is shown, empty for those without a model.")
    taken_after: Day | None = Field(None, description="The first day, by the camera's clock.")
    taken_before: Day | None = Field(None, description="The day that is too late, by the camera's clock.")
    colour: str = Field("", max_length=1000, description="Comma list of names of colours, such as sky blue.")
    code: Text = Field("", max_length=1000, description="Comma list of codes of errors, such as ERR_IMAGE_TRUNCATED.")
    finish: str = Field("", max_length=100, description="How the answer ended: stop, length or both.")
    gone: str = Field("no", max_length=10, description="Files that are not there any more: no, yes (alone) or all.")
    edited: bool | None = Field(None, description="Whether a person wrote the words.")
    q: str = Field(
        "",
        max_length=SEARCH_CHARACTERS,
        description='Words of path or description, all of them, each as its beginning; "words side by side", -not.',
    )

    def chosen(self) -> DescriptionFilter:
        """Return the choice as the keeper takes it."""
        return DescriptionFilter(
            states=_listed(self.state),
            folder=self.folder,
            describers=_listed(self.describer),
            models=[] if self.model is None else [self.model],
            taken_after=self.taken_after,
            taken_before=self.taken_before,
            colours=_listed(self.colour),
            codes=_listed(self.code),
            finishes=_listed(self.finish),
            gone=self.gone,
            edited=self.edited,
            q=self.q,
        )


class DescriptionQuery(DescriptionChoice, ListQuery):
    """Which descriptions to list, newest first, or those like one of them, nearest first."""

    similar_to: Text | None = Field(None, max_length=36, description="An id: only images that look like that one.")
    distance: int = Field(DISTANCE, ge=0, le=DISTANCE_MOST, description="In how many of 64 bits they may differ.")


class GroupQuery(ListQuery):
    """How alike images have to be."""

    limit: int = Field(20, ge=1, le=100, description="Groups of one page at the most.")
    distance: int = Field(
        GROUP_DISTANCE, ge=0, le=GROUP_DISTANCE_MOST, description="In how many of 64 bits they may differ."
    )


class FacetQuery(Query):
    """Of which files."""

    folder: Text | None = Field(None, max_length=4096, description="Only in this folder and below.")


class DescriptionShape(shapes.Shape):
    """What is known of one image file, or why nothing is, and where its words come from."""

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
    sha256: str | None
    thumbnail: str | None
    job_id: str | None
    created_at: AwareDatetime
    revision: int
    origin: str
    copied_from: str | None
    edited_at: AwareDatetime | None
    edited_by: str | None
    gone_at: AwareDatetime | None
    prompt_hash: str | None
    finish: str | None
    prompt_tokens: int | None
    output_tokens: int | None
    taken_at: str | None
    colour: str | None
    distance: int | None = None
    """In how many bits it looks different from the one that was asked about."""


class VersionShape(shapes.Shape):
    """What a description said from one time to another."""

    revision: int
    state: str
    description: str | None
    error: shapes.ErrorShape | None
    origin: str
    by: str | None
    prompt_hash: str | None
    finish: str | None
    prompt_tokens: int | None
    output_tokens: int | None
    seconds: float | None
    created_at: AwareDatetime
    replaced_at: AwareDatetime


class DescriptionDetailShape(DescriptionShape):
    """A description with its history, newest first, and those of the same file by other describers and models."""

    history: list[VersionShape]
    others: list[DescriptionShape]


class GroupShape(shapes.Shape):
    """Images that look alike: of how many files, and the first of them."""

    count: int
    items: list[DescriptionShape]


class GroupPage(shapes.Shape):
    items: list[GroupShape]
    next: str | None


class FacetShape(shapes.Shape):
    """A value that may be chosen, and how many descriptions have it."""

    value: str
    count: int


class FacetsShape(shapes.Shape):
    """What may be chosen, the most frequent first; folders by name: those described, or those in the one asked for."""

    total: int
    states: list[FacetShape]
    describers: list[FacetShape]
    models: list[FacetShape]
    colours: list[FacetShape]
    finishes: list[FacetShape]
    codes: list[FacetShape]
    folders: list[FacetShape]
    as_of: AwareDatetime


class DescriptionPage(shapes.Shape):
    items: list[DescriptionShape]
    next: str | None


def keeper_of(request: Request) -> DescriptionKeeper:
    """Return the keeper of descriptions."""
    return service(request).keepers.get(DescriptionKeeper)


async def find(request: Request, query: DescriptionQuery) -> Page:
    """Return the page of descriptions that `query` asks for; its `next` is a cursor."""
    keeper = keeper_of(request)
    if query.similar_to is not None:
        page = await keeper.similar(
            query.similar_to,
            query.chosen(),
            distance=query.distance,
            after=_pair(query.cursor) if query.cursor else None,
            limit=query.limit,
        )
    else:
        before = _number(place_of(query.cursor)) if query.cursor else None
        page = await keeper.list(query.chosen(), before=before, limit=query.limit)
    return Page(page.items, cursor_of(page.next) if page.next else None)


async def find_groups(request: Request, query: GroupQuery) -> Page:
    """Return the page of groups that `query` asks for; its `next` is a cursor."""
    after = _pair(query.cursor) if query.cursor else None
    page = await keeper_of(request).groups(distance=query.distance, after=after, limit=query.limit)
    return Page(page.items, cursor_of(page.next) if page.next else None)


async def list_descriptions(request: Request, query: DescriptionQuery) -> Response:
    page = await find(request, query)
    return Listing([item.as_dict() for item in page.items], page.next)


async def get_description(request: Request) -> Response:
    return JsonResponse((await keeper_of(request).detail(request.path_params["id"])).as_dict())


async def list_groups(request: Request, query: GroupQuery) -> Response:
    page = await find_groups(request, query)
    return Listing([group.as_dict() for group in page.items], page.next)


async def get_facets(request: Request, query: FacetQuery) -> Response:
    return JsonResponse((await keeper_of(request).facets.get(query.folder)).as_dict())


def _listed(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _pair(cursor: str) -> tuple[int, int]:
    first, _, second = place_of(cursor).partition(".")
    return _number(first), _number(second)


def _number(place: str) -> int:
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
        "/api/descriptions/groups",
        list_groups,
        "Groups of files whose images look alike, the largest first; up to a minute old.",
        GroupPage,
        command="daemondeck descriptions groups",
    ),
    Call(
        "GET",
        "/api/descriptions/facets",
        get_facets,
        "What descriptions can be chosen by, with how many of each; up to ten seconds old.",
        FacetsShape,
        command="daemondeck descriptions facets",
    ),
    Call(
        "GET",
        "/api/descriptions/{id}",
        get_description,
        "One description with its facts, what it said before, and what others say of the same file.",
        DescriptionDetailShape,
        command="daemondeck descriptions get {id}",
    ),
]
