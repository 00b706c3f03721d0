"""How often a daemon crashed lately, and what follows from it."""

import random
from collections import deque
from collections.abc import Callable

WINDOW = 600.0
"""Seconds within which crashes count together."""
CRASHES_ALLOWED = 4
"""Crashes within the window after which the daemon is still started again."""
FIRST_DELAY = 1.0
LONGEST_DELAY = 60.0
_JITTER = 0.2


class CrashRecord:
    """Counts crashes by monotonic time, and says when the next start is due."""

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        self._chance = chance
        self._times: deque[float] = deque(maxlen=CRASHES_ALLOWED + 1)
        self._in_a_row = 0
        self._newest: object = None
        self.delay: float | None = 0.0
        """Seconds between the newest crash and the next start; None: there should be none."""

    def add(self, run: object, at: float) -> float | None:
        """Note that `run` crashed, once however often it is said; return the delay."""
        if run is not self._newest:
            self._newest = run
            calm = not self._times or at - self._times[-1] > WINDOW
            self._in_a_row = 1 if calm else self._in_a_row + 1
            self._times.append(at)
            self.delay = self._next_delay(at)
        return self.delay

    def due_in(self, now: float) -> float:
        """Return the seconds that are left of the delay."""
        return self._times[-1] + (self.delay or 0.0) - now if self._times else 0.0

    def clear(self) -> None:
        """Forget all crashes: a person wants a fresh beginning."""
        self._times.clear()
        self._in_a_row = 0

    def _next_delay(self, at: float) -> float | None:
        if len(self._times) > CRASHES_ALLOWED and at - self._times[0] <= WINDOW:
            return None
        delay = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(self._in_a_row - 1, 16))
        # Daemons that fail together, because one system is away, come back one by one.
        return delay * (1 - _JITTER + 2 * _JITTER * self._chance())
