"""The page of what happened to all daemons."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from daemons.activity import KINDS
from web.api.activity import ActivityQuery, daemon_of, find
from web.context import service, templates, viewer
from web.parsing import read_query
from web.words import N_

LABELS = {
    "state": N_("States"),
    "desired": N_("Commands"),
    "job": N_("Jobs"),
    "error": N_("Errors"),
    "refused": N_("Refused writes"),
}
assert set(LABELS) == set(KINDS)


async def show_activity(request: Request) -> Response:
    query = read_query(request, ActivityQuery)
    page = await find(request, query)
    return templates(request).page(
        "pages/activity.html",
        viewer=viewer(request),
        items=[happening.as_dict() for happening in page.items],
        next=page.next,
        kinds=query.kinds,
        labels=LABELS,
        daemons=[daemon.name for daemon in service(request).board.all()],
        chosen=daemon_of(request, query),
        filters={name: value for name, value in request.query_params.items() if value},
    )


ROUTES = [Route("/activity", show_activity)]
