"""Commands for many jobs as pages: asked and confirmed, then watched."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from daemons.errors import Invalid
from daemons.jobs.filters import JobFilter
from daemons.jobs.query import QUERY_CHARACTERS
from web.api.paging import LIMIT_MOST
from web.context import service, templates, viewer
from web.fragments import revision_of
from web.pages.forms import Form, back_to
from web.parsing import read_form


async def ask(request: Request) -> Response:
    """Freeze what is meant, and lead to the page that asks whether to do it."""
    action, choice = await _choice(request)
    operation = await service(request).operations.ask(action, who=viewer(request).name, **choice)
    return back_to(request, f"/operations/{operation.id}")


async def _choice(request: Request) -> tuple[str, dict[str, Any]]:
    """Read which button was pressed, and the jobs that are ticked or all that match."""
    async with request.form(max_files=0, max_fields=LIMIT_MOST + 10) as form:
        given = {name: [str(value) for value in form.getlist(name)] for name in form}
    command, q = (given.get(name, [""])[0] for name in ("command", "q"))
    action, _, scope = command.partition(" ")
    if set(given) - {"command", "q", "id"} or len(q) > QUERY_CHARACTERS or scope not in ("", "matching"):
        raise Invalid("The form was not filled in as it should be.")
    if scope == "matching":
        return action, {"chosen": JobFilter(q=q)}
    if not given.get("id"):
        raise Invalid("No job is selected.", remedy="Tick some, or take all that match.")
    return action, {"ids": given["id"]}


async def show_operation(request: Request) -> Response:
    operations = service(request).operations
    operation = await operations.get(request.path_params["id"])
    return templates(request).page(
        "pages/operation.html",
        viewer=viewer(request),
        operation=operation.as_dict(),
        revision=revision_of(operation.as_dict()),
        refusals=await operations.refusals(operation.id),
    )


async def start(request: Request) -> Response:
    await read_form(request, names=())
    operation = await service(request).operations.start(request.path_params["id"])
    return back_to(request, f"/operations/{operation.id}")


async def cancel(request: Request) -> Response:
    await read_form(request, names=())
    operation = await service(request).operations.cancel(request.path_params["id"])
    return back_to(request, f"/operations/{operation.id}")


FORMS = [
    Form("/jobs/bulk", ask, "POST /api/jobs/bulk"),
    Form("/operations/{id}/start", start, "POST /api/jobs/bulk"),
    Form("/operations/{id}/cancel", cancel, "POST /api/operations/{id}/cancel"),
]
ROUTES = [Route("/operations/{id}", show_operation), *(form.route() for form in FORMS)]
