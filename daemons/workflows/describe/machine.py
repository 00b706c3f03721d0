"""What suits a machine: how many images a batch has, and how long it rests between two."""

from typing import NamedTuple

import psutil

_GIB = 1024**3


class Pacing(NamedTuple):
    """Images of a batch, and seconds of rest after it."""

    batch_size: int
    cooldown: float


_BY_MEMORY = ((12, Pacing(50, 60.0)), (24, Pacing(100, 30.0)))
_ROOMY = Pacing(200, 15.0)


def pacing_for(memory: int) -> Pacing:
    """Return what suits a machine with so many bytes of memory: as of 8, 16 and 32 GB, whichever is nearest."""
    return next((pacing for below, pacing in _BY_MEMORY if memory < below * _GIB), _ROOMY)


def pacing_here() -> Pacing:
    """Return what suits this machine."""
    return pacing_for(psutil.virtual_memory().total)


def memory_percent() -> float:
    """Return how much of the machine's memory is in use."""
    return float(psutil.virtual_memory().percent)
