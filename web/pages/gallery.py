"""The pages on which all pictures are looked at: what is chosen of them, and those that look alike."""

import asyncio
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from daemons.errors import NotFound
from web.api.describe import DescriptionQuery, GroupQuery, find, find_groups, keeper_of
from web.context import service, templates, viewer
from web.pages.gallery_choices import active_of, menus_of, states_of
from web.parsing import read_query
from web.security import is_secure

VIEW_COOKIE = "daemondeck_gallery"
VIEWS = ("grid", "list")
_YEAR_SECONDS = 365 * 24 * 3600


class GalleryQuery(DescriptionQuery):
    """What of the pictures is looked at, and how."""

    limit: int = Field(60, ge=1, le=500)
    view: Literal["grid", "list"] | None = None


async def show_gallery(request: Request) -> Response:
    asked = read_query(request, GalleryQuery, from_form=True)
    keeper = keeper_of(request)
    page, facets = await asyncio.gather(find(request, asked), keeper.facets.get(asked.folder))
    filters = filters_of(request)
    view = asked.view or remembered_view(request)
    answer = templates(request).page(
        "pages/descriptions.html",
        viewer=viewer(request),
        descriptions=[item.as_dict() for item in page.items],
        next=page.next,
        filters=filters,
        view=view,
        states=states_of(filters, facets),
        menus=menus_of(filters, facets),
        active=active_of(filters, await _names(request, asked)),
        total=facets.total,
        # While a page is not full, nothing that somebody looks at moves far: it fills up by itself.
        fills=asked.cursor is None and asked.similar_to is None and len(page.items) < asked.limit,
        is_top=asked.cursor is None and asked.similar_to is None,
    )
    if asked.view is not None:
        base = service(request).settings.base_path or "/"
        answer.set_cookie(
            VIEW_COOKIE,
            asked.view,
            max_age=_YEAR_SECONDS,
            path=base,
            secure=is_secure(request.scope),
            httponly=True,
            samesite="lax",
        )
    return answer


async def show_groups(request: Request) -> Response:
    asked = read_query(request, GroupQuery)
    page = await find_groups(request, asked)
    return templates(request).page(
        "pages/alike.html",
        viewer=viewer(request),
        groups=[group.as_dict() for group in page.items],
        next=page.next,
        filters=filters_of(request),
    )


def filters_of(request: Request) -> dict[str, str]:
    """Return what the address says, for links that keep it."""
    return {name: value for name, value in request.query_params.items() if value}


def remembered_view(request: Request) -> str:
    """Return how this browser looked at pictures last."""
    view = request.cookies.get(VIEW_COOKIE, "")
    return view if view in VIEWS else VIEWS[0]


def query_of_gallery(request: Request) -> str:
    """Return the query of the gallery that the browser comes from, empty if it comes from elsewhere."""
    came_from = urlsplit(request.headers.get("referer", ""))
    is_gallery = came_from.path == templates(request).url("/descriptions")
    return came_from.query if is_gallery and came_from.netloc == request.headers.get("host") else ""


async def _names(request: Request, asked: GalleryQuery) -> dict[str, str]:
    if asked.similar_to is None:
        return {}
    try:
        return {"similar_to": (await keeper_of(request).get(asked.similar_to)).path}
    except NotFound:
        return {}


ROUTES = [Route("/descriptions", show_gallery), Route("/descriptions/groups", show_groups)]
