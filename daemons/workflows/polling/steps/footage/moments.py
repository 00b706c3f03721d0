"""Moments of a clip: where its frames are taken, and how a moment and a length are put into words."""

import math
from itertools import pairwise
from typing import NamedTuple

_KNOWN_BY = 3
"""Decimals of a second by which moments are told apart."""


class Stretch(NamedTuple):
    """A part of a clip, in seconds, and the moment of the frame that stands for it."""

    begin: float
    at: float
    end: float


def stretches(duration: float | None, frame_seconds: float, least: int, most: int) -> list[Stretch]:
    """Cut a clip into equal parts, each with a frame in its middle. One of unknown length has its first frame alone."""
    if not duration or not math.isfinite(duration):
        return [Stretch(0.0, 0.0, math.inf)]
    count = min(max(least, 1, math.ceil(duration / frame_seconds)), most)
    edges = [round(duration * number / count, _KNOWN_BY) for number in range(count + 1)]
    return [Stretch(begin, round((begin + end) / 2, _KNOWN_BY), end) for begin, end in pairwise(edges)]


def moment(seconds: float) -> str:
    """Return a moment as a player shows it: 1:02:03 or 0:05."""
    whole = int(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def spoken(seconds: float) -> str:
    """Return a length in words: `2 minutes 5 seconds`, `0.4 seconds`."""
    if seconds < 10:
        return _counted(round(seconds, 1 if seconds >= 1 else 2), "second")
    hours, rest = divmod(round(seconds), 3600)
    minutes, left = divmod(rest, 60)
    parts = [(hours, "hour"), (minutes, "minute"), (left, "second")]
    return " ".join(_counted(number, word) for number, word in parts if number)


def _counted(number: float, word: str) -> str:
    return f"{number:g} {word}" if number == 1 else f"{number:g} {word}s"
