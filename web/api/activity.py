"""What happened to all daemons, as a call."""

from pydantic import AwareDatetime, Field
from starlette.requests import Request
from starlette.responses import Response

from daemons.activity import Place
from daemons.errors import NotFound, UnknownName
from daemons.values import Daemon, Page
from web.api import shapes
from web.api.calls import Call
from web.api.paging import ListQuery, cursor_of, place_of
from web.context import service
from web.encoding import Listing


class ActivityQuery(ListQuery):
    """What to list, newest first."""

    kind: str | None = Field(None, max_length=100, description="Between commas: state, desired, job, refused, error.")
    daemon: str | None = Field(None, max_length=100, description="Name or id of a daemon.")

    @property
    def kinds(self) -> list[str]:
        return [kind.strip() for kind in (self.kind or "").split(",") if kind.strip()]


class HappeningShape(shapes.Shape):
    """One thing that happened to a daemon.

    `code` is what a job failed with, or the code of a reported error, which `reason` tells in words and which came
    `count` times since `at`.
    """

    id: str
    at: AwareDatetime
    kind: str
    daemon_id: str
    daemon_name: str
    from_: str | None = Field(alias="from")
    to: str | None
    reason: str | None
    job_id: str | None
    code: str | None
    count: int


class ActivityPage(shapes.Shape):
    items: list[HappeningShape]
    next: str | None


async def find(request: Request, query: ActivityQuery) -> Page:
    """Return the page that `query` asks for; its `next` is a cursor. Raises UnknownName and Invalid."""
    place = Place.read(place_of(query.cursor)) if query.cursor else None
    daemon = daemon_of(request, query)
    page = await service(request).activity.page(
        kinds=query.kinds, daemon_id=daemon.id if daemon else None, before=place, limit=query.limit
    )
    return Page(page.items, cursor_of(page.next) if page.next else None)


def daemon_of(request: Request, query: ActivityQuery) -> Daemon | None:
    """Return the daemon that is asked for, None for all. Raises UnknownName."""
    try:
        return service(request).board.get(query.daemon) if query.daemon else None
    except NotFound as error:
        raise UnknownName(error.message, remedy="Ask without `daemon`, or name one that is there.") from error


async def list_activity(request: Request, query: ActivityQuery) -> Response:
    page = await find(request, query)
    return Listing([happening.as_dict() for happening in page.items], page.next)


CALLS = [
    Call(
        "GET",
        "/api/activity",
        list_activity,
        "What happened to all daemons, newest first.",
        ActivityPage,
        command="daemondeck activity",
    ),
]
