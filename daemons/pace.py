"""How fast work goes and when it will end, from samples of how much was done when.

An end is told as a range. Times of single items are often log-normal: a few take a hundred times as long as most, so
the mean and the spread of what was measured count, not the median. Machines also slow down under a long load (laptops
to a half, measured on runs of days), so the late end allows for half the speed while much of the work is ahead.
"""

import math
from bisect import bisect_right
from typing import NamedTuple

SAMPLES_MOST = 256
ITEMS_LEAST = 3
"""Fewer items than these say nothing about the rest."""
_RECENT_SHARE = 0.15
_RECENT_ITEMS = 20
_Z = 1.2816
"""Standard deviations between the middle and the 90th part of a hundred of a normal distribution."""
_SURELY_AHEAD = 0.2
"""The part of the work from which on a slowdown to a half is allowed for in full."""


class Pace(NamedTuple):
    """So many items an hour, and the seconds from now between which the work will end, None when unknown."""

    per_hour: float
    earliest: float | None = None
    latest: float | None = None


class PaceMeter:
    """Takes samples of one piece of work and estimates; its memory is bounded, however long the work."""

    def __init__(self) -> None:
        self._at: list[float] = []
        self._done: list[float] = []
        self._squares = 0.0
        self._steps = 0

    def observe(self, at: float, done: float) -> None:
        """Note that `done` items were finished at `at`, in seconds of a clock that never goes back."""
        if self._done and done < self._done[-1]:
            # Another piece of work has begun.
            self._at.clear()
            self._done.clear()
            self._squares = 0.0
            self._steps = 0
        if self._done:
            items, seconds = done - self._done[-1], at - self._at[-1]
            if items <= 0:
                return
            self._squares += seconds * seconds / items
            self._steps += 1
        self._at.append(at)
        self._done.append(done)
        if len(self._at) > SAMPLES_MOST:
            # Every second one goes; the first and the last stay.
            del self._at[1:-1:2], self._done[1:-1:2]

    def pace(self, at: float, total: float | None = None) -> Pace | None:
        """Return the pace as it is at `at`, or None while too little is known."""
        items = self._done[-1] - self._done[0] if self._done else 0.0
        seconds = self._at[-1] - self._at[0] if self._at else 0.0
        if items < ITEMS_LEAST or seconds <= 0:
            return None
        mean, recent = seconds / items, self._recent_mean()
        per_hour = 3600.0 / recent
        if total is None or not total > self._done[-1]:
            return Pace(per_hour)
        left = total - self._done[-1]
        # Σ(dt - mean·dn)²/dn over all samples, without keeping them: each of them, however many items it tells of, is
        # one look at the spread of a single one.
        variance = max(0.0, (self._squares - mean * seconds) / max(1, self._steps - 1))
        spread = _Z * math.sqrt(variance * left * (1 + left / items))
        slower = 1 + min(1.0, left / total / _SURELY_AHEAD)
        # Most of a few items are far quicker than the mean, and one of them may be the slowest of all.
        few = 1 / math.sqrt(left)
        earliest = max(left * min(mean, recent) * max(0.1, 0.6 - 2 * few), left * min(mean, recent) * 0.95 - spread)
        latest = left * max(mean, recent) * slower * 1.05 + spread * (1 + 3 * few)
        since = max(0.0, at - self._at[-1])
        return Pace(per_hour, max(0.0, earliest - since), max(latest - since, latest / 10))

    def _recent_mean(self) -> float:
        window = max(_RECENT_ITEMS, (self._done[-1] - self._done[0]) * _RECENT_SHARE)
        place = max(0, bisect_right(self._done, self._done[-1] - window) - 1)
        return (self._at[-1] - self._at[place]) / (self._done[-1] - self._done[place])
