"""The range that is told holds the true end, also with items of very different length and a machine that slows down."""

import random

import pytest

from daemons.pace import SAMPLES_MOST, PaceMeter

ITEMS = 2_000
SIGMA = 1.35
"""Of log-normal times whose mean is two and a half times their median, as measured on 31,841 images."""


def run(seed: int, *, slowdown_at: float | None = 0.5, sigma: float = SIGMA) -> list[bool]:
    """Simulate one run; return, for each percent from 10 on, whether the range told then holds the true end."""
    chance = random.Random(seed)
    slow_from = ITEMS * slowdown_at if slowdown_at is not None else ITEMS
    times = [chance.lognormvariate(2.3, sigma) * (2 if number >= slow_from else 1) for number in range(ITEMS)]
    end, at, meter = sum(times), 0.0, PaceMeter()
    meter.observe(0.0, 0)
    held = []
    for number, seconds in enumerate(times, 1):
        at += seconds
        meter.observe(at, number)
        if number >= ITEMS / 10 and number % (ITEMS // 100) == 0 and number < ITEMS:
            pace = meter.pace(at, ITEMS)
            assert pace is not None and pace.earliest is not None and pace.latest is not None
            held.append(at + pace.earliest <= end <= at + pace.latest)
    return held


@pytest.mark.parametrize("slowdown_at", [None, 0.2, 0.5, 0.8])
def test_the_range_holds_the_true_end_in_most_runs_at_every_point(slowdown_at: float | None) -> None:
    runs = [run(seed, slowdown_at=slowdown_at) for seed in range(200)]

    share_by_point = [sum(point) / len(runs) for point in zip(*runs, strict=True)]
    assert min(share_by_point) >= 0.8


def test_with_even_items_the_range_always_holds_and_is_no_wider_than_the_slowdown_asks_for() -> None:
    assert all(run(1, sigma=0.05))

    meter = PaceMeter()
    for number in range(101):
        meter.observe(number * 10.0, number)
    pace = meter.pace(1000.0, 200)

    assert pace is not None and pace.earliest is not None and pace.latest is not None
    assert pace.per_hour == pytest.approx(360)
    assert 0.6 * 1000 <= pace.earliest <= 1000 <= pace.latest <= 2.2 * 1000


def test_nothing_is_told_before_anything_is_known() -> None:
    meter = PaceMeter()
    assert meter.pace(0.0, 10) is None
    meter.observe(0.0, 0)
    meter.observe(0.0, 5)
    assert meter.pace(1.0, 10) is None


def test_without_a_total_there_is_a_rate_and_no_end() -> None:
    meter = PaceMeter()
    for number in range(10):
        meter.observe(number, number)

    pace = meter.pace(9.0)

    assert pace is not None
    assert (pace.per_hour, pace.earliest, pace.latest) == (3600.0, None, None)


def test_a_new_piece_of_work_begins_anew() -> None:
    meter = PaceMeter()
    for number in range(50):
        meter.observe(number, number)
    for number in range(10):
        meter.observe(100 + number * 10, number)

    pace = meter.pace(190.0, 100)

    assert pace is not None
    assert pace.per_hour == pytest.approx(360)


def test_its_memory_is_bounded() -> None:
    meter = PaceMeter()
    for number in range(100_000):
        meter.observe(number, number)

    assert len(meter._at) <= SAMPLES_MOST
    pace = meter.pace(100_000.0, 200_000)
    assert pace is not None and pace.per_hour == pytest.approx(3600)


def test_an_end_that_is_overdue_stays_ahead() -> None:
    meter = PaceMeter()
    for number in range(20):
        meter.observe(number, number)

    pace = meter.pace(10_000.0, 21)

    assert pace is not None and pace.latest is not None
    assert (pace.earliest, pace.latest > 0) == (0.0, True)
