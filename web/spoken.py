"""What a daemon said over a time, as a drawing: sentence after sentence, and gaps where it could say nothing."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from daemons.states import DaemonState
from daemons.values import StatusNote
from web.bars import UNITS, UNKNOWN, Piece, Stretch, pieces

SAID = ("said", "said-next")
"""Two words by turns, so that neighbours can be told apart."""
SLOTS = 96
_LIVE = {state.value for state in DaemonState if state.is_live}


class Slot(NamedTuple):
    """A part of the drawing that is pressed to look back at its time."""

    x: int
    width: int
    at: datetime
    stretch: Stretch


class Spoken(NamedTuple):
    """The drawing: from when to when, what is drawn, what is pressed, the gaps in words, where one looks back."""

    start: datetime
    end: datetime
    pieces: list[Piece]
    slots: list[Slot]
    gaps: list[Stretch]
    x: int | None


def window_of(at: datetime | None, created: datetime, now: datetime, length: timedelta) -> tuple[datetime, datetime]:
    """Return the time that is drawn: the last `length`, or one around `at` if that is longer ago."""
    end = now if at is None or at >= now - length else min(now, at + length / 2)
    return max(created, end - length), end


def gaps_of_state(found: Sequence[Stretch]) -> list[Stretch]:
    """Return the stretches of a state in which nobody speaks."""
    return [stretch for stretch in found if stretch.word not in _LIVE]


def draw(
    notes: Sequence[StatusNote],
    gaps: Sequence[Sequence[Stretch]],
    since: datetime,
    until: datetime,
    at: datetime | None = None,
) -> Spoken | None:
    """Draw notes, oldest first, and kinds of gaps, the strongest kind first; None when no time has passed."""
    found = _stretches(notes, gaps, since, until)
    if not found:
        return None
    starts, whole = [stretch.start for stretch in found], until - since
    slots = [
        Slot(
            place * UNITS // SLOTS,
            (place + 1) * UNITS // SLOTS - place * UNITS // SLOTS,
            middle := since + whole * (place + 0.5) / SLOTS,
            found[bisect_right(starts, middle) - 1],
        )
        for place in range(SLOTS)
    ]
    drawn = [piece for piece in pieces(found) if piece.stretch.word in SAID]
    x = int((at - since) / whole * UNITS) if at is not None and since <= at <= until else None
    return Spoken(since, until, drawn, slots, [stretch for stretch in found if stretch.word not in SAID], x)


def _stretches(
    notes: Sequence[StatusNote], gaps: Sequence[Sequence[Stretch]], since: datetime, until: datetime
) -> list[Stretch]:
    edges = {since, until, *(note.at for note in notes)}
    edges |= {edge for kind in gaps for gap in kind for edge in (gap.start, gap.end)}
    ordered = sorted(edge for edge in edges if since <= edge <= until)
    said = [note.at for note in notes]
    starts = [[gap.start for gap in kind] for kind in gaps]
    found: list[Stretch] = []
    for start, end in pairwise(ordered):
        word, reason = _at(start, notes, said, gaps, starts)
        if found and (found[-1].word, found[-1].reason) == (word, reason):
            found[-1] = found[-1]._replace(end=end)
        else:
            found.append(Stretch(word, start, end, reason))
    return found


def _at(
    start: datetime,
    notes: Sequence[StatusNote],
    said: Sequence[datetime],
    gaps: Sequence[Sequence[Stretch]],
    starts: Sequence[Sequence[datetime]],
) -> tuple[str, str | None]:
    for kind, begins in zip(gaps, starts, strict=True):
        place = bisect_right(begins, start) - 1
        if place >= 0 and start < kind[place].end:
            return kind[place].word, kind[place].reason
    place = bisect_right(said, start) - 1
    return (SAID[place % 2], notes[place].message) if place >= 0 else (UNKNOWN, None)
