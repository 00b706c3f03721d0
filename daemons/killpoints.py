"""Places where a test may end the process at once, to see what survives. Does nothing unless armed at start."""

import os
import signal

VARIABLE = "DAEMONDECK_KILL_AT"
"""`name` or `name:n`: die by SIGKILL when the place `name` is reached, or reached for the n-th time."""


_wanted = ""
_left = 0


def arm(target: str) -> None:
    """Die at this place from now on; an empty name disarms."""
    global _wanted, _left
    _wanted, _, times = target.partition(":")
    _left = int(times or 1)


def reach(name: str) -> None:
    """Say that the place `name` is reached."""
    global _left
    if name == _wanted:
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


arm(os.environ.get(VARIABLE, ""))
