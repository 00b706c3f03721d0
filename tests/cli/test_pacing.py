"""How fast it goes, as a person is told."""

from datetime import timedelta
from typing import Any

from daemons.cli.pacing import pace_of
from daemons.clock import SystemClock


def ago(seconds: float) -> str:
    return (SystemClock().now() - timedelta(seconds=seconds)).isoformat()


def job(done: float, **details: Any) -> dict[str, Any]:
    return {
        "state": "running",
        "attempt": 1,
        "started_at": ago(100),
        "progress": {"done": done, "total": 50},
        **details,
    }


def test_what_the_deck_measured_goes_before_what_is_reckoned() -> None:
    measured = {"rate_per_hour": 380.0, "ends_earliest": ago(-3600), "ends_latest": ago(-7200)}

    pace = pace_of({"pace": measured}, job(10), {"done": 10, "total": 50})

    assert pace is not None
    assert pace.seconds_left is not None
    assert pace.per_hour == 380
    assert 3590 < pace.seconds_left[0] <= 3600 < 7190 < pace.seconds_left[1] <= 7200


def test_the_range_holds_when_the_speed_halves() -> None:
    pace = pace_of(None, job(10), {"done": 10, "total": 50})

    assert pace is not None
    assert pace.seconds_left is not None
    assert 355 < pace.per_hour <= 360
    least, most = pace.seconds_left
    assert least < 400 < 800 < most


def test_nothing_is_made_up() -> None:
    far = {"done": 10, "total": None}
    unknown_end = pace_of(None, job(10), far)
    assert unknown_end is not None
    assert unknown_end.seconds_left is None

    for told in (job(0), job(10, attempt=2), job(10, started_at=None), job(10, state="queued"), None):
        assert pace_of({"pace": None}, told, far) is None
