"""Calls about saved views: questions about jobs that have a name."""

from pydantic import AwareDatetime, Field
from starlette.requests import Request
from starlette.responses import Response

from daemons.jobs.query import QUERY_CHARACTERS
from daemons.views import NAME_CHARACTERS
from web.api import shapes
from web.api.calls import Call
from web.context import service, viewer
from web.encoding import JsonResponse, Listing
from web.parsing import Body


class NewView(Body):
    """A question and its name; one that has the name already is replaced."""

    name: str = Field(min_length=1, max_length=NAME_CHARACTERS)
    query: str = Field(max_length=QUERY_CHARACTERS, description="As q in GET /api/jobs.")
    is_default: bool = Field(False, description="Shown where nothing else is asked for; there is one at most.")


class ViewShape(shapes.Shape):
    """A question about jobs that has a name."""

    id: str
    name: str
    query: str
    is_default: bool
    who: str
    created_at: AwareDatetime


class ViewPage(shapes.Shape):
    """All views."""

    items: list[ViewShape]
    next: None


async def list_views(request: Request) -> Response:
    return Listing([view.as_dict() for view in await service(request).views.list()])


async def save_view(request: Request, body: NewView) -> Response:
    who = viewer(request).name
    view = await service(request).views.save(body.name, body.query, is_default=body.is_default, who=who)
    return JsonResponse(view.as_dict(), 201)


async def remove_view(request: Request) -> Response:
    await service(request).views.remove(request.path_params["id"])
    return Response(status_code=204)


CALLS = [
    Call("GET", "/api/views", list_views, "All views by name.", ViewPage, command="daemondeck jobs views"),
    Call(
        "POST",
        "/api/views",
        save_view,
        "Keep a question about jobs under a name.",
        ViewShape,
        201,
        command="daemondeck jobs views --save {name} state:failed",
    ),
    Call(
        "DELETE",
        "/api/views/{id}",
        remove_view,
        "Forget a view, by id or name.",
        None,
        204,
        command="daemondeck jobs views --remove {id}",
    ),
]
