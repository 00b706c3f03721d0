"""How fast work goes and how long it will take, from what is known of a daemon and its job."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from daemons.clock import SystemClock

LEAST_SECONDS = 1.0
"""Work younger than this has no pace yet."""
FASTER, SLOWER = 0.8, 2.2
"""An end is told as a range that still holds when the speed halves."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Items an hour, and the least and most seconds to the end, None when that is not known."""

    per_hour: float
    seconds_left: tuple[float, float] | None


def pace_of(
    daemon: dict[str, Any] | None,
    job: dict[str, Any] | None,
    far: dict[str, Any] | None,
    items: dict[str, Any] | None = None,
) -> Pace | None:
    """Return how fast `far` grows: as the deck measured it, else as things were settled, or the job in hand is."""
    if daemon is not None and daemon.get("pace"):
        return _measured(daemon["pace"])
    if items and items["rate_last_hour"] and job is not None and job["state"] == "running":
        return Pace(items["rate_last_hour"], _left(far, items["rate_last_hour"] / 3600))
    inner = (job or {}).get("progress")
    if job is None or not inner or not job["started_at"] or job["attempt"] != 1 or job["state"] != "running":
        return None
    seconds = (SystemClock().now() - datetime.fromisoformat(job["started_at"])).total_seconds()
    if seconds < LEAST_SECONDS or inner["done"] <= 0:
        return None
    per_second = inner["done"] / seconds
    return Pace(per_second * 3600, _left(far, per_second))


def _measured(pace: dict[str, Any]) -> Pace:
    """Return what the deck measured, its times turned into seconds from now."""
    ends = (pace["ends_earliest"], pace["ends_latest"])
    if None in ends:
        return Pace(pace["rate_per_hour"], None)
    now = SystemClock().now()
    earliest, latest = (max(0.0, (datetime.fromisoformat(end) - now).total_seconds()) for end in ends)
    return Pace(pace["rate_per_hour"], (earliest, latest))


def _left(far: dict[str, Any] | None, per_second: float) -> tuple[float, float] | None:
    if not far or not far.get("total"):
        return None
    seconds = max(0.0, far["total"] - far["done"]) / per_second
    return seconds * FASTER, seconds * SLOWER
