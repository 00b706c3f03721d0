"""The page of records that are like one. The record's own page takes its first pictures from here, once it is drawn."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from daemons.values import Page
from daemons.workflows.polling.keeper import NothingToCompare
from web.api.records import keeper_of, record_of, shown
from web.api.similar_records import SimilarQuery, find_similar
from web.context import templates, viewer
from web.parsing import read_query


async def show_similar(request: Request) -> Response:
    asked = read_query(request, SimilarQuery, from_form=True)
    record = await record_of(request)
    problem: NothingToCompare | None = None
    page = Page([], None)
    try:
        page = await find_similar(request, asked)
    except NothingToCompare as error:
        problem = error
    return templates(request).page(
        "pages/similar_records.html",
        viewer=viewer(request),
        record=shown(request, record, None),
        ladder=keeper_of(request).ladders.get(record.ladder),
        problem=problem,
        similar=page.items,
        next=page.next,
        filters={name: value for name, value in request.query_params.items() if value},
    )


ROUTES = [Route("/records/{id}/similar", show_similar)]
