"""The journal: lines come back in order, those of a run without its lease do not, growth is bounded."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import sqlite

from daemons import journal as journal_module
from daemons.database import Database
from daemons.events import LogWritten
from daemons.journal import Journal, lines_asked
from daemons.leases import Leases
from daemons.roster import DeclaredType, Roster
from daemons.states import LogLevel
from daemons.values import DaemonRow, Lease, StatusNote
from tests.fake_clock import FakeClock
from tests.recorder import Recorder


@pytest.fixture
async def journal(database: Database, clock: FakeClock) -> AsyncIterator[Journal]:
    async with Journal(database, clock) as journal:
        yield journal


@pytest.fixture
async def row(database: Database) -> DaemonRow:
    roster = Roster(database)
    await roster.declare([DeclaredType("watch", "Watch", "")])
    return await roster.row("watch")


async def test_lines_are_told_after_they_are_stored(journal: Journal, row: DaemonRow, events: Recorder) -> None:
    journal.log(LogLevel.INFO, "hello", daemon=row)

    await journal.flush()

    told = await events.next(LogWritten)
    assert [told.line] == await journal.lines(daemon_id=row.id)
    assert (told.line.message, told.line.daemon_name) == ("hello", "watch")


async def test_lines_keep_their_order_and_can_be_paged(journal: Journal, row: DaemonRow) -> None:
    for number in range(30):
        journal.log(LogLevel.INFO, f"line {number}", daemon=row)
    await journal.flush()

    newest = await journal.lines(daemon_id=row.id, limit=10)
    before = await journal.lines(daemon_id=row.id, before=newest[0].id, limit=10)
    after = await journal.lines(daemon_id=row.id, after=before[-1].id, limit=10)

    assert [line.message for line in newest] == [f"line {number}" for number in range(20, 30)]
    assert [line.message for line in before] == [f"line {number}" for number in range(10, 20)]
    assert after == newest


async def test_a_level_shows_itself_and_what_is_worse(journal: Journal, row: DaemonRow) -> None:
    for level in LogLevel:
        journal.log(level, level.value, daemon=row)
    await journal.flush()

    lines = await journal.lines(level=LogLevel.WARNING)

    assert [line.message for line in lines] == ["warning", "error"]


async def test_lines_of_a_job_are_found_by_its_id(journal: Journal) -> None:
    journal.log(LogLevel.INFO, "of the job", job_id="j-1")
    journal.log(LogLevel.INFO, "of another", job_id="j-2")
    await journal.flush()

    assert [line.message for line in await journal.lines(job_id="j-1")] == ["of the job"]


async def test_lines_of_a_single_thing_are_found_by_its_id_and_by_nothing_like_it(
    journal: Journal, events: Recorder
) -> None:
    for item_id in ("r-1", "r-10", "r-%", "r__", None):
        journal.log(LogLevel.INFO, f"of {item_id}, not r-1", job_id="j-1", item_id=item_id)
    await journal.flush()

    [line] = await journal.lines(item_id="r-1")
    assert (line.message, line.item_id, line.job_id) == ("of r-1, not r-1", "r-1", "j-1")
    assert len(await journal.lines(job_id="j-1")) == 5
    assert (await events.next(LogWritten)).line == line
    for odd in ("r-%", "r__", "%", "", "' OR 1=1 --"):
        assert {one.item_id for one in await journal.lines(item_id=odd)} <= {odd}


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("more", [{}, {"before": 900}, {"after": 100}, {"level": LogLevel.WARNING, "q": "disk"}])
async def test_lines_of_a_single_thing_are_read_without_a_look_at_the_others(
    database: Database, more: dict[str, Any]
) -> None:
    asked = lines_asked(item_id="r-1", **more)
    spelled = asked.limit(100).compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})

    plan = await database.fetch(text(f"EXPLAIN QUERY PLAN {spelled}".replace(":", "\\:")))

    steps = [row.detail for row in plan]
    assert "USING INDEX ix_logs_item_id_id (item_id=?" in steps[0]
    assert not any("TEMP B-TREE" in step for step in steps)


async def test_a_run_without_its_lease_writes_no_line(
    journal: Journal, row: DaemonRow, database: Database, clock: FakeClock
) -> None:
    leases = Leases(database, clock)
    old = await leases.take(row.id)
    await leases.take(row.id)

    journal.log(LogLevel.INFO, "from the past", daemon=row, lease=old)
    await journal.flush()

    assert await journal.lines() == []
    assert journal.lines_refused == 1
    assert [entry.kind for entry in await journal.history(row.id)] == ["refused"]


async def test_a_line_of_any_length_is_cut(journal: Journal) -> None:
    journal.log(LogLevel.INFO, "x" * 10_000_000)

    await journal.flush()

    assert len((await journal.lines())[0].message) == journal_module.LINE_CHARACTERS


async def test_more_lines_than_can_wait_are_dropped_and_counted(journal: Journal) -> None:
    for number in range(journal_module.LINES_WAITING + 5):
        journal.log(LogLevel.INFO, str(number))

    await journal.flush()

    assert journal.lines_dropped == 5
    assert [line.message for line in await journal.lines(limit=1)] == [str(journal_module.LINES_WAITING + 4)]


async def test_old_lines_are_pruned(journal: Journal, row: DaemonRow, clock: FakeClock) -> None:
    journal.log(LogLevel.INFO, "old", daemon=row)
    await journal.flush()
    await clock.advance(100)
    journal.log(LogLevel.INFO, "new", daemon=row)
    await journal.flush()

    await journal.prune(clock.now() - timedelta(seconds=50))

    assert [line.message for line in await journal.lines()] == ["new"]


async def test_no_more_lines_are_kept_than_was_said(journal: Journal, row: DaemonRow, clock: FakeClock) -> None:
    for number in range(10):
        journal.log(LogLevel.INFO, str(number), daemon=row if number % 2 else None)
    await journal.flush()

    await journal.prune(clock.now() - timedelta(days=1), lines_kept=4)

    assert [line.message for line in await journal.lines()] == ["6", "7", "8", "9"]


async def test_last_words_of_a_removed_daemon_hold_up_nobody_elses(
    journal: Journal, row: DaemonRow, database: Database
) -> None:
    roster = Roster(database)
    gone = await roster.add("watch", "watch-2", {})
    journal.log(LogLevel.INFO, "too late", daemon=gone)
    journal.note_status(
        Lease(gone.id, "somebody", 1), StatusNote(gone.created_at, gone.created_at, "too late", None, None)
    )
    journal.log(LogLevel.INFO, "in time", daemon=row)
    await roster.remove(gone.name)

    await journal.flush()

    assert [line.message for line in await journal.lines()] == ["in time"]
