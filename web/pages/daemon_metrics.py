"""How the work of a daemon goes: figures, plots, and the same as tables."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from web.context import service
from web.pages.daemon import daemon_of, tab
from web.parsing import Query, read_query
from web.series import RANGES, plot_of_work, plots_of_figures, plots_of_items, stretches_of

TOTAL = "found"
"""A figure that is told as what there is in all."""


class RangeQuery(Query):
    """How far to look back."""

    since: Literal["1h", "24h", "7d"] = "24h"


async def show_metrics(request: Request) -> Response:
    deck, daemon, query = service(request), daemon_of(request), read_query(request, RangeQuery)
    chosen = RANGES[query.since]
    begins = stretches_of(deck.clock.now(), chosen)
    runs = await deck.statistics.runs(begins[0], daemon.id)
    read = deck.readings.metrics if chosen.step < timedelta(hours=1) else deck.readings.hourly
    points = await read(daemon.id, since=begins[0])
    summary = await deck.statistics.summary(begins[0], daemon.id)
    items = await deck.things.statistics(daemon.row, begins[0], chosen.step)
    took = asdict(summary.durations) if summary.durations else {}
    work = plot_of_work(runs, begins, chosen)
    return tab(
        request,
        "metrics",
        daemon,
        ranges=RANGES,
        since=query.since,
        summary=summary,
        took=_lengths(took),
        items=items,
        each=_lengths(asdict(items.seconds)) if items and items.seconds else {},
        plots=[
            *(plots_of_items(items.stretches, begins, chosen) if items and items.stretches else []),
            *(work if runs else []),
            *plots_of_figures([point for point in points if not items or point.name != TOTAL], begins, chosen),
        ],
    )


def _lengths(seconds: Mapping[str, float]) -> dict[str, timedelta]:
    return {name: timedelta(seconds=value) for name, value in seconds.items() if name not in ("jobs", "items")}


ROUTES = [Route("/daemons/{name}/metrics", show_metrics)]
