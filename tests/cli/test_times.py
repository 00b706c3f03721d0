"""Times as people type them."""

from datetime import UTC, datetime, timedelta

import pytest
import typer

from daemons.cli.times import duration, earlier, moment
from daemons.clock import SystemClock

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("20m", 1200), ("2min", 120), ("1h30m", 5400), ("30d", 2_592_000)]
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "soon", "0s", "5x", "-5m", "2h and more", "99999999999d"])
def test_what_is_not_a_duration_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        duration(text)


def test_a_time_of_day_is_the_next_one() -> None:
    here = NOW.astimezone()
    soon = here + timedelta(minutes=2)
    past = here - timedelta(minutes=2)

    assert moment(f"{soon:%H:%M}", NOW) - NOW <= timedelta(minutes=2)
    assert timedelta(hours=22) < moment(f"{past:%H:%M}", NOW) - NOW < timedelta(hours=26)


def test_an_iso_time_keeps_its_zone_and_without_one_is_local() -> None:
    assert moment("2026-02-01T07:00+05:30", NOW) == datetime(2026, 2, 1, 1, 30, tzinfo=UTC)
    assert moment("2026-02-01T07:00", NOW).tzinfo is not None


def test_a_time_ago_is_before_now() -> None:
    now = SystemClock().now()
    a_minute_on = (now + timedelta(minutes=2)).astimezone()

    assert timedelta(0) <= now - timedelta(hours=1) - earlier("1h") + timedelta(seconds=5) < timedelta(seconds=10)
    assert timedelta(hours=22) < now - earlier(f"{a_minute_on:%H:%M}") < timedelta(hours=26)
    assert earlier("2026-01-01T00:00Z") == datetime(2026, 1, 1, tzinfo=UTC)
    for text in ("soon", "9999999d"):
        with pytest.raises(typer.BadParameter):
            earlier(text)


@pytest.mark.parametrize("text", ["25:00", "12:99", "tomorrow", ""])
def test_what_is_not_a_time_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        moment(text, NOW)
