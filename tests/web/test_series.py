"""What ended or was measured, in equal stretches of time, with gaps where nothing was."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from daemons.statistics import Run
from daemons.values import MetricPoint
from web.series import RANGES, plot_of_work, plots_of_figures, stretches_of

NOW = datetime(2026, 3, 1, 12, 1, 30, tzinfo=UTC)
HOUR = RANGES["1h"]


def test_stretches_begin_on_round_times_and_cover_the_whole_range() -> None:
    begins = stretches_of(NOW, HOUR)

    assert (len(begins), begins[-1]) == (30, NOW.replace(minute=0, second=0))
    assert {later - begin for begin, later in pairwise(begins)} == {HOUR.step}


def test_work_is_counted_by_the_hour_and_gaps_stay_gaps() -> None:
    begins = stretches_of(NOW, HOUR)
    runs = [Run(begins[-1] + timedelta(seconds=one), float(one)) for one in range(1, 21)]
    runs.append(Run(begins[0] - timedelta(seconds=1), 5.0))

    throughput, lengths = plot_of_work(runs, begins, HOUR)

    assert throughput.series[0].values == [0.0] * 29 + [600.0]
    assert [one.values[-1] for one in lengths.series] == [11.0, 20.0]
    assert lengths.series[0].values[:-1] == [None] * 29


def test_figures_are_means_of_their_stretch() -> None:
    begins = stretches_of(NOW, HOUR)
    points = [MetricPoint("memory", begins[3], "%", 2, 100.0, 40, 60, 60)]
    points.append(MetricPoint("memory", begins[3] + timedelta(minutes=1), "%", 2, 140.0, 60, 80, 80))

    [plot] = plots_of_figures(points, begins, HOUR)

    assert (plot.title, plot.series[0].unit, plot.series[0].values[3]) == ("memory", "%", 60.0)
    assert plot.as_dict()["at"] == [begin.timestamp() for begin in begins]
