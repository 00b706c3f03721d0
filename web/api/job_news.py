"""The call by which a list of jobs that is looked at learns what it lacks, and what no longer belongs there."""

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from daemons.jobs.filters import JobFilter
from daemons.jobs.query import QUERY_CHARACTERS
from web.api import shapes
from web.api.calls import Call
from web.api.paging import LIMIT_MOST
from web.context import service
from web.encoding import JsonResponse
from web.parsing import Query


class NewsQuery(Query):
    """What a list shows: its question, its newest job, and the ids of its jobs that changed since."""

    q: str = Field("", max_length=QUERY_CHARACTERS)
    after: str = Field("", max_length=36)
    ids: str = Field("", max_length=37 * LIMIT_MOST, description="Comma list.")


class NewsShape(shapes.Shape):
    """How many matching jobs are newer, at most a thousand, and which of the given ones do not match."""

    new: int
    gone: list[str]


async def tell_news(request: Request, query: NewsQuery) -> Response:
    shown = [name for name in query.ids.split(",") if name][:LIMIT_MOST]
    count, still = await service(request).jobs.news(JobFilter(q=query.q), after=query.after, shown=shown)
    return JsonResponse({"new": count, "gone": sorted(set(shown) - set(still))})


CALLS = [Call("GET", "/api/jobs/news", tell_news, "What a list of jobs lacks since it was read.", NewsShape)]
