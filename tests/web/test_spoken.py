"""What a daemon said as a drawing: sentences, gaps drawn as gaps, times to press."""

from datetime import UTC, datetime, timedelta

from daemons.values import StatusNote
from web.bars import UNKNOWN, Stretch
from web.spoken import SLOTS, draw, gaps_of_state, window_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(hours=24)
SINCE = NOON - DAY


def ago(hours: float) -> datetime:
    return NOON - timedelta(hours=hours)


def note(hours_ago: float, message: str) -> StatusNote:
    return StatusNote(ago(hours_ago), ago(hours_ago), message, None, None)


def test_sentences_are_drawn_and_gaps_are_left_out() -> None:
    notes = [note(18, "Scanning"), note(12, "Sleeping"), note(3, "Scanning")]
    died = [Stretch("lost", ago(10), ago(9), "Its process died.")]
    states = gaps_of_state([Stretch("running", SINCE, ago(6)), Stretch("stopped", ago(6), ago(3))])
    silent = [Stretch("silent", ago(9.5), ago(8))]

    spoken = draw(notes, [died, states, silent], SINCE, NOON, ago(4))

    assert spoken is not None
    assert [(piece.x, piece.width, piece.stretch.reason) for piece in spoken.pieces] == [
        (250, 250, "Scanning"),
        (500, 83, "Sleeping"),
        (666, 84, "Sleeping"),
        (875, 125, "Scanning"),
    ]
    assert [(gap.word, gap.length.total_seconds() / 3600) for gap in spoken.gaps] == [
        (UNKNOWN, 6), ("lost", 1), ("silent", 1), ("stopped", 3)
    ]  # fmt: skip
    assert spoken.x == 833
    assert (len(spoken.slots), sum(slot.width for slot in spoken.slots)) == (SLOTS, 1000)
    pressed = next(slot for slot in spoken.slots if slot.x <= 590 < slot.x + slot.width)
    assert (pressed.stretch.word, ago(10) < pressed.at < ago(9)) == ("lost", True)


def test_a_time_long_ago_is_drawn_with_what_is_around_it() -> None:
    created = ago(24 * 30)

    assert window_of(None, created, NOON, DAY) == (SINCE, NOON)
    assert window_of(ago(2), created, NOON, DAY) == (SINCE, NOON)
    assert window_of(ago(240), created, NOON, DAY) == (ago(252), ago(228))
    assert window_of(None, ago(1), NOON, DAY) == (ago(1), NOON)
    assert window_of(created, created, NOON, DAY)[0] == created


def test_where_no_time_has_passed_nothing_is_drawn() -> None:
    assert draw([], [], NOON, NOON) is None
