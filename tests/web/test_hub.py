"""The hub's pace, its memory of what happened, and its once-a-second duties."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import cast

import pytest

from daemons.access import Access, Role
from daemons.bus import Bus
from daemons.database import Database
from daemons.events import DaemonChanged, DaemonRemoved, JobChanged, LogWritten
from daemons.states import LogLevel
from daemons.values import LogLine
from tests.fake_clock import FakeClock
from tests.web.drawn import NOON, a_daemon, a_job
from web.frames import Change
from web.listener import Listener
from web.live import RING_ENTRIES, Hub

pytestmark = pytest.mark.databases("sqlite")


class Hearer:
    """An audience that keeps what it is told."""

    def __init__(self) -> None:
        self.listeners: set[Listener] = set()
        self.changes: list[Change] = []
        self.heartbeats = 0
        self.dropped = 0

    def take(self, change: Change) -> None:
        self.changes.append(change)

    def tell_heartbeat(self, seq: int, at: datetime) -> None:
        self.heartbeats += 1

    def tell_dropped(self, seq: int, at: datetime, count: int) -> None:
        self.dropped += count

    @property
    def said(self) -> list[str | None]:
        return [
            change.event.daemon.live.current_status
            for change in self.changes
            if isinstance(change.event, DaemonChanged)
        ]


class Still(Listener):
    """A listener for whom nothing is sent."""

    def __init__(self, session_id: str | None = None) -> None:
        self.session_id = session_id
        self.is_gone = False
        self.closed_with: int | None = None

    def check(self, patience: float) -> bool:
        return False

    def close(self, code: int, reason: str) -> None:
        self.closed_with = code

    def stop(self) -> None:
        pass


@pytest.fixture
async def access(database: Database, clock: FakeClock) -> AsyncIterator[Access]:
    async with Access(database, clock) as access:
        yield access


@pytest.fixture
async def hub(bus: Bus, clock: FakeClock, access: Access) -> AsyncIterator[Hub]:
    async with Hub(bus, clock, access, boot="boot", version="1") as hub:
        await clock.idle()
        yield hub


@pytest.fixture
def hearer(hub: Hub) -> AsyncIterator[Hearer]:
    hearer = Hearer()
    with hub.seat("all", lambda: hearer, Still()):
        yield hearer  # type: ignore[misc]


def said(sentence: str, name: str = "a") -> DaemonChanged:
    return DaemonChanged(a_daemon(id=name, name=name, current_status=sentence))


def line(number: int, message: str = "") -> LogWritten:
    return LogWritten(LogLine(number, NOON, LogLevel.INFO, message, None, None, None))


async def test_the_first_change_is_told_at_once(bus: Bus, clock: FakeClock, hearer: Hearer) -> None:
    bus.publish(said("one"))
    await clock.idle()

    assert hearer.said == ["one"]


async def test_later_changes_come_ten_times_a_second_and_the_last_always(
    bus: Bus, clock: FakeClock, hearer: Hearer
) -> None:
    for number in range(100):
        bus.publish(said(str(number)))
        await clock.advance(0.01)
    await clock.advance(0.2)

    assert 9 <= len(hearer.said) <= 11
    assert (hearer.said[0], hearer.said[-1]) == ("0", "99")


async def test_one_busy_daemon_does_not_hold_up_another(bus: Bus, clock: FakeClock, hearer: Hearer) -> None:
    bus.publish(said("one", "a"))
    await clock.idle()
    bus.publish(said("two", "a"))
    bus.publish(said("hello", "b"))
    await clock.idle()

    assert hearer.said == ["one", "hello"]


async def test_log_lines_are_never_thinned(bus: Bus, clock: FakeClock, hearer: Hearer) -> None:
    for number in range(50):
        bus.publish(line(number))
    await clock.idle()

    assert len(hearer.changes) == 50


async def test_lines_that_came_too_fast_are_counted(bus: Bus, clock: FakeClock, hub: Hub, hearer: Hearer) -> None:
    for number in range(2_500):
        bus.publish(line(number))
    await clock.idle()

    assert (len(hearer.changes), hearer.dropped, hub.dropped_lines) == (2_000, 500, 500)


async def test_a_place_in_the_ring_tells_each_entity_once(bus: Bus, clock: FakeClock, hub: Hub) -> None:
    bus.publish(said("before", "a"))
    await clock.advance(1)
    place = hub.seq
    for event in (said("x", "a"), JobChanged(a_job()), line(1), said("y", "a"), DaemonRemoved("b", "b")):
        bus.publish(event)
        await clock.advance(1)

    missed = hub.since(place, "boot")

    assert missed is not None
    assert [pointer for _, pointer in missed] == [("job", a_job().id), line(1), ("daemon", "a"), ("daemon", "b")]
    assert hub.since(hub.seq, "boot") == []


async def test_a_place_that_fell_out_of_the_ring_is_not_known(bus: Bus, clock: FakeClock, hub: Hub) -> None:
    bus.publish(said("first"))
    await clock.advance(1)
    for start in range(0, RING_ENTRIES + 1_000, 1_000):
        for number in range(1_000):
            bus.publish(line(start + number))
        await clock.idle()

    assert hub.since(1, "boot") is None
    assert len(cast(list[object], hub.since(hub.seq - 10, "boot"))) == 10


async def test_the_ring_is_bounded_in_bytes_too(bus: Bus, clock: FakeClock, hub: Hub) -> None:
    for number in range(1_500):
        bus.publish(line(number, "x" * 8_000))
        await clock.idle()

    assert hub.since(1, "boot") is None
    assert len(cast(list[object], hub.since(hub.seq - 500, "boot"))) == 500


@pytest.mark.parametrize(("seq", "boot"), [(1, "another"), (0, "boot"), (-1, "boot"), (99, "boot")])
async def test_a_place_of_another_boot_or_of_the_future_is_not_known(
    bus: Bus, clock: FakeClock, hub: Hub, seq: int, boot: str
) -> None:
    bus.publish(said("one"))
    await clock.idle()

    assert hub.since(seq, boot) is None


async def test_a_heartbeat_comes_every_five_seconds(clock: FakeClock, hearer: Hearer) -> None:
    await clock.advance(20.5)

    assert hearer.heartbeats == 4


async def test_a_token_that_another_process_revoked_is_noticed(
    clock: FakeClock, hub: Hub, access: Access, database: Database
) -> None:
    _, kept = await access.create_token("kept", Role.VIEWER)
    _, revoked = await access.create_token("revoked", Role.VIEWER)
    stays, goes = Still(kept.id), Still(revoked.id)
    other_bus = Bus()
    async with Database(database.url.render_as_string(hide_password=False), clock, other_bus) as elsewhere:
        await Access(elsewhere, clock).revoke_token("revoked")
    with hub.seat("a", Hearer, stays), hub.seat("b", Hearer, goes):
        await clock.advance(31)

    assert (stays.closed_with, goes.closed_with) == (None, 4401)


async def test_an_audience_goes_with_its_last_listener(hub: Hub) -> None:
    with hub.seat("a", Hearer, Still()) as first:
        with hub.seat("a", Hearer, Still()) as second:
            assert first is second
        assert len(hub.listeners) == 1

    assert hub.listeners == []
