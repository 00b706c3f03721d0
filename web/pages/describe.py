"""The page of descriptions."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from web.api.describe import DescriptionQuery, find
from web.context import templates, viewer
from web.parsing import read_query


async def show_descriptions(request: Request) -> Response:
    page = await find(request, read_query(request, DescriptionQuery))
    filters = {name: value for name, value in request.query_params.items() if value}
    return templates(request).page(
        "pages/descriptions.html",
        viewer=viewer(request),
        descriptions=[item.as_dict() for item in page.items],
        next=page.next,
        filters=filters,
    )


ROUTES = [Route("/descriptions", show_descriptions)]
