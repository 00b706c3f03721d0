"""Leases: one holder, a new epoch each time, taken over only from the dead and the silent."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import Engine, delete, event, update

from daemons.database import Database
from daemons.errors import LeaseLost
from daemons.journal import Journal
from daemons.leases import BEAT_SECONDS, LEASE_SECONDS, Leases, check_lease
from daemons.models import DaemonTable, ManagerTable
from daemons.roster import DeclaredType, Roster
from tests.fake_clock import FakeClock

NOBODY = 2**22 + 1
"""No process has this id: Linux gives none above 2**22."""


@pytest.fixture
async def daemon_id(database: Database) -> str:
    roster = Roster(database)
    await roster.declare([DeclaredType("watch", "Watch", "")])
    return (await roster.row("watch")).id


async def watch(thief: Leases, daemon_id: str, clock: FakeClock, seconds: float) -> object:
    """Let `thief` ask for the lease every beat for `seconds`; return its last answer."""
    lease = await thief.take(daemon_id)
    for _ in range(int(seconds / BEAT_SECONDS)):
        await clock.advance(BEAT_SECONDS)
        lease = await thief.take(daemon_id)
    return lease


async def test_a_held_lease_is_not_given_to_another(database: Database, clock: FakeClock, daemon_id: str) -> None:
    first, second = Leases(database, clock), Leases(database, clock)
    await first.take(daemon_id)

    assert await second.take(daemon_id) is None


async def test_each_take_has_a_higher_epoch(database: Database, clock: FakeClock, daemon_id: str) -> None:
    leases = Leases(database, clock)

    first = await leases.take(daemon_id)
    second = await leases.take(daemon_id)

    assert first is not None
    assert second is not None
    assert second.epoch == first.epoch + 1


async def test_a_released_lease_is_free(database: Database, clock: FakeClock, daemon_id: str) -> None:
    first, second = Leases(database, clock), Leases(database, clock)
    lease = await first.take(daemon_id)
    assert lease is not None

    await first.release(lease)

    assert await second.take(daemon_id) is not None


async def test_a_silent_holder_loses_its_lease_after_a_whole_lease(
    database: Database, clock: FakeClock, daemon_id: str
) -> None:
    holder, thief = Leases(database, clock), Leases(database, clock)
    old = await holder.take(daemon_id)
    assert old is not None

    assert await watch(thief, daemon_id, clock, LEASE_SECONDS - BEAT_SECONDS) is None
    assert await watch(thief, daemon_id, clock, LEASE_SECONDS) is not None

    with pytest.raises(LeaseLost):
        await database.write(lambda tx: check_lease(tx, old))
    assert await holder.beat([old]) == {daemon_id}


@pytest.mark.parametrize("state", ["running", "stopped"])
async def test_from_the_death_of_its_process_on_a_daemon_that_ran_was_led_by_nobody(
    database: Database, clock: FakeClock, daemon_id: str, state: str
) -> None:
    holder, thief = Leases(database, clock), Leases(database, clock)
    await holder.join()
    await holder.take(daemon_id)
    await database.write(lambda tx: tx.execute(update(DaemonTable).values(state=state)).rowcount)
    heard = clock.now()

    await watch(thief, daemon_id, clock, LEASE_SECONDS + BEAT_SECONDS)

    told = await Journal(database, clock).history(daemon_id, kind="lease")
    if state == "stopped":
        assert told == []
        return
    lost, found = told
    assert (lost.at, lost.old, lost.new) == (heard, "held", "lost")
    assert (found.old, found.new) == ("lost", "held")
    assert found.at - lost.at >= timedelta(seconds=LEASE_SECONDS)


async def test_a_beating_holder_keeps_its_lease(database: Database, clock: FakeClock, daemon_id: str) -> None:
    holder, thief = Leases(database, clock), Leases(database, clock)
    lease = await holder.take(daemon_id)
    assert lease is not None

    for _ in range(20):
        await clock.advance(BEAT_SECONDS)
        assert await holder.beat([lease]) == set()
        assert await thief.take(daemon_id) is None


async def test_a_thief_that_was_away_itself_begins_its_watch_anew(
    database: Database, clock: FakeClock, daemon_id: str
) -> None:
    holder, thief = Leases(database, clock), Leases(database, clock)
    await holder.take(daemon_id)
    await thief.take(daemon_id)

    await clock.advance(10 * LEASE_SECONDS)

    assert await thief.take(daemon_id) is None


async def test_leaving_gives_everything_back(database: Database, clock: FakeClock, daemon_id: str) -> None:
    first, second = Leases(database, clock), Leases(database, clock)
    await first.join()
    await first.take(daemon_id)

    await first.leave()

    assert await second.take(daemon_id) is not None
    assert await second.managers() == []


async def test_a_silent_manager_is_dead_to_others_and_alive_to_itself(database: Database, clock: FakeClock) -> None:
    silent, other = Leases(database, clock), Leases(database, clock)
    await silent.join()
    await other.join()

    for _ in range(int(LEASE_SECONDS / BEAT_SECONDS) + 1):
        await other.dead_managers()
        await clock.advance(BEAT_SECONDS)

    assert await other.dead_managers() == {silent.manager_id}
    assert silent.manager_id not in await silent.dead_managers()


async def test_many_that_ask_at_once_are_told_by_one_look(database: Database, clock: FakeClock) -> None:
    leases = Leases(database, clock)
    await leases.join()
    looks: list[str] = []

    def note(*call: object) -> None:
        looks.append(str(call[2]))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        told = await asyncio.gather(*(leases.managers() for _ in range(50)))
        again = await leases.managers()
    finally:
        event.remove(Engine, "before_cursor_execute", note)

    assert all(each == again for each in told)
    assert len([look for look in looks if "managers" in look]) == 2


async def test_who_was_forgotten_while_suspended_is_known_again_with_the_next_beat(
    database: Database, clock: FakeClock
) -> None:
    leases = Leases(database, clock)
    await leases.join()
    await database.write(lambda tx: tx.execute(delete(ManagerTable)).rowcount)

    await leases.beat([])

    assert [manager.id for manager in await leases.managers()] == [leases.manager_id]


async def test_who_joins_forgets_the_dead_that_left_nothing_behind(database: Database, clock: FakeClock) -> None:
    gone, heir = Leases(database, clock), Leases(database, clock)
    await gone.join()
    await database.write(lambda tx: tx.execute(update(ManagerTable).values(pid=NOBODY)).rowcount)

    await heir.join()

    assert [manager.id for manager in await heir.managers()] == [heir.manager_id]


async def test_who_joins_keeps_the_dead_that_still_hold_something(
    database: Database, clock: FakeClock, daemon_id: str
) -> None:
    gone, heir = Leases(database, clock), Leases(database, clock)
    await gone.join()
    await gone.take(daemon_id)
    await database.write(lambda tx: tx.execute(update(ManagerTable).values(pid=NOBODY)).rowcount)

    await heir.join()

    assert await heir.dead_managers() == {gone.manager_id}


async def test_workers_are_told_with_what_they_have_in_hand(
    database: Database, clock: FakeClock, daemon_id: str
) -> None:
    idle, busy = Leases(database, clock), Leases(database, clock)
    await idle.join()
    await busy.join()
    await busy.take(daemon_id)

    workers = await busy.workers()

    assert [(worker.manager.id, worker.manager.is_this, worker.daemons, worker.jobs) for worker in workers] == [
        (busy.manager_id, True, 1, 0),
        (idle.manager_id, False, 0, 0),
    ]
