"""One list of what is wrong: each thing since it was first seen, with its remedy, gone once it is mended."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import Field, field_validator

from daemons.base import BaseDaemon, daemon
from daemons.bus import Bus
from daemons.database import Database
from daemons.errors import Conflict, NotFound
from daemons.events import ItemChanged
from daemons.findings import Finding
from daemons.handlers import JobContext, job
from daemons.health import LOOK_SECONDS, PLACES_SECONDS, Health, Watched
from daemons.health.judging import SHOWN_FOR, TRIED_LEAST
from daemons.health.looker import ANSWER_SECONDS, Looker
from daemons.health.places import look_into
from daemons.options import NEEDS_FOLDER, DaemonOptions
from daemons.settings import Settings
from daemons.states import DaemonState
from daemons.statistics import Statistics
from tests.engine_deck import Deck, open_deck
from tests.fake_clock import FakeClock
from tests.recorder import Recorder


@daemon("librarian")
class Librarian(BaseDaemon):
    """Needs a folder."""

    class Options(DaemonOptions):
        silent_after: float = 0
        shelf: Path | None = Field(None, description="What it looks after.", json_schema_extra=NEEDS_FOLDER)

        @field_validator("shelf")
        @classmethod
        def _no_bombs(cls, value: Path | None) -> Path | None:
            if value == Path("bomb"):
                raise RuntimeError("Whoever wrote this has never heard of ValueError.")
            return value

    async def run(self) -> None:
        await asyncio.Event().wait()


@daemon("clumsy")
class Clumsy(BaseDaemon):
    """Falls as soon as it stands."""

    async def run(self) -> None:
        raise RuntimeError("There is a stair.")


@job("break", max_attempts=1)
async def break_something(ctx: JobContext) -> None:
    raise RuntimeError("It broke.")


@pytest.fixture
async def deck(database: Database, clock: FakeClock, bus: Bus) -> AsyncIterator[Deck]:
    async with open_deck(database, clock, bus, Librarian, Clumsy, break_something) as deck:
        yield deck


def watched(deck: Deck, data_dir: Path) -> Watched:
    settings = Settings(data_dir=data_dir, database_url=deck.database.url.render_as_string(hide_password=False))
    statistics = Statistics(deck.database, deck.clock)
    parts = (deck.board, deck.journal, deck.leases, statistics, deck.registry, deck.supervisor)
    return Watched(settings, deck.database, deck.bus, *parts, deck.keep_awake, deck.keepers)


@pytest.fixture
async def health(deck: Deck, tmp_path: Path) -> AsyncIterator[Health]:
    async with Health(watched(deck, tmp_path), deck.clock) as health:
        await deck.clock.idle()
        yield health


def trouble(health: Health) -> dict[str, Finding]:
    return {finding.code: finding for finding in health.findings() if finding.is_trouble}


async def test_a_deck_in_order_has_nothing_to_mend(health: Health, deck: Deck) -> None:
    await deck.clock.advance(60)

    assert trouble(health) == {}
    assert health.trouble == 0
    assert health.picture.database_bytes


@pytest.mark.databases("sqlite")
async def test_a_folder_that_goes_and_comes_is_told_and_clears(health: Health, deck: Deck, tmp_path: Path) -> None:
    shelf = tmp_path / "photos"
    shelf.mkdir()
    await deck.roster.edit("librarian", configuration={"shelf": str(shelf)})
    await deck.roster.start("librarian")
    await deck.clock.advance(2 * PLACES_SECONDS)
    assert trouble(health) == {}
    told = Recorder()

    with deck.bus.listen(told.record):
        shelf.rename(tmp_path / "away")
        await deck.clock.advance(2 * PLACES_SECONDS)
        found = trouble(health)["ERR_FOLDER_MISSING"]
        await deck.clock.advance(60)
        later = trouble(health)["ERR_FOLDER_MISSING"]
        (tmp_path / "away").rename(shelf)
        await deck.clock.advance(2 * PLACES_SECONDS)

    assert (found.subject, found.link) == (str(shelf), "/daemons/librarian")
    assert str(shelf) in found.message and "librarian" in found.message
    assert later.since == found.since, "since when does not move while it lasts"
    assert trouble(health) == {}
    lists = [event.data["items"] for event in told.all if isinstance(event, ItemChanged) and event.topic == "health"]
    assert [str(shelf) in str(items) for items in lists] == [True, False], (
        "told once when it comes and once when it goes"
    )


@pytest.mark.databases("sqlite")
async def test_a_library_that_is_not_mounted_any_more_is_no_empty_library(
    health: Health, deck: Deck, tmp_path: Path
) -> None:
    shelf = tmp_path / "photos"
    shelf.mkdir()
    await deck.roster.edit("librarian", configuration={"shelf": str(shelf)})
    await deck.roster.start("librarian")
    # What an earlier look saw while it was mounted: only root may mount anything.
    health.picture.mounts[shelf] = shelf
    await deck.clock.advance(2 * PLACES_SECONDS)

    health.picture.mounts[shelf] = shelf
    await deck.clock.advance(PLACES_SECONDS)
    gone = trouble(health)
    (shelf / "moved here for good").touch()
    await deck.clock.advance(2 * PLACES_SECONDS)

    assert "not mounted any more" in gone["ERR_FOLDER_UNMOUNTED"].message
    assert trouble(health) == {}


@pytest.mark.databases("sqlite")
async def test_options_that_raise_anything_blind_nobody(health: Health, deck: Deck, tmp_path: Path) -> None:
    await deck.roster.add("librarian", "other", {"shelf": str(tmp_path / "nowhere")}, enabled=True, auto_start=False)
    await deck.roster.edit("librarian", configuration={"shelf": "bomb"})
    await deck.roster.start("librarian")
    await deck.roster.start("other")

    await deck.clock.advance(2 * PLACES_SECONDS)

    assert trouble(health)["ERR_FOLDER_MISSING"].link == "/daemons/other"


def test_a_folder_is_looked_into_and_not_only_at(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert look_into(tmp_path).error is None
    assert look_into(tmp_path / "file").is_missing
    assert look_into(tmp_path / "nothing").is_missing
    assert look_into(tmp_path).mount is not None


async def test_who_never_answers_holds_nobody_up(clock: FakeClock) -> None:
    looker, never, asked = Looker(clock), threading.Event(), []

    def hang() -> str:
        asked.append(1)
        never.wait()
        return "late"

    asking = asyncio.create_task(looker.look("drive", hang))
    await clock.advance(ANSWER_SECONDS)
    again = await looker.look("drive", hang)
    other = asyncio.create_task(looker.look("other", lambda: "here"))
    await clock.idle()

    assert (await asking, again, await other) == (None, None, "here")
    assert len(asked) == 1, "nobody is asked twice at the same time"
    never.set()


@pytest.mark.databases("sqlite")
async def test_a_failed_daemon_is_told_with_its_reason_until_it_is_mended(health: Health, deck: Deck) -> None:
    await deck.roster.start("clumsy")
    await deck.clock.advance(180)
    found = trouble(health)["ERR_DAEMON_FAILED"]
    await deck.roster.stop("clumsy")
    await deck.until("clumsy", DaemonState.STOPPED)
    await deck.clock.advance(LOOK_SECONDS)

    assert found.subject == "clumsy" and "stair" in found.message and found.link == "/daemons/clumsy"
    assert trouble(health) == {}


async def test_a_clock_that_jumps_is_worth_a_note(health: Health, deck: Deck) -> None:
    await deck.clock.advance(LOOK_SECONDS)
    deck.clock.jump(3 * 3600)
    await deck.clock.advance(LOOK_SECONDS)

    [note] = [finding for finding in health.findings() if finding.code == "NOTE_CLOCK_JUMPED"]
    assert "forward by 10800 s" in note.message
    assert health.trouble == 0


@pytest.mark.databases("sqlite")
async def test_lines_that_were_dropped_are_told_for_a_while(health: Health, deck: Deck) -> None:
    deck.journal.lines_dropped += 7
    await deck.clock.advance(LOOK_SECONDS)
    found = trouble(health)["ERR_LOGS_DROPPED"]
    deck.clock.jump(SHOWN_FOR.total_seconds())
    await deck.clock.advance(LOOK_SECONDS)

    assert "7 log lines" in found.message
    assert trouble(health) == {}


async def test_jobs_that_fail_often_are_told(health: Health, deck: Deck) -> None:
    row = deck.board.get("librarian").row
    for _ in range(TRIED_LEAST):
        await deck.orders.create("break", daemon=row)
    await deck.clock.advance(65)

    found = trouble(health)["ERR_JOBS_FAILING"]
    assert found.subject == "librarian" and found.message.startswith(f"{TRIED_LEAST} of the {TRIED_LEAST} jobs")


@pytest.mark.databases("sqlite")
async def test_only_what_does_not_clear_by_itself_is_dismissed(deck: Deck, tmp_path: Path) -> None:
    damage = Finding("ERR_DATABASE_CORRUPT", "error", "It was damaged.", dismissable=True)
    (tmp_path / "daemondeck.db.corrupt-20300101T120000000000Z.why").write_text("malformed")

    async with Health(watched(deck, tmp_path), deck.clock, [damage]) as health:
        await deck.roster.start("clumsy")
        await deck.clock.advance(180)
        assert trouble(health).keys() == {"ERR_DATABASE_CORRUPT", "ERR_DAEMON_FAILED"}
        with pytest.raises(Conflict):
            health.dismiss("ERR_DAEMON_FAILED")
        with pytest.raises(NotFound):
            health.dismiss("ERR_NOTHING")
        health.dismiss("ERR_DATABASE_CORRUPT")

        assert trouble(health).keys() == {"ERR_DAEMON_FAILED"}
    assert list(tmp_path.glob("*.why")) == []
