"""Calls about how work went over a time."""

from datetime import timedelta

from pydantic import AwareDatetime, Field
from starlette.requests import Request
from starlette.responses import Response

from daemons.values import DaemonRow
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


class ItemSecondsShape(shapes.Shape):
    """Seconds that single things took; median and p95 are of the newest of them."""

    items: int
    mean: float
    median: float
    p95: float
    shortest: float
    longest: float


class ItemCodeShape(shapes.Shape):
    """How many things have failed with a code."""

    code: str
    items: int
    last_at: AwareDatetime


class LastItemShape(shapes.Shape):
    """The thing that was settled last."""

    name: str
    at: AwareDatetime
    state: str


class RecentItemShape(shapes.Shape):
    """A thing that failed lately."""

    id: str
    name: str
    code: str
    message: str
    at: AwareDatetime


class AnswersShape(shapes.Shape):
    """What a model said: so many answers, `cut` of them cut off at the most tokens allowed."""

    answers: int
    cut: int
    prompt_tokens: int
    output_tokens: int
    tokens_per_second: float | None


class ItemStretchShape(shapes.Shape):
    """What was settled in one hour, named by its beginning, and how long a thing took in the mean."""

    at: AwareDatetime
    done: int
    failed: int
    seconds: float | None
    tokens_per_second: float | None


class ItemStatisticsShape(shapes.Shape):
    """The single things a daemon works on: `done` and `failed` are as it is now, `settled` is of the time.

    Rates are things an hour: of the last hour, and from the first to the last of the time.
    """

    noun: str
    total: int | None
    done: int
    failed: int
    settled: int
    success_rate: float | None
    rate_last_hour: float
    rate: float | None
    last: LastItemShape | None
    seconds: ItemSecondsShape | None
    codes: list[ItemCodeShape]
    recent: list[RecentItemShape]
    answers: AnswersShape | None
    stretches: list[ItemStretchShape]


class StatisticsShape(shapes.Shape):
    """How work went; `success_rate` is of the jobs that were not cancelled, None if there were none.

    `items` is there for one daemon whose jobs work on many things each.
    """

    since: AwareDatetime
    until: AwareDatetime
    jobs: dict[str, int]
    success_rate: float | None
    durations: DurationsShape | None
    codes: list[CodeCountShape]
    figures: list[FigureShape]
    recent: list[RecentErrorShape]
    items: ItemStatisticsShape | None


async def get_statistics(request: Request, query: StatisticsQuery) -> Response:
    return await _answer(request, query, None)


async def get_daemon_statistics(request: Request, query: StatisticsQuery) -> Response:
    return await _answer(request, query, service(request).board.get(request.path_params["name"]).row)


async def _answer(request: Request, query: StatisticsQuery, row: DaemonRow | None) -> Response:
    deck = service(request)
    since = query.since or deck.clock.now() - timedelta(days=DAYS)
    summary = await deck.statistics.summary(since, row.id if row else None)
    items = await deck.things.statistics(row, since) if row else None
    return JsonResponse({**summary.as_dict(), "items": items.as_dict() if items else None})


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
