"""Holds a daemon back that logs faster than anybody reads."""

from daemons.clock import Clock

LINES_A_SECOND = 100
WAIT = 0.01
"""Seconds that each line beyond the rate waits."""
_SUMMARY_EVERY = 10.0


class LogRate:
    """Counts one run's lines by the second.

    Beyond the rate every line waits, and a line equal to the one before is not written but counted.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._second = clock.monotonic()
        self._lines = 0
        self._last: tuple[object, object] | None = None
        self._too_fast = False
        self._told_at = clock.monotonic()
        self._untold = 0
        self.held_back = 0
        """Lines that waited or were not written, since the run began."""

    def admit(self, level: object, message: object) -> tuple[bool, float]:
        """Return whether this line is written, and for how many seconds its speaker waits."""
        now = self._clock.monotonic()
        if now - self._second >= 1.0:
            # Waiting makes a hot loop just slower than the rate: it is calm only well below.
            self._too_fast = self._lines > LINES_A_SECOND / 2 and self._too_fast
            self._second, self._lines = now, 0
        self._lines += 1
        self._too_fast = self._too_fast or self._lines > LINES_A_SECOND
        line = (level, message)
        repeated, self._last = line == self._last, line
        if not self._too_fast:
            return True, 0.0
        self.held_back += 1
        self._untold += 1
        return not repeated, WAIT

    def summary(self, *, now: bool = False) -> str | None:
        """Return a sentence on what was held back, at most every ten seconds unless `now`."""
        elapsed = self._clock.monotonic() - self._told_at
        if not self._untold or (elapsed < _SUMMARY_EVERY and not now):
            return None
        sentence = f"{self._untold} log lines came faster than {LINES_A_SECOND} a second and were held back."
        self._untold, self._told_at = 0, self._clock.monotonic()
        return sentence
