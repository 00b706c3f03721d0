"""Calls about the figures that daemons measure themselves."""

from datetime import timedelta

from pydantic import AwareDatetime, Field
from starlette.requests import Request
from starlette.responses import Response

from web.api import shapes
from web.api.calls import Call
from web.context import service
from web.encoding import Listing
from web.parsing import Query

POINTS_MOST = 10_080


class FigureQuery(Query):
    """Which figures, and from when on."""

    name: str | None = Field(None, max_length=100, description="Only this one.")
    since: AwareDatetime | None = Field(None, description="From this minute on; default: 24 hours ago.")
    limit: int = Field(1_440, ge=1, le=POINTS_MOST, description="At most so many, the newest.")


class PointShape(shapes.Shape):
    """A figure over the minute that begins at `at`."""

    name: str
    at: AwareDatetime
    unit: str | None
    count: int
    total: float
    minimum: float
    maximum: float
    last: float


class PointPage(shapes.Shape):
    """Oldest first."""

    items: list[PointShape]
    next: None


async def list_figures(request: Request, query: FigureQuery) -> Response:
    daemon = service(request).board.get(request.path_params["name"])
    since = query.since or service(request).clock.now() - timedelta(days=1)
    points = await service(request).readings.metrics(daemon.id, since=since, name=query.name, limit=query.limit)
    return Listing(
        [
            {
                "name": point.name,
                "at": point.at,
                "unit": point.unit,
                "count": point.count,
                "total": point.total,
                "minimum": point.minimum,
                "maximum": point.maximum,
                "last": point.last,
            }
            for point in points
        ]
    )


CALLS = [
    Call(
        "GET",
        "/api/daemons/{name}/metrics",
        list_figures,
        "What it measured, minute by minute.",
        PointPage,
        command="daemondeck stats {name}",
    )
]
