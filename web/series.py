"""Moments put into equal stretches of time, for a plot and its table."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from daemons.items import ItemStretch
from daemons.statistics import Run
from daemons.values import MetricPoint
from web.words import N_


class Range(NamedTuple):
    """How far a plot looks back, and how long each of its stretches is."""

    length: timedelta
    step: timedelta
    label: str


RANGES = {
    "1h": Range(timedelta(hours=1), timedelta(minutes=2), N_("1 hour")),
    "24h": Range(timedelta(hours=24), timedelta(minutes=30), N_("24 hours")),
    "7d": Range(timedelta(days=7), timedelta(hours=4), N_("7 days")),
}


class Series(NamedTuple):
    """One line of a plot; None where nothing was measured: a gap is drawn as a gap."""

    label: str
    unit: str | None
    values: list[float | None]


class Plot(NamedTuple):
    """Lines over the same stretches, each named by its beginning."""

    title: str
    begins: list[datetime]
    series: list[Series]
    is_own: bool = False
    """Whether its title is a daemon's own word, which nobody translates."""

    def as_dict(self) -> dict[str, object]:
        """Return what scripts draw."""
        return {
            "at": [begin.timestamp() for begin in self.begins],
            "series": [{"label": one.label, "unit": one.unit, "values": one.values} for one in self.series],
        }


def stretches_of(until: datetime, chosen: Range) -> list[datetime]:
    """Return the beginnings of the stretches up to `until`, on round times of the clock."""
    step = chosen.step.total_seconds()
    last = until.timestamp() // step * step
    count = int(chosen.length / chosen.step)
    return [datetime.fromtimestamp(last - step * (count - 1 - at), UTC) for at in range(count)]


def plot_of_work(runs: Iterable[Run], begins: Sequence[datetime], chosen: Range) -> list[Plot]:
    """Return how many jobs went well an hour, and how long they took, from those that ended in each stretch."""
    taken: list[list[float]] = [[] for _ in begins]
    for run in runs:
        place = _place(run.ended, begins, chosen)
        if place is not None:
            taken[place].append(run.seconds)
    hours = chosen.step / timedelta(hours=1)
    ordered = [sorted(seconds) for seconds in taken]
    return [
        Plot(N_("Jobs an hour"), list(begins), [Series(N_("jobs"), "/h", [len(one) / hours for one in ordered])]),
        Plot(
            N_("How long a job takes"),
            list(begins),
            [
                Series(label, "s", [_part(one, part) for one in ordered])
                for label, part in ((N_("half take less"), 0.5), (N_("19 of 20 take less"), 0.95))
            ],
        ),
    ]


def plots_of_items(settled: Iterable[ItemStretch], begins: Sequence[datetime], chosen: Range) -> list[Plot]:
    """Return how many single things were done and failed an hour, how long each took, and how fast a model spoke."""
    placed = {_place(one.at, begins, chosen): one for one in settled}
    stretches = [placed.get(place) for place in range(len(begins))]
    hours = chosen.step / timedelta(hours=1)
    seconds = [one.seconds if one else None for one in stretches]
    speed = [one.tokens_per_second if one else None for one in stretches]
    counts = [
        Series(label, "/h", [getattr(one, name) / hours if one else 0.0 for one in stretches])
        for label, name in ((N_("done"), "done"), (N_("failed"), "failed"))
    ]
    plots = [
        Plot(N_("Done and failed an hour"), list(begins), counts),
        Plot(N_("How long each takes"), list(begins), [Series(N_("mean"), "s", seconds)]),
    ]
    if any(value is not None for value in speed):
        plots.append(Plot(N_("Tokens a second"), list(begins), [Series(N_("mean"), "/s", speed)]))
    return plots


def plots_of_figures(points: Iterable[MetricPoint], begins: Sequence[datetime], chosen: Range) -> list[Plot]:
    """Return the mean of each of a daemon's own figures in each stretch."""
    folded: dict[str, list[tuple[float, int]]] = {}
    units: dict[str, str | None] = {}
    for point in points:
        place = _place(point.at, begins, chosen)
        if place is None:
            continue
        sums = folded.setdefault(point.name, [(0.0, 0)] * len(begins))
        total, count = sums[place]
        sums[place] = (total + point.total, count + point.count)
        units[point.name] = point.unit
    return [
        Plot(
            name,
            list(begins),
            [Series("mean", units[name], [total / count if count else None for total, count in sums])],
            is_own=True,
        )
        for name, sums in sorted(folded.items())
    ]


def _place(at: datetime, begins: Sequence[datetime], chosen: Range) -> int | None:
    place = int((at - begins[0]) // chosen.step)
    return place if 0 <= place < len(begins) else None


def _part(ordered: Sequence[float], part: float) -> float | None:
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else None
