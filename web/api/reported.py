"""Calls about the errors that a daemon reported, and got on with its work."""

from pydantic import AwareDatetime, Field
from starlette.requests import Request
from starlette.responses import Response

from daemons.errors import NotFound
from daemons.values import ReportedError
from web.api import shapes
from web.api.calls import Call
from web.context import service
from web.encoding import Listing
from web.parsing import Query

ID_DIGITS = 18


class ReportedQuery(Query):
    """How many to list."""

    limit: int = Field(100, ge=1, le=500)


class ReportedShape(shapes.Shape):
    """An error that a daemon reported; equal ones are one, counted."""

    id: int
    code: str
    message: str
    detail: str | None
    count: int
    first_seen: AwareDatetime
    last_seen: AwareDatetime
    resolved_at: AwareDatetime | None


class ReportedPage(shapes.Shape):
    """Open ones first, each part newest first."""

    items: list[ReportedShape]
    next: None


async def list_reported(request: Request, query: ReportedQuery) -> Response:
    daemon = service(request).board.get(request.path_params["name"])
    return Listing([_shown(error) for error in await service(request).readings.errors(daemon.id, limit=query.limit)])


async def resolve_reported(request: Request) -> Response:
    await resolve(request)
    return Response(status_code=204)


async def resolve(request: Request) -> None:
    """Mark the error that the path names as dealt with. Raises NotFound."""
    daemon = service(request).board.get(request.path_params["name"])
    number: str = request.path_params["id"]
    if not (number.isascii() and number.isdecimal() and len(number) <= ID_DIGITS):
        raise NotFound(f"There is no open error {number[:50]}.", code="ERR_UNKNOWN_ERROR")
    await service(request).readings.resolve(daemon.id, int(number))


def _shown(error: ReportedError) -> dict[str, object]:
    return {
        "id": error.id,
        "code": error.code,
        "message": error.message,
        "detail": error.detail,
        "count": error.count,
        "first_seen": error.first_seen,
        "last_seen": error.last_seen,
        "resolved_at": error.resolved_at,
    }


CALLS = [
    Call(
        "GET",
        "/api/daemons/{name}/errors",
        list_reported,
        "The errors it reported, equal ones counted.",
        ReportedPage,
        command="daemondeck errors {name}",
    ),
    Call(
        "POST",
        "/api/daemons/{name}/errors/{id}/resolve",
        resolve_reported,
        "Mark a reported error as dealt with; if it comes again, it is a new one.",
        None,
        204,
        command="daemondeck errors {name} --resolve {id}",
    ),
]
