"""When something is due: daylight saving in both directions, intervals without drift, and what is refused."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise, takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemons.clock import local_zone
from daemons.errors import Invalid
from daemons.timetable import Kind, Timetable, end_of, interval_of, zone_of

ANCHOR = datetime(2026, 1, 1, tzinfo=UTC)


def cron(expression: str, zone: str = "Europe/Berlin") -> Timetable:
    return Timetable(Kind.CRON, expression, zone, ANCHOR)


def local(timetable: Timetable, after: datetime, count: int) -> list[str]:
    return [at.astimezone(zone_of(timetable.zone)).isoformat() for at in timetable.next(after, count)]


@pytest.mark.parametrize(
    ("zone", "after", "expected"),
    [
        # The night in which 2:30 does not exist: it runs when the clock has jumped.
        ("Europe/Berlin", "2026-03-28T12:00Z", ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]),
        ("America/New_York", "2026-03-07T17:00Z", ["2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"]),
        # The night in which 2:30 comes twice: it runs once.
        ("Europe/Berlin", "2026-10-24T12:00Z", ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]),
        ("Australia/Lord_Howe", "2026-04-04T00:00Z", ["2026-04-05T02:30:00+10:30", "2026-04-06T02:30:00+10:30"]),
        ("Asia/Kolkata", "2026-03-28T12:00Z", ["2026-03-29T02:30:00+05:30", "2026-03-30T02:30:00+05:30"]),
    ],
)  # fmt: skip
def test_a_daily_time_on_the_days_the_clock_changes(zone: str, after: str, expected: list[str]) -> None:
    assert local(cron("30 2 * * *", zone), datetime.fromisoformat(after), 2) == expected


def test_every_half_hour_runs_through_the_repeated_hour() -> None:
    times = cron("*/30 * * * *").next(datetime(2026, 10, 24, 23, 45, tzinfo=UTC), 6)

    assert {later - earlier for earlier, later in pairwise(times)} == {timedelta(minutes=30)}


@given(st.integers(10, 100_000), st.integers(-(10**6), 10**8))
def test_an_interval_never_drifts(seconds: int, away: int) -> None:
    timetable = Timetable(Kind.INTERVAL, f"{seconds}s", "UTC", ANCHOR)
    moment = ANCHOR + timedelta(seconds=away)

    first, second = timetable.next(moment, 2)

    assert moment < first
    assert (first - ANCHOR) % timedelta(seconds=seconds) == timedelta(0)
    assert second - first == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "expression",
    ["", "* * * *", "61 * * * *", "0 0 30 2 *", "a b c d e", "* * * * * * * *", "\u202e", "1" * 10_000, "<script>"],
)
def test_a_bad_expression_is_refused_with_an_example(expression: str) -> None:
    with pytest.raises(Invalid) as refused:
        cron(expression).check()

    assert refused.value.error_code == "ERR_SCHEDULE"
    assert "minute hour day" in (refused.value.remedy or "")


@pytest.mark.parametrize("text", ["", "5", "1s", "9s", "400d", "1h 30", "-5m", "1.5h", "h", "١٥m", "99999999s"])
def test_a_bad_interval_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        interval_of(text)


@pytest.mark.parametrize("zone", ["", "Mars/Phobos", "../etc/passwd", "/etc/localtime", "Europe/Berlin\0", "x" * 500])
def test_a_zone_that_is_none_is_refused(zone: str) -> None:
    with pytest.raises(Invalid):
        cron("0 0 * * *", zone).check()


def test_it_says_in_words_when_it_is_due() -> None:
    assert cron("30 7 * * 1-5").in_words() == "At 07:30 on Monday through Friday"
    assert Timetable(Kind.INTERVAL, "15m", "UTC", ANCHOR).in_words() == "Every 15m"


@pytest.mark.parametrize(
    ("length", "begin", "end"),
    [
        ("8h", "2026-03-28T21:00Z", "2026-03-29T05:00Z"),
        ("07:00", "2026-03-28T21:00Z", "2026-03-29T05:00Z"),  # the night is an hour shorter in Berlin
        ("07:00", "2026-03-28T05:59Z", "2026-03-28T06:00Z"),
        ("07:00", "2026-03-28T06:00Z", "2026-03-29T05:00Z"),
    ],
)
def test_a_pause_lasts_a_while_or_until_a_time_of_day(length: str, begin: str, end: str) -> None:
    assert end_of(length, datetime.fromisoformat(begin), "Europe/Berlin") == datetime.fromisoformat(end)


@pytest.mark.parametrize("expression", ["30 2 * * *", "*/5 3 * * *", "0 12 1 */3 *"])
def test_the_newest_times_are_the_last_of_all(expression: str) -> None:
    timetable = cron(expression)
    [first] = timetable.next(ANCHOR)
    until = ANCHOR + timedelta(days=700)
    every = [first, *takewhile(lambda at: at <= until, timetable.after(first))]

    newest = timetable.newest(first, until, 50)

    assert newest == every[-len(newest) :] and len(newest) >= min(50, len(every))


def test_this_machine_has_a_zone() -> None:
    zone_of(local_zone())
