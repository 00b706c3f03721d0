"""A stretch of time drawn as a bar: what stood when, and where nothing is known."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from daemons.values import HistoryEntry

UNITS = 1000
"""Of which a bar is wide, whatever time it stands for."""
UNKNOWN = "unknown"
_LOUD = {"failed": 3, "stuck": 3, "backoff": 2, UNKNOWN: 1}


class Stretch(NamedTuple):
    """What stood from `start` to `end`, and why."""

    word: str
    start: datetime
    end: datetime
    reason: str | None = None

    @property
    def length(self) -> timedelta:
        return self.end - self.start


class Piece(NamedTuple):
    """A stretch where it is drawn."""

    x: int
    width: int
    stretch: Stretch


def stretches(
    entries: Sequence[HistoryEntry], now_word: str, since: datetime, until: datetime, *, is_whole: bool = True
) -> list[Stretch]:
    """Return what stood when, oldest first; `entries` are changes since `since`, oldest first.

    `now_word` stood all the time when nothing changed. Unless they are all of them, the time before is unknown.
    """
    found: list[Stretch] = []
    begin, word, reason = since, (entries[0].old if entries else now_word), None
    if not is_whole:
        word = UNKNOWN
    for entry in entries:
        # Clocks are set back now and then.
        at = min(max(entry.at, begin), until)
        if at > begin:
            found.append(Stretch(word or UNKNOWN, begin, at, reason))
        begin, word, reason = at, entry.new, entry.reason
    found.append(Stretch(word or UNKNOWN, begin, until, reason))
    return found


def pieces(found: Sequence[Stretch]) -> list[Piece]:
    """Place stretches on a bar; what is too short for a unit of its own shows where it is worse than its neighbour."""
    if not found or found[-1].end <= found[0].start:
        return []
    whole = found[-1].end - found[0].start
    drawn: list[Piece] = []
    for stretch in found:
        x = int((stretch.start - found[0].start) / whole * UNITS)
        end = max(x + 1, int((stretch.end - found[0].start) / whole * UNITS))
        piece = Piece(min(x, UNITS - 1), min(end, UNITS) - min(x, UNITS - 1), stretch)
        if drawn and drawn[-1].x == piece.x:
            if _loudness(drawn[-1]) > _loudness(piece) and piece.width == 1:
                continue
            if _loudness(drawn[-1]) > _loudness(piece):
                piece = piece._replace(x=piece.x + 1, width=piece.width - 1)
            else:
                drawn.pop()
        drawn.append(piece)
    return drawn


def _loudness(piece: Piece) -> int:
    return _LOUD.get(piece.stretch.word, 0)
