"""The daemon that describes a folder, with its jobs and real worker processes, from the first look to the last."""

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

import pytest

from daemons.bus import Bus
from daemons.database import Database
from daemons.events import DaemonChanged, ItemChanged, JobChanged
from daemons.states import DaemonState, JobState, StopMode
from daemons.values import Page
from daemons.workflows.describe import workflow
from daemons.workflows.describe.keeper import DescriptionFilter, DescriptionKeeper
from tests.engine_deck import Deck, open_deck
from tests.fake_clock import FakeClock
from tests.pictures.samples import busy, saved

NAME = "describe_images"

# Workers are real processes that take real time to start.
pytestmark = pytest.mark.timeout(120)
# The folder is what matters here, not where descriptions are kept.
sqlite_will_do = pytest.mark.databases("sqlite")


class OpenDeck(Protocol):
    def __call__(self) -> AbstractAsyncContextManager[Deck]: ...


@pytest.fixture
def opened(database: Database, clock: FakeClock, bus: Bus) -> OpenDeck:
    return lambda: open_deck(database, clock, bus, workflow)


@pytest.fixture
async def deck(opened: OpenDeck) -> AsyncIterator[Deck]:
    async with opened() as deck:
        yield deck


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "My pictures"
    (folder / "below").mkdir(parents=True)
    for number in range(7):
        saved(busy(number, 320, 240), folder / "below" / f"{number}.jpg")
    (folder / "text.jpg").write_text("I am not an image.")
    Path(os.fsdecode(os.fsencode(folder) + b"/bad\xff\nname.jpg")).write_bytes((folder / "below/0.jpg").read_bytes())
    return folder


async def describe(deck: Deck, **options: Any) -> None:
    await deck.roster.edit(NAME, configuration=options)
    await deck.roster.start(NAME)


async def until_says(deck: Deck, words: str) -> str:
    """Return the status once it holds `words`."""
    event = await deck.events.next(DaemonChanged, lambda event: words in (event.daemon.live.current_status or ""))
    return event.daemon.live.current_status or ""


async def descriptions(deck: Deck) -> Page:
    return await deck.keepers.get(DescriptionKeeper).list(DescriptionFilter(gone="all"), limit=500)


async def test_every_image_of_a_folder_is_described_or_named(deck: Deck, pictures: Path) -> None:
    await describe(deck, directory=str(pictures), batch_size=4)

    said = await until_says(deck, "are described")

    assert said == "8 of 9 images are described, 1 failed, looking again in 60 seconds"
    found = {item.path: (item.state, item.error and item.error.code) for item in (await descriptions(deck)).items}
    assert found == {
        **{f"below/{number}.jpg": ("done", None) for number in range(7)},
        "bad\\xff⏎name.jpg": ("done", None),
        "text.jpg": ("failed", "ERR_NOT_AN_IMAGE"),
    }
    assert deck.daemon(NAME).live.progress is not None
    assert deck.daemon(NAME).live.progress.fraction == 1.0


@sqlite_will_do
async def test_the_status_names_the_batch_and_its_job(deck: Deck, pictures: Path) -> None:
    await describe(deck, directory=str(pictures), batch_size=4)

    event = await deck.events.next(DaemonChanged, lambda event: event.daemon.live.current_job_id is not None)

    assert event.daemon.live.current_status == "Describing batch 1 of 3 (4 images)"
    assert event.daemon.live.current_job_type == "describe_batch"


async def test_what_is_described_is_not_looked_at_again(deck: Deck, pictures: Path, clock: FakeClock) -> None:
    await describe(deck, directory=str(pictures))
    await until_says(deck, "are described")
    saved(busy(99, 320, 240), pictures / "new.jpg")

    await deck.roster.wake(NAME)
    await until_says(deck, "9 of 10 images")

    described = [event.data["path"] for event in deck.events.seen(ItemChanged)]
    assert len(described) == len(set(described)) == 10


@sqlite_will_do
async def test_a_cancelled_batch_is_not_begun_again_at_once(deck: Deck, pictures: Path) -> None:
    await describe(deck, directory=str(pictures))
    event = await deck.events.next(DaemonChanged, lambda event: event.daemon.live.current_job_id is not None)
    assert event.daemon.live.current_job_id is not None

    await deck.orders.cancel(event.daemon.live.current_job_id)

    assert await until_says(deck, "Batch 1") == "Batch 1 cancelled, trying again in 60 seconds"


async def test_stopping_finishes_the_image_in_hand_and_resuming_repeats_none(opened: OpenDeck, pictures: Path) -> None:
    for number in range(40):
        saved(busy(number, 1600, 1200), pictures / f"large {number}.jpg")
    async with opened() as deck:
        await describe(deck, directory=str(pictures))
        await deck.events.next(ItemChanged)
        await deck.roster.stop(NAME, StopMode.NOW)
        await deck.until(NAME, DaemonState.STOPPED)
        await deck.events.next(JobChanged, lambda event: event.job.state is JobState.CANCELLED)
        first = {item.path: item.created_at for item in (await descriptions(deck)).items}

        await deck.roster.start(NAME)
        await until_says(deck, "48 of 49 images")

        second = {item.path: item.created_at for item in (await descriptions(deck)).items}
        assert 0 < len(first) < 49
        assert {path: second[path] for path in first} == first
        assert len(deck.events.seen(ItemChanged)) == 49


@pytest.mark.parametrize(
    ("prepare", "code"),
    [
        (lambda folder: None, "ERR_DIRECTORY_MISSING"),
        (lambda folder: folder.write_text("a file"), "ERR_NOT_A_DIRECTORY"),
    ],
)
async def test_a_folder_that_cannot_be_read_is_said_and_waited_for(
    deck: Deck, tmp_path: Path, prepare: Any, code: str
) -> None:
    folder = tmp_path / "away"
    prepare(folder)
    await describe(deck, directory=str(folder), interval=5)

    await until_says(deck, f"({folder}).")

    await deck.readings.flush()
    errors = await deck.readings.errors(deck.daemon(NAME).id)
    assert [error.code for error in errors] == [code]
    await deck.until(NAME, DaemonState.RUNNING)


@sqlite_will_do
async def test_without_a_folder_it_says_what_to_set_and_begins_when_it_is_set(deck: Deck, pictures: Path) -> None:
    await deck.roster.start(NAME)
    await until_says(deck, "Not configured: set directory")

    await deck.roster.edit(NAME, configuration={"directory": str(pictures)})

    await until_says(deck, "8 of 9 images are described")


async def test_a_moved_or_copied_file_is_not_described_twice(deck: Deck, pictures: Path) -> None:
    await describe(deck, directory=str(pictures))
    await until_says(deck, "are described")
    (pictures / "below/3.jpg").rename(pictures / "moved.jpg")
    (pictures / "a copy.jpg").write_bytes((pictures / "below/4.jpg").read_bytes())
    saved(busy(77, 320, 240), pictures / "its twin.jpg")
    (pictures / "twin.jpg").write_bytes((pictures / "its twin.jpg").read_bytes())

    await deck.roster.wake(NAME)
    await until_says(deck, "11 of 12 images")

    found = {item.path: item for item in (await descriptions(deck)).items}
    origins = {path: found[path].origin for path in ("moved.jpg", "a copy.jpg", "its twin.jpg", "twin.jpg")}
    assert origins == {"moved.jpg": "copy", "a copy.jpg": "copy", "its twin.jpg": "describer", "twin.jpg": "copy"}
    assert found["moved.jpg"].description == found["below/3.jpg"].description
    assert [path for path, item in found.items() if item.gone_at] == ["below/3.jpg"]


async def test_a_touched_file_keeps_its_description_and_an_edited_one_gets_another(deck: Deck, pictures: Path) -> None:
    await describe(deck, directory=str(pictures))
    await until_says(deck, "are described")
    before = {item.path: item for item in (await descriptions(deck)).items}
    os.utime(pictures / "below/1.jpg", ns=(1, 1))
    saved(busy(55, 640, 480), pictures / "below/2.jpg")

    await deck.roster.wake(NAME)
    await deck.events.next(ItemChanged, lambda event: (event.data.get("facts") or {}).get("width") == 640)
    await until_says(deck, "looking again")

    after = {item.path: item for item in (await descriptions(deck)).items}
    assert after["below/1.jpg"] == before["below/1.jpg"]
    assert after["below/2.jpg"].number == before["below/2.jpg"].number


@sqlite_will_do
async def test_a_file_that_comes_back_is_there_again(deck: Deck, pictures: Path) -> None:
    await describe(deck, directory=str(pictures), watch=False)
    await until_says(deck, "are described")
    away = pictures.parent / "away.jpg"
    for one, other in ((pictures / "below/5.jpg", away), (away, pictures / "below/5.jpg")):
        one.rename(other)
        deck.events.forget()
        await deck.roster.wake(NAME)
        event = await deck.events.next(ItemChanged, lambda event: event.data["path"] == "below/5.jpg")
        assert (event.data["gone_at"] is not None) == (other == away)


@sqlite_will_do
async def test_a_new_file_is_seen_at_once_without_looking_through_the_folder(deck: Deck, pictures: Path) -> None:
    await describe(deck, directory=str(pictures / "below"), interval=3600)
    await until_says(deck, "are described")
    deck.events.forget()

    saved(busy(66, 320, 240), pictures / "below/new one.jpg")

    await until_says(deck, "All 8 images")
    said = [event.daemon.live.current_status or "" for event in deck.events.seen(DaemonChanged)]
    assert not [words for words in said if words.startswith("Looking through")]


@sqlite_will_do
async def test_only_what_the_patterns_and_the_limit_allow_is_described(deck: Deck, pictures: Path) -> None:
    await describe(deck, directory=str(pictures), include=["*.jpg"], exclude=["/text.jpg", "bad*"], limit=5)

    said = await until_says(deck, "are described")

    assert said == "All 5 images are described, as many as the limit allows, looking again in 60 seconds"
    assert {item.path for item in (await descriptions(deck)).items} == {f"below/{number}.jpg" for number in range(5)}


@sqlite_will_do
async def test_one_image_is_counted_as_one(deck: Deck, pictures: Path) -> None:
    await describe(deck, directory=str(pictures), include=["below/0.jpg"])

    assert "(1 image)" in await until_says(deck, "Describing batch")
    assert (await until_says(deck, "described")).startswith("1 image is described, looking again")


@sqlite_will_do
async def test_while_memory_is_short_it_waits_makes_batches_smaller_and_says_so(
    deck: Deck, pictures: Path, clock: FakeClock
) -> None:
    await describe(deck, directory=str(pictures), max_memory_percent=0.001, batch_size=4)
    await until_says(deck, "Waiting for memory")
    await clock.advance(60)

    assert (await until_says(deck, "down to")).endswith("the limit is 0.001 %; a batch is down to 2 images")
    await deck.roster.edit(NAME, configuration={"directory": str(pictures), "batch_size": 4, "max_memory_percent": 100})

    await until_says(deck, "(2 images)")
    await until_says(deck, "8 of 9 images are described")


@sqlite_will_do
async def test_a_folder_that_drops_out_and_comes_back_loses_nothing(deck: Deck, pictures: Path) -> None:
    await describe(deck, directory=str(pictures), interval=5)
    await until_says(deck, "are described")
    unplugged = pictures.parent / "unplugged"
    pictures.rename(unplugged)
    await deck.roster.wake(NAME)
    await until_says(deck, "mount the disk")

    unplugged.rename(pictures)
    await deck.roster.wake(NAME)

    await until_says(deck, "8 of 9 images are described")
    assert [item.path for item in (await descriptions(deck)).items if item.gone_at] == []
    assert len(deck.events.seen(ItemChanged)) == 9
