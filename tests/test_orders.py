"""Orders are checked at the door, fenced by the lease, and stored before they are answered."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import update

from daemons.bus import Bus
from daemons.database import Database
from daemons.dispatch.embedded import EmbeddedDispatcher
from daemons.errors import Invalid, LeaseLost, NotFound, UnknownName
from daemons.events import JobChanged, JobOffered, JobRemoved
from daemons.handlers import JobContext, JobSpec, job, spec_of
from daemons.jobs import Jobs
from daemons.journal import Journal
from daemons.leases import Leases
from daemons.models import LeaseTable
from daemons.orders import Orders
from daemons.roster import DeclaredType, Roster
from daemons.states import JobState, OnStop
from tests.fake_clock import FakeClock
from tests.recorder import Recorder


@job("scan")
async def scan(ctx: JobContext, args: dict[str, Any]) -> None:
    return


class Types:
    @property
    def jobs(self) -> dict[str, JobSpec]:
        spec = spec_of(scan)
        assert spec is not None
        return {"scan": spec}


@pytest.fixture
def orders(database: Database, clock: FakeClock, bus: Bus) -> Orders:
    return Orders(Types(), Jobs(database, clock), EmbeddedDispatcher(bus), database, clock, bus)


async def test_an_unknown_type_is_refused_naming_those_there_are(orders: Orders) -> None:
    with pytest.raises(UnknownName) as refused:
        await orders.create("scann")

    assert refused.value.error_code == "ERR_UNKNOWN_JOB_TYPE"
    assert refused.value.remedy == "Known types: scan."


@pytest.mark.parametrize(
    "wishes",
    [{"key": ""}, {"key": "k" * 256}, {"key": "a\0b"}, {"unique": "\n"}, {"priority": 10**9}, {"priority": True}],
    ids=str,
)
async def test_bad_wishes_are_refused(orders: Orders, wishes: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        await orders.create("scan", **wishes)


async def test_a_parent_must_exist(orders: Orders) -> None:
    with pytest.raises(NotFound):
        await orders.create("scan", parent="nobody")


async def test_an_order_is_announced_and_offered_with_its_commit(orders: Orders, events: Recorder) -> None:
    created = await orders.create("scan", {"n": 1})

    assert events.seen(JobChanged) == [JobChanged(created.job)]
    assert events.seen(JobOffered) == [JobOffered(created.job.id, 0)]


async def test_a_run_without_its_lease_orders_nothing(
    orders: Orders, database: Database, clock: FakeClock, events: Recorder
) -> None:
    roster, leases = Roster(database), Leases(database, clock)
    await leases.join()
    await roster.declare([DeclaredType("watch", "Watch", "")])
    row = await roster.row("watch")
    lease = await leases.take(row.id)
    assert lease is not None
    kept = await orders.create("scan", lease=lease, daemon=row, on_stop=OnStop.CANCEL)
    await database.write(lambda tx: tx.execute(update(LeaseTable).values(epoch=LeaseTable.epoch + 1)) and None)

    with pytest.raises(LeaseLost):
        await orders.create("scan", lease=lease, daemon=row)
    with pytest.raises(LeaseLost):
        await orders.cancel(kept.job.id, lease=lease)

    history = await Journal(database, clock).history(row.id)
    assert [entry.job_id for entry in history if entry.kind == "job"] == [kept.job.id]
    assert [one.job.daemon_name for one in events.seen(JobChanged)] == ["watch"]


async def test_the_jobs_of_a_daemon_can_be_cancelled_as_they_asked_for(
    orders: Orders, database: Database, clock: FakeClock
) -> None:
    roster = Roster(database)
    await roster.declare([DeclaredType("watch", "Watch", "")])
    row = await roster.row("watch")
    going_on = await orders.create("scan", daemon=row)
    ending = await orders.create("scan", daemon=row, on_stop=OnStop.CANCEL)
    foreign = await orders.create("scan")

    lease = await Leases(database, clock).take(row.id)
    assert lease is not None

    first = await orders.cancel_of_daemon(lease, only_on_stop_cancel=True, reason="It was stopped.")
    second = await orders.cancel_of_daemon(lease, only_on_stop_cancel=False, reason="It was stopped.")

    assert (first, second) == ([ending.job.id], [going_on.job.id])
    assert (await orders.cancel(foreign.job.id)).state is JobState.CANCELLED


async def test_who_lost_the_lease_cannot_cancel_the_jobs_of_the_next_run(
    orders: Orders, database: Database, clock: FakeClock
) -> None:
    roster = Roster(database)
    await roster.declare([DeclaredType("watch", "Watch", "")])
    row = await roster.row("watch")
    leases = Leases(database, clock)
    old = await leases.take(row.id)
    assert old is not None
    await leases.take(row.id)
    job = (await orders.create("scan", daemon=row, on_stop=OnStop.CANCEL)).job

    with pytest.raises(LeaseLost):
        await orders.cancel_of_daemon(old, only_on_stop_cancel=False, reason="It was stopped.")

    assert (await Jobs(database, clock).get(job.id)).state is JobState.QUEUED


async def test_a_cancel_of_a_finished_job_changes_nothing(orders: Orders) -> None:
    created = await orders.create("scan")
    first = await orders.cancel(created.job.id, reason="Once.")

    assert await orders.cancel(created.job.id, reason="Twice.") == first
    with pytest.raises(NotFound):
        await orders.cancel("nobody")


async def test_waiting_ends_with_the_job(orders: Orders, clock: FakeClock) -> None:
    created = await orders.create("scan")
    waiting = [asyncio.create_task(orders.wait(created.job.id)) for _ in range(3)]
    await clock.idle()

    cancelled = await orders.cancel(created.job.id)

    assert await asyncio.gather(*waiting) == [cancelled] * 3
    assert await orders.wait(created.job.id) == cancelled


async def test_waiting_for_a_removed_job_ends_too(orders: Orders, clock: FakeClock, bus: Bus) -> None:
    created = await orders.create("scan")
    waiting = asyncio.create_task(orders.wait(created.job.id))
    await clock.idle()

    bus.publish(JobRemoved(created.job.id))

    with pytest.raises(NotFound):
        await waiting


@pytest.mark.databases("postgresql")
async def test_an_end_in_another_process_is_seen_within_seconds(
    orders: Orders, database: Database, clock: FakeClock, database_url: str
) -> None:
    created = await orders.create("scan")
    waiting = asyncio.create_task(orders.wait(created.job.id))
    await clock.idle()
    silent = Bus()
    async with Database(database_url, clock, silent) as other:
        elsewhere = Orders(Types(), Jobs(other, clock), EmbeddedDispatcher(silent), other, clock, silent)
        await elsewhere.cancel(created.job.id)
    await clock.advance(3)

    assert (await waiting).state is JobState.CANCELLED
