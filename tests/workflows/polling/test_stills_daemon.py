"""The daemon that has stills climb, with its job and real worker processes."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from daemons.bus import Bus
from daemons.clients.registry import Clients
from daemons.database import Database
from daemons.options import folders_needed
from daemons.settings import Settings
from daemons.workflows.describe import workflow as describe
from daemons.workflows.polling import workflow as polling
from daemons.workflows.polling.keeper import Record, RecordKeeper, UnknownRecord
from daemons.workflows.polling.options import StillsOptions
from tests.engine_deck import Deck, open_deck
from tests.fake_clock import FakeClock
from tests.pictures.samples import busy, canon_in_berlin, saved

NAME = "stills"
BOUND = 60.0
TOP, AWAITING = "6 - Generating Embeddings", "Awaiting User Input"

# Workers are real processes that take real time to start. Where records are kept is told by the tests of climbing.
pytestmark = [pytest.mark.timeout(120), pytest.mark.databases("sqlite")]


@pytest.fixture
async def deck(database: Database, clock: FakeClock, bus: Bus, tmp_path: Path) -> AsyncIterator[Deck]:
    async with (
        Clients(Settings(data_dir=tmp_path), clock) as clients,
        open_deck(database, clock, bus, describe, polling, clients=clients) as deck,
    ):
        yield deck


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    folder = tmp_path / "Drop here"
    folder.mkdir()
    return folder


def aged(path: Path) -> Path:
    """Have a file be one that nobody writes to any more."""
    os.utime(path, (1_600_000_000, 1_600_000_000))
    return path


async def climb(deck: Deck, **options: Any) -> RecordKeeper:
    await deck.roster.edit(NAME, configuration={key: str(value) for key, value in options.items()})
    await deck.roster.start(NAME)
    return deck.keepers.get(RecordKeeper)


def test_health_and_disks_tell_of_the_library_as_of_the_drop_folder(drop: Path, tmp_path: Path) -> None:
    assert folders_needed(StillsOptions(drop_folder=drop, library=tmp_path / "library")) == [drop, tmp_path / "library"]


async def until(keeper: RecordKeeper, code: str, is_it: Callable[[Record], bool]) -> Record:
    """Return a record once it is as wanted."""
    changed = asyncio.Event()
    async with asyncio.timeout(BOUND):
        with keeper.hearing(changed.set, keeper.ladders):
            while True:
                changed.clear()
                with suppress(UnknownRecord):
                    record = await keeper.get(code)
                    if is_it(record):
                        return record
                await changed.wait()


async def test_stills_climb_from_a_drop_folder_to_the_top_or_to_a_person(
    deck: Deck, drop: Path, tmp_path: Path
) -> None:
    saved(busy(), drop / "berlin.jpg", exif=canon_in_berlin())
    saved(busy(2), drop / "plain.png")
    (drop / "text.jpg").write_text("I am not an image.")
    for file in drop.iterdir():
        aged(file)
    library = tmp_path / "library"
    library.mkdir()
    keeper = await climb(deck, drop_folder=drop, library=library)

    top = await until(keeper, "ST0001", lambda one: one.is_complete)
    waiting = await until(keeper, "ST0002", lambda one: one.status == AWAITING)
    parked = await until(keeper, "ST0003", lambda one: one.parked_at is not None)
    what_is_known = {
        "title": "Brandenburg Gate at dusk",
        "caption": "The Brandenburg Gate in Berlin, photographed from Pariser Platz in the evening of 3 May 2019.",
        "keywords": ["Berlin", "Brandenburg Gate", "Germany", "architecture", "evening"],
    }
    await keeper.edit(waiting.id, what_is_known, who="ana")
    resumed = await until(keeper, "ST0002", lambda one: one.is_complete)

    assert (top.status, resumed.status) == (TOP, TOP)
    assert waiting.reasons and waiting.due_at is None
    assert parked.error is not None
    assert top.fields["description"] and top.fields["embedding"] == "hashing-512"
    assert Path(top.fields["library_path"]).read_bytes() == (drop / "berlin.jpg").read_bytes()
    story = [one.step for one in reversed(await keeper.story(await keeper.get("ST0002")))]
    assert story == ["file_info", "copy", "metadata", "evaluate", "evaluate", "describe", "embed"]
