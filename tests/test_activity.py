"""The feed of all daemons: every change once, newest first, page by page, and told when there is more."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from daemons import BaseDaemon, JobContext, daemon, job
from daemons.activity import LOOK_SECONDS, NEWEST, TOPIC, Activity, Happening, Place
from daemons.bus import Bus
from daemons.database import Database
from daemons.errors import Invalid, Permanent, UnknownName
from daemons.events import DaemonChanged, ItemChanged
from tests.engine_deck import Deck, open_deck
from tests.fake_clock import FakeClock


@job("bad")
async def bad(ctx: JobContext) -> None:
    """Fails."""
    raise Permanent("It cannot work.", code="ERR_NO_PAPER")


class Maker(BaseDaemon):
    """Sees a job fail, reports an error twice, and waits."""

    async def run(self) -> None:
        await self.wait_for(await self.create_job("bad"))
        for _ in range(2):
            await self.report_error("ERR_AWAY", "The server <b>is</b> away.")
        await self.sleep(10_000)


@daemon("first")
class First(Maker):
    """One of two."""


@daemon("second")
class Second(Maker):
    """The other."""


@pytest.fixture
async def deck(database: Database, clock: FakeClock, bus: Bus) -> AsyncIterator[Deck]:
    async with open_deck(database, clock, bus, bad, First, Second) as deck:
        yield deck


async def run_both(deck: Deck) -> None:
    for name in ("first", "second"):
        await deck.roster.start(name)
        await deck.events.next(DaemonChanged, lambda event, name=name: is_asleep(event, name))  # type: ignore[misc]
        await deck.clock.advance(1)
    await deck.readings.flush()


def is_asleep(event: DaemonChanged, name: str) -> bool:
    return event.daemon.name == name and event.daemon.live.next_wake_at is not None


async def everything(activity: Activity, limit: int, **filters: object) -> list[Happening]:
    """Read all pages."""
    found: list[Happening] = []
    place: Place | None = None
    while True:
        page = await activity.page(before=place, limit=limit, **filters)  # type: ignore[arg-type]
        found += page.items
        if page.next is None:
            return found
        assert len(page.items) == limit
        place = Place.read(page.next)


async def test_every_change_is_there_once_however_it_is_paged(
    deck: Deck, database: Database, clock: FakeClock, bus: Bus
) -> None:
    await run_both(deck)
    activity = Activity(database, clock, bus)

    whole = await everything(activity, 500)

    assert [await everything(activity, limit) == whole for limit in (1, 2, 7)] == [True] * 3
    assert len({happening.id for happening in whole}) == len(whole)
    assert [happening.at for happening in whole] == sorted((one.at for one in whole), reverse=True)
    told = {(one.daemon_name, one.kind, one.new, one.code, one.count) for one in whole}
    for name in ("first", "second"):
        assert told >= {
            (name, "desired", "on", None, 1),
            (name, "state", "running", None, 1),
            (name, "job", "queued", None, 1),
            (name, "job", "failed", "ERR_NO_PAPER", 1),
            (name, "error", None, "ERR_AWAY", 2),
        }


async def test_it_is_narrowed_to_kinds_and_to_a_daemon(
    deck: Deck, database: Database, clock: FakeClock, bus: Bus
) -> None:
    await run_both(deck)
    activity = Activity(database, clock, bus)

    found = await everything(activity, 1, kinds=["error", "desired"], daemon_id=deck.daemon("second").id)

    assert sorted((one.daemon_name, one.kind) for one in found) == [("second", "desired"), ("second", "error")]
    with pytest.raises(UnknownName, match="gossip"):
        await activity.page(kinds=["gossip"])


async def test_what_is_new_is_told_and_never_twice(deck: Deck, database: Database, clock: FakeClock, bus: Bus) -> None:
    async with Activity(database, clock, bus) as activity:
        assert activity.newest == []
        await run_both(deck)
        await clock.advance(LOOK_SECONDS + 1)
        await deck.events.next(ItemChanged, tells_of_an_error)

        assert "error" in {one.kind for one in activity.newest}
        assert len(activity.newest) == NEWEST
        told = len(deck.events.seen(ItemChanged, is_told))
        await clock.advance(5 * LOOK_SECONDS)
        await activity.look()
        assert len(deck.events.seen(ItemChanged, is_told)) == told


def tells_of_an_error(event: ItemChanged) -> bool:
    items: Any = event.data["items"] if is_told(event) else []
    return any(item["kind"] == "error" for item in items)


def is_told(event: ItemChanged) -> bool:
    return event.topic == TOPIC


@pytest.mark.parametrize("text", ["", ".", "1", "1.2.3", "-1.2", "x.1", "1.٣", "1." + "9" * 19])
def test_a_place_is_one_that_was_given(text: str) -> None:
    if text == ".":
        assert Place.read(text) == Place()
        return
    with pytest.raises(Invalid):
        Place.read(text)
