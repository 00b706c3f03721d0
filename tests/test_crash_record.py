"""Crashes: growing delays, and an end after too many."""

import pytest

from daemons.supervisor.crash_record import CRASHES_ALLOWED, LONGEST_DELAY, WINDOW, CrashRecord


def calm_record() -> CrashRecord:
    """Return a record whose jitter adds and takes nothing."""
    return CrashRecord(chance=lambda: 0.5)


def test_delays_double_and_the_fifth_crash_in_the_window_is_the_last() -> None:
    record = calm_record()

    delays = [record.add(object(), at=float(second)) for second in range(CRASHES_ALLOWED + 1)]

    assert delays == [1.0, 2.0, 4.0, 8.0, None]


def test_crashes_that_are_far_apart_never_fail_but_wait_at_most_a_minute() -> None:
    record = calm_record()

    delays = [record.add(object(), at=number * WINDOW / 3) for number in range(20)]

    assert None not in delays
    assert delays[-1] == LONGEST_DELAY


def test_a_calm_window_begins_the_delays_anew() -> None:
    record = calm_record()
    for second in range(3):
        record.add(object(), at=float(second))

    assert record.add(object(), at=3 + WINDOW) == 1.0


def test_one_crash_said_twice_counts_once() -> None:
    record, run = calm_record(), object()

    assert record.add(run, at=0.0) == record.add(run, at=1.0) == 1.0


def test_due_in_counts_down_from_the_crash() -> None:
    record = calm_record()
    record.add(object(), at=100.0)

    assert record.due_in(100.25) == 0.75


@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_jitter_stays_within_a_fifth(chance: float) -> None:
    delay = CrashRecord(chance=lambda: chance).add(object(), at=0.0)

    assert delay == pytest.approx(1.0, abs=0.2001)


def test_a_reset_forgets() -> None:
    record = calm_record()
    for second in range(CRASHES_ALLOWED):
        record.add(object(), at=float(second))

    record.clear()

    assert record.add(object(), at=5.0) == 1.0
