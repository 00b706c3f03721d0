"""A day as a bar: what stood when, and gaps where nothing is known."""

from datetime import UTC, datetime, timedelta

from daemons.values import HistoryEntry
from web.bars import UNKNOWN, pieces, stretches

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SINCE = NOON - timedelta(hours=24)


def change(hours_ago: float, old: str | None, new: str, reason: str | None = None) -> HistoryEntry:
    return HistoryEntry(1, NOON - timedelta(hours=hours_ago), "state", old, new, reason, None)


def test_without_a_change_it_was_the_same_all_the_time() -> None:
    [only] = stretches([], "running", SINCE, NOON)

    assert (only.word, only.length) == ("running", timedelta(hours=24))


def test_each_stretch_has_its_word_and_reason() -> None:
    entries = [change(18, "stopped", "running"), change(6, "running", "failed", "The disk is full.")]

    found = stretches(entries, "failed", SINCE, NOON)

    assert [(one.word, one.length.total_seconds() / 3600, one.reason) for one in found] == [
        ("stopped", 6, None),
        ("running", 12, None),
        ("failed", 6, "The disk is full."),
    ]
    assert [(piece.x, piece.width) for piece in pieces(found)] == [(0, 250), (250, 500), (750, 250)]


def test_what_is_not_known_is_a_gap() -> None:
    created, cut = [change(6, None, "stopped")], [change(6, "stopped", "running")]

    assert stretches(created, "stopped", SINCE, NOON)[0].word == UNKNOWN
    assert stretches(cut, "running", SINCE, NOON, is_whole=False)[0].word == UNKNOWN


def test_a_short_failure_is_not_lost_among_many_changes() -> None:
    entries = [change(1, "running", "failed"), change(0.9999, "failed", "running")]

    drawn = pieces(stretches(entries, "running", SINCE, NOON))

    assert [piece.stretch.word for piece in drawn] == ["running", "failed", "running"]
    assert sum(piece.width for piece in drawn) == 1000


def test_a_clock_that_was_set_back_breaks_nothing() -> None:
    entries = [change(1, "stopped", "running"), change(2, "running", "stopped"), change(-5, "stopped", "running")]

    drawn = pieces(stretches(entries, "running", SINCE, NOON))

    assert all(piece.width > 0 and piece.x + piece.width <= 1000 for piece in drawn)
    assert pieces(stretches([], "running", NOON, NOON)) == []
