"""Readings: figures are folded by the minute, equal errors counted."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from daemons.database import Database
from daemons.errors import NotFound
from daemons.leases import Leases
from daemons.readings import ERRORS_KEPT, REPORTS_WAITING, Readings
from daemons.roster import DeclaredType, Roster
from daemons.values import Lease
from tests.fake_clock import FakeClock


@pytest.fixture
async def readings(database: Database, clock: FakeClock) -> AsyncIterator[Readings]:
    async with Readings(database, clock) as readings:
        yield readings


@pytest.fixture
async def lease(database: Database, clock: FakeClock) -> Lease:
    roster = Roster(database)
    await roster.declare([DeclaredType("watch", "Watch", "")])
    lease = await Leases(database, clock).take((await roster.row("watch")).id)
    assert lease is not None
    return lease


async def test_figures_of_one_minute_are_one_point(readings: Readings, lease: Lease, clock: FakeClock) -> None:
    readings.metric(lease, "items", 3, "items")
    readings.metric(lease, "items", 5, "items")
    await readings.flush()
    readings.metric(lease, "items", 1, "items")
    await readings.flush()

    points = await readings.metrics(lease.daemon_id, since=clock.now() - timedelta(hours=1))

    assert [(p.count, p.total, p.minimum, p.maximum, p.last) for p in points] == [(3, 9, 1, 5, 1)]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
async def test_what_is_no_figure_is_ignored(readings: Readings, lease: Lease, clock: FakeClock, value: float) -> None:
    readings.metric(lease, "items", value)
    await readings.flush()

    assert await readings.metrics(lease.daemon_id, since=clock.now() - timedelta(hours=1)) == []


async def test_equal_errors_are_counted(readings: Readings, lease: Lease, clock: FakeClock) -> None:
    for _ in range(3):
        readings.report(lease, "ERR_AWAY", "The server is away.")
        await clock.advance(1)
    await readings.flush()

    errors = await readings.errors(lease.daemon_id)

    assert [(error.code, error.count) for error in errors] == [("ERR_AWAY", 3)]
    assert errors[0].last_seen - errors[0].first_seen == timedelta(seconds=2)


async def test_a_resolved_error_that_comes_again_is_new(readings: Readings, lease: Lease) -> None:
    readings.report(lease, "ERR_AWAY", "The server is away.")
    await readings.flush()
    (first,) = await readings.errors(lease.daemon_id)

    await readings.resolve(lease.daemon_id, first.id)
    readings.report(lease, "ERR_AWAY", "The server is away.")
    await readings.flush()

    errors = await readings.errors(lease.daemon_id)
    assert [(error.count, error.resolved_at is None) for error in errors] == [(1, True), (1, False)]


async def test_errors_that_are_never_the_same_are_kept_in_a_bounded_number(
    readings: Readings, lease: Lease, clock: FakeClock
) -> None:
    for number in range(ERRORS_KEPT + 5):
        readings.report(lease, "ERR_AWAY", f"Item {number} could not be had.")
        if number % REPORTS_WAITING == REPORTS_WAITING - 1:
            await readings.flush()
            await clock.advance(1)
    await readings.flush()

    removed = await readings.prune(clock.now() - timedelta(days=1))

    newest = await readings.errors(lease.daemon_id, limit=2)
    assert removed == 5
    assert newest[0].message.startswith("Item 100")


async def test_resolving_nothing_or_what_is_anothers_is_said(readings: Readings, lease: Lease) -> None:
    readings.report(lease, "ERR_AWAY", "The server is away.")
    await readings.flush()
    (error,) = await readings.errors(lease.daemon_id)

    for daemon_id, error_id in ((lease.daemon_id, 12345), ("another", error.id)):
        with pytest.raises(NotFound):
            await readings.resolve(daemon_id, error_id)


async def test_figures_are_folded_by_the_hour(readings: Readings, lease: Lease, clock: FakeClock) -> None:
    began = clock.now()
    for value in (10.0, 20.0, 30.0, 70.0):
        readings.metric(lease, "memory", value, "%")
        readings.metric(lease, "other", 1.0)
        await readings.flush()
        await clock.advance(1800)

    hours = [point for point in await readings.hourly(lease.daemon_id, since=began) if point.name == "memory"]

    assert sum(point.count for point in hours) == 4
    assert sum(point.total for point in hours) == 130
    assert [point.at for point in hours] == sorted(point.at for point in hours)
    assert len({(point.at.date(), point.at.hour) for point in hours}) == len(hours) <= 3
