"""Calls about how work went over a time."""

from datetime import timedelta

from pydantic import AwareDatetime, Field
from starlette.requests import Request
from starlette.responses import Response

from web.api import shapes
from web.api.calls import Call
from web.context import service
from web.encoding import JsonResponse
from web.parsing import Moment, Query

DAYS = 7


class StatisticsQuery(Query):
    """Over which time."""

    since: Moment | None = Field(None, description=f"Jobs that ended since then; default: {DAYS} days ago.")


class DurationsShape(shapes.Shape):
    """Seconds that completed jobs took; `jobs` says of how many, the newest."""

    jobs: int
    mean: float
    median: float
    p95: float
    shortest: float
    longest: float


class CodeCountShape(shapes.Shape):
    """How many jobs failed with a code."""

    code: str
    jobs: int
    last_at: AwareDatetime


class FigureShape(shapes.Shape):
    """A measure of daemons' own over the time."""

    name: str
    unit: str | None
    count: int
    total: float
    mean: float
    least: float
    most: float
    last: float


class RecentErrorShape(shapes.Shape):
    """An error that a daemon reported."""

    code: str
    message: str
    count: int
    last_at: AwareDatetime


class StatisticsShape(shapes.Shape):
    """How work went; `success_rate` is of the jobs that were not cancelled, None if there were none."""

    since: AwareDatetime
    until: AwareDatetime
    jobs: dict[str, int]
    success_rate: float | None
    durations: DurationsShape | None
    codes: list[CodeCountShape]
    figures: list[FigureShape]
    recent: list[RecentErrorShape]


async def get_statistics(request: Request, query: StatisticsQuery) -> Response:
    return await _answer(request, query, None)


async def get_daemon_statistics(request: Request, query: StatisticsQuery) -> Response:
    return await _answer(request, query, service(request).board.get(request.path_params["name"]).id)


async def _answer(request: Request, query: StatisticsQuery, daemon_id: str | None) -> Response:
    since = query.since or service(request).clock.now() - timedelta(days=DAYS)
    return JsonResponse((await service(request).statistics.summary(since, daemon_id)).as_dict())


CALLS = [
    Call(
        "GET",
        "/api/statistics",
        get_statistics,
        "How all work went.",
        StatisticsShape,
        command="daemondeck stats",
    ),
    Call(
        "GET",
        "/api/daemons/{name}/statistics",
        get_daemon_statistics,
        "How the work of a daemon went.",
        StatisticsShape,
        command="daemondeck stats {name}",
    ),
]
