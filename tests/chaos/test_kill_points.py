"""A deck dies at every place that is worth dying at; the next one is whole, and every promise is kept.

The decks of one test live on the same data, each armed to die at the next place: one more death a deck.
"""

import asyncio
import random
import re
import signal
from pathlib import Path

import pytest

from tests.chaos.deck_process import DeckProcess
from tests.chaos.promises import FEEDER, Promises
from tests.forked import PROJECT
from tests.pictures.samples import landscape
from tests.workflows.polling.test_copying import PLACES as AT_A_COPY

OPENING = ("data held", "database opened", "keepers opened", "executor opened", "service opened", "serving")
AT_WORK = (
    "before commit:40",
    "committed:40",
    "announced:40",
    "claimed:10",
    "before settling:10",
    "settled:10",
    "status stored:3",
    "lease taken:2",
    "daemon starting:2",
    "daemon running:2",
    "daemon stopping:1",
    "daemon ended:1",
)
CLOSING = ("stop asked", "daemons ended", "jobs given back", "work ended", "flushed", "left", "stopped")
MAKING_TABLES = ("backed up", "migrated")
DESCRIBING = "image described:3"
AT_A_SCHEDULE = ("schedule run", "schedule ran")
AT_A_SLICE = ("slice done:2", "slice stored")
AT_A_MESSAGE = ("incident opened", "incident stored", "message claimed", "message sent")
"""These are died at in test_kill_points_of_plans.py."""
KILLED = -signal.SIGKILL


@pytest.fixture
def promises(tmp_path: Path, database_url: str) -> Promises:
    return Promises(tmp_path, database_url, random.Random(7))


def test_every_place_is_died_at() -> None:
    placed = {
        found
        for folder in ("daemons", "web")
        for file in (PROJECT / folder).rglob("*.py")
        for found in re.findall(r'\breach\("([^"]+)"\)', file.read_text("utf-8"))
    }

    opening_to_end = (*OPENING, *AT_WORK, *CLOSING, *MAKING_TABLES, DESCRIBING)
    others = (*AT_A_SCHEDULE, *AT_A_SLICE, *AT_A_MESSAGE, *AT_A_COPY)
    died_at = {place.split(":")[0] for place in (*opening_to_end, *others)}

    assert placed == died_at


@pytest.mark.databases("sqlite")
@pytest.mark.timeout(120)
async def test_a_deck_that_dies_while_it_opens_opens_the_next_time(promises: Promises) -> None:
    await leave_work_behind(promises)

    for place in OPENING:
        async with promises.deck(awaits_ready=False, kill_at=place) as deck:
            assert await deck.ended() == KILLED, place

    assert (await promises.settle()).problems + promises.broken == []


@pytest.mark.timeout(120)
async def test_a_deck_that_dies_at_work_loses_nothing(promises: Promises) -> None:
    await leave_work_behind(promises)

    for place in AT_WORK:
        async with promises.deck(awaits_ready=False, kill_at=place) as deck:
            assert await worked_to_death(deck, promises) == KILLED, place

    assert (await promises.settle()).problems + promises.broken == []


@pytest.mark.timeout(120)
async def test_a_deck_that_dies_while_it_closes_loses_nothing(promises: Promises) -> None:
    await leave_work_behind(promises)

    for place in CLOSING:
        async with promises.deck(kill_at=place) as deck:
            await promises.ask_again(deck)
            await deck.running_after(FEEDER)
            deck.terminate()
            assert await deck.ended(15) == KILLED, place

    assert (await promises.settle()).problems + promises.broken == []


async def leave_work_behind(promises: Promises) -> None:
    """Have a deck be killed that had a daemon running and jobs at every stage."""
    async with promises.deck() as deck:
        await deck.http.post(f"/api/daemons/{FEEDER}/start", json={})
        await deck.running_after(FEEDER)
        asyncio.get_running_loop().call_later(0.2, deck.kill)
        await promises.load(deck)
        await deck.ended()


async def worked_to_death(deck: DeckProcess, promises: Promises) -> int:
    """Give the deck work until it is gone, also when that is before it serves; return its exit code."""
    ending = asyncio.create_task(deck.ended())
    ready = asyncio.create_task(deck.ready())
    await asyncio.wait({ending, ready}, return_when=asyncio.FIRST_COMPLETED)
    if ready.done() and ready.exception() is None and not ending.done():
        await promises.load(deck)
    return await ending


@pytest.mark.parametrize("place", MAKING_TABLES)
async def test_a_deck_that_dies_while_it_makes_its_tables_makes_them_the_next_time(tmp_path: Path, place: str) -> None:
    async with DeckProcess(tmp_path, awaits_ready=False, has_tables=False, kill_at=place) as deck:
        assert await deck.ended() == KILLED

    async with DeckProcess(tmp_path) as deck:
        assert (await deck.http.get("/readyz")).status_code == 200


@pytest.mark.databases("sqlite")
async def test_a_picture_described_and_not_written_is_described_once_more(tmp_path: Path, database_url: str) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(1, 6):
        landscape(60 + number, 40).save(pictures / f"{number}.png")
    describe = ("--describe", str(pictures))
    async with DeckProcess(tmp_path, *describe, kill_at=DESCRIBING, database_url=database_url) as deck:
        assert await deck.ended() == KILLED

    async with DeckProcess(tmp_path, database_url=database_url) as deck:
        async with deck.events("topics=jobs") as events:
            job = await events.until(lambda item: item["type"] == "describe_batch" and item["state"] == "completed")
        described = (await deck.http.get("/api/descriptions")).json()["items"]

    assert len(described) == 5
    assert (job["attempt"], job["result"]) == (2, {"described": 3, "failed": 0, "copied": 0, "known_already": 2})
