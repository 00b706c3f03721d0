"""Calls about many jobs at once: begin, look, cancel."""

from typing import Any, Literal

from pydantic import AwareDatetime, Field, model_validator
from starlette.requests import Request
from starlette.responses import Response

from daemons.errors import NotFound
from daemons.jobs.filters import JobFilter
from daemons.jobs.query import QUERY_CHARACTERS
from web.api import shapes
from web.api.calls import Call
from web.api.paging import ListQuery, cursor_of, place_of
from web.context import service, viewer
from web.encoding import JsonResponse, Listing
from web.parsing import Body

IDS_MOST = 10_000


class Bulk(Body):
    """Which jobs, by question or by id, and what to do to them."""

    action: Literal["retry", "cancel"]
    q: str | None = Field(None, max_length=QUERY_CHARACTERS, description="As in GET /api/jobs; all that match now.")
    ids: list[str] | None = Field(None, min_length=1, max_length=IDS_MOST)
    dry_run: bool = Field(False, description="Only tell how many and which.")

    @model_validator(mode="after")
    def _one_way(self) -> "Bulk":
        if (self.q is None) is (self.ids is None):
            raise ValueError("give either q or ids")
        return self

    def choice(self) -> dict[str, Any]:
        """Return which jobs are meant, as the keeper takes it."""
        return {"ids": self.ids} if self.ids is not None else {"chosen": JobFilter(q=self.q)}


class OperationShape(shapes.Shape):
    """A command for many jobs and how far it is."""

    id: str
    action: str
    description: str
    who: str
    state: str
    total: int
    done: int
    refused: int
    created_at: AwareDatetime
    finished_at: AwareDatetime | None


class RefusalShape(shapes.Shape):
    """A job that did not heed the command."""

    job_id: str
    code: str


class OperationDetailShape(OperationShape):
    """An operation with the first jobs that refused."""

    refusals: list[RefusalShape]


class OperationPage(shapes.Shape):
    """One page of operations."""

    items: list[OperationShape]
    next: str | None


class BulkPreview(shapes.Shape):
    """What a command would be about; `ids` are the first hundred."""

    action: str
    description: str
    count: int
    ids: list[str]


async def begin(request: Request, body: Bulk) -> Response:
    operations = service(request).operations
    if body.dry_run:
        preview = await operations.preview(body.action, **body.choice())
        shown = {"action": preview.action, "description": preview.description}
        return JsonResponse({**shown, "count": preview.count, "ids": preview.ids})
    operation = await operations.begin(body.action, who=viewer(request).name, **body.choice())
    return JsonResponse(operation.as_dict(), 202)


async def list_operations(request: Request, query: ListQuery) -> Response:
    cursor = place_of(query.cursor) if query.cursor else None
    try:
        page = await service(request).operations.list(cursor=cursor, limit=query.limit)
    except NotFound:
        return Listing([])  # the last one seen is forgotten, and so are all that are older
    return Listing([one.as_dict() for one in page.items], cursor_of(page.next) if page.next else None)


async def get_operation(request: Request) -> Response:
    operations = service(request).operations
    operation = await operations.get(request.path_params["id"])
    refusals = await operations.refusals(operation.id)
    shown = [{"job_id": one.job_id, "code": one.code} for one in refusals]
    return JsonResponse({**operation.as_dict(), "refusals": shown})


async def cancel_operation(request: Request) -> Response:
    operation = await service(request).operations.cancel(request.path_params["id"])
    return JsonResponse(operation.as_dict(), 202)


_ONE = "/api/operations/{id}"
CALLS = [
    Call(
        "POST",
        "/api/jobs/bulk",
        begin,
        "Retry or cancel many jobs: those that are meant now, whatever comes later.",
        OperationShape,
        202,
        also={200: BulkPreview},
        command="daemondeck jobs retry state:failed --all-matching",
    ),
    Call(
        "GET",
        "/api/operations",
        list_operations,
        "Commands for many jobs, newest first.",
        OperationPage,
        command="daemondeck jobs operations",
    ),
    Call(
        "GET",
        _ONE,
        get_operation,
        "One of them, with what was refused.",
        OperationDetailShape,
        command="daemondeck jobs operation {id}",
    ),
    Call(
        "POST",
        _ONE + "/cancel",
        cancel_operation,
        "Leave the rest as it is.",
        OperationShape,
        202,
        command="daemondeck jobs operation {id} --cancel",
    ),
]
