"""Places where a test may end the process at once, to see what survives. Does nothing unless armed at start."""

import os
import signal
from collections.abc import Callable

VARIABLE = "DAEMONDECK_KILL_AT"
"""`name` or `name:n`: die by SIGKILL when the place `name` is reached, or reached for the n-th time."""


def _nothing(name: str) -> None:
    return


def _armed(target: str) -> Callable[[str], None]:
    wanted, _, times = target.partition(":")
    left = int(times or 1)

    def reach(name: str) -> None:
        nonlocal left
        if name == wanted:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return reach


reach = _armed(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else _nothing
