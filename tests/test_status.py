"""The status board: on air at once, in the row soon, cleared at the end, deaf to runs that lost their lease."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from sqlalchemy import select

from daemons.bus import Bus
from daemons.database import Database
from daemons.events import DaemonChanged, DaemonRowChanged
from daemons.journal import Journal
from daemons.leases import Leases
from daemons.models import DaemonTable
from daemons.roster import DeclaredType, Roster
from daemons.states import DaemonState
from daemons.status import StatusBoard, StatusLine
from tests.fake_clock import FakeClock
from tests.recorder import Recorder


class Deck:
    """A board with one daemon and a line for it."""

    def __init__(self, database: Database, clock: FakeClock, bus: Bus) -> None:
        self.database = database
        self.roster = Roster(database)
        self.journal = Journal(database, clock)
        self.leases = Leases(database, clock)
        self.board = StatusBoard(database, clock, bus, self.journal, self.roster)

    async def line(self) -> StatusLine:
        lease = await self.leases.take(self.board.get("watch").id)
        assert lease is not None
        await self.roster.move(lease, DaemonState.STARTING)
        return await self.board.open(lease)

    async def stored(self) -> str | None:
        row = await self.database.fetch_one(select(DaemonTable.current_status))
        assert row is not None
        return row.current_status  # type: ignore[no-any-return]


@pytest.fixture
async def deck(database: Database, clock: FakeClock, bus: Bus) -> AsyncIterator[Deck]:
    deck = Deck(database, clock, bus)
    await deck.roster.declare([DeclaredType("watch", "Watch", "")])
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(deck.journal)
        await stack.enter_async_context(deck.board)
        yield deck


async def test_a_status_is_on_air_before_anything_is_stored(deck: Deck, events: Recorder) -> None:
    line = await deck.line()

    line.update("Checking for items", "job-1", "describe")

    daemon = deck.board.get("watch")
    told = await events.next(DaemonChanged, lambda event: event.daemon.live.current_status is not None)
    assert told.daemon == daemon
    assert (daemon.live.current_job_id, daemon.live.current_job_type) == ("job-1", "describe")
    assert await deck.stored() is None


async def test_the_newest_status_is_in_the_row_within_a_tenth_of_a_second(deck: Deck, clock: FakeClock) -> None:
    line = await deck.line()
    line.update("first")
    line.update("second")

    await clock.advance(0.1)
    await deck.board.flush()

    assert await deck.stored() == "second"


async def test_revisions_of_a_daemon_only_go_up(deck: Deck, events: Recorder) -> None:
    line = await deck.line()
    for number in range(5):
        line.update(f"item {number}")

    revisions = [event.daemon.revision for event in events.all if isinstance(event, DaemonChanged)]
    assert revisions == sorted(set(revisions))


async def test_closing_stores_the_last_sentence_then_clears_it(deck: Deck) -> None:
    line = await deck.line()
    line.update("the last words")

    await line.close()

    await deck.journal.flush()
    daemon_id = deck.board.get("watch").id
    assert [note.message for note in await deck.journal.timeline(daemon_id)] == ["the last words"]
    assert await deck.stored() is None
    assert deck.board.get("watch").live.current_status is None


async def test_a_close_that_is_cut_short_leaves_no_words_behind(deck: Deck) -> None:
    line = await deck.line()
    line.update("the last words")
    closing = asyncio.create_task(line.close())
    await asyncio.sleep(0)

    closing.cancel()
    await asyncio.wait({closing})
    await deck.board.flush()

    assert deck.board.get("watch").live.current_status is None
    assert await deck.stored() is None


async def test_a_refresh_does_not_go_back_behind_what_was_heard_meanwhile(deck: Deck, events: Recorder) -> None:
    async def changes() -> None:
        for _ in range(50):
            await deck.roster.wake("watch")

    async def refreshes() -> None:
        for _ in range(50):
            await deck.board.refresh()

    await asyncio.gather(changes(), refreshes())

    told = [event.row.wake_revision for event in events.seen(DaemonRowChanged)]
    assert told == sorted(told)
    assert deck.board.get("watch").row.wake_revision == 50


async def test_a_closed_line_is_not_heard(deck: Deck) -> None:
    line = await deck.line()
    await line.close()

    line.update("a voice from the grave")
    await deck.board.flush()

    assert deck.board.get("watch").live.current_status is None
    assert await deck.stored() is None


async def test_a_run_without_its_lease_is_not_written(deck: Deck, database: Database, clock: FakeClock) -> None:
    line = await deck.line()
    await deck.leases.take(line.lease.daemon_id)

    line.update("I am still here")
    await deck.board.flush()

    assert await deck.stored() is None
    assert line.has_lost_lease
    history = await deck.journal.history(line.lease.daemon_id)
    assert [entry.kind for entry in history][-1] == "refused"


async def test_a_status_survives_an_older_writer(deck: Deck) -> None:
    line = await deck.line()
    line.update("newer")
    await deck.board.flush()

    again = await deck.board.open(line.lease)
    again.update("newest")
    await deck.board.flush()

    assert await deck.stored() == "newest"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("x" * 501, "x" * 499 + "…"),
        ("a\x00b", "a␀b"),
        (None, "None"),
        (b"bytes", "b'bytes'"),
        (42, "42"),
    ],
)
async def test_any_text_is_shown_and_stored_alike(deck: Deck, said: object, shown: str) -> None:
    line = await deck.line()

    line.update(said)
    await deck.board.flush()

    assert deck.board.get("watch").live.current_status == shown
    assert await deck.stored() == shown


async def test_equal_sentences_are_one_note_on_the_timeline(deck: Deck) -> None:
    line = await deck.line()
    for _ in range(100):
        line.update("Error occurred, retrying...")

    await deck.journal.flush()

    notes = await deck.journal.timeline(line.lease.daemon_id)
    assert [(note.message, note.repeats) for note in notes] == [("Error occurred, retrying...", 100)]


async def test_a_move_to_a_resting_state_clears_what_was_said(deck: Deck) -> None:
    line = await deck.line()
    line.update("working")
    await deck.board.flush()

    await deck.roster.move(line.lease, DaemonState.BACKOFF)

    assert await deck.stored() is None
