"""The roster: commands are durable wishes, states move by the table and under a lease only."""

from datetime import timedelta

import pytest

from daemons.clock import Clock
from daemons.database import Database
from daemons.errors import Conflict, Invalid, LeaseLost
from daemons.events import DaemonRemoved, DaemonRowChanged
from daemons.journal import Journal
from daemons.leases import Leases
from daemons.roster import DaemonDisabled, DeclaredType, Roster, StaleConfiguration, UnknownDaemon
from daemons.states import DaemonState, Desired, IllegalTransition, StopMode
from daemons.values import LastError, Lease
from tests.recorder import Recorder

WATCH = DeclaredType("watch", "Watch", "Watches a folder.")


@pytest.fixture
async def roster(database: Database) -> Roster:
    roster = Roster(database)
    await roster.declare([WATCH])
    return roster


async def lease_of(database: Database, clock: Clock, roster: Roster, name: str = "watch") -> Lease:
    lease = await Leases(database, clock).take((await roster.row(name)).id)
    assert lease is not None
    return lease


async def test_every_type_gets_one_instance_of_its_name(roster: Roster) -> None:
    await roster.declare([WATCH])

    rows = await roster.rows()

    assert [(row.name, row.title, row.enabled, row.auto_start) for row in rows] == [("watch", "Watch", True, False)]
    assert (rows[0].desired, rows[0].state, rows[0].switched_at) == (Desired.OFF, DaemonState.STOPPED, None)


async def test_a_daemon_is_found_by_name_and_by_id(roster: Roster) -> None:
    row = await roster.row("watch")

    assert await roster.row(row.id) == row


async def test_an_unknown_daemon_is_said_by_name(roster: Roster) -> None:
    with pytest.raises(UnknownDaemon, match="nobody"):
        await roster.row("nobody")


async def test_a_taken_name_is_refused(roster: Roster) -> None:
    with pytest.raises(Conflict) as refused:
        await roster.add("watch", "watch", {})

    assert refused.value.error_code == "ERR_NAME_TAKEN"


async def test_start_writes_a_wish_and_tells_it(roster: Roster, events: Recorder) -> None:
    row = await roster.start("watch", reason="by hand")

    told = await events.next(DaemonRowChanged, lambda event: event.row.desired is Desired.ON)
    assert told.row == row
    assert (row.state, row.switched_at is not None) == (DaemonState.STOPPED, True)


async def test_a_disabled_daemon_cannot_be_started(roster: Roster) -> None:
    await roster.edit("watch", enabled=False)

    with pytest.raises(DaemonDisabled):
        await roster.start("watch")


async def test_start_after_failure_is_also_a_reset(database: Database, clock: Clock, roster: Roster) -> None:
    lease = await lease_of(database, clock, roster)
    await roster.move(lease, DaemonState.FAILED, reason="crashed")

    row = await roster.start("watch")

    assert row.reset_revision == 1


async def test_a_pause_in_the_past_is_refused(clock: Clock, roster: Roster) -> None:
    with pytest.raises(Invalid):
        await roster.pause("watch", clock.now() - timedelta(seconds=1))


async def test_a_pause_ends_only_when_its_time_is_over(clock: Clock, roster: Roster) -> None:
    await roster.start("watch")
    await roster.pause("watch", clock.now() + timedelta(minutes=5))

    row = await roster.wake_from_pause("watch")

    assert row.desired is Desired.PAUSED


async def test_pausing_what_is_off_leaves_it_off(roster: Roster) -> None:
    paused = await roster.pause("watch", None)
    resumed = await roster.resume("watch")

    assert (paused.desired, resumed.desired) == (Desired.OFF, Desired.OFF)


async def test_auto_start_decides_for_what_nobody_has_switched(roster: Roster) -> None:
    await roster.add("watch", "switched", {}, auto_start=True)
    await roster.stop("switched")
    await roster.edit("watch", auto_start=True)

    await roster.decide_auto_starts()
    begun = {row.name: row.desired for row in await roster.rows()}
    await roster.edit("watch", auto_start=False)
    await roster.decide_auto_starts()

    assert begun == {"watch": Desired.ON, "switched": Desired.OFF}
    assert (await roster.row("watch")).desired is Desired.OFF


async def test_resume_does_nothing_to_a_stopped_daemon(roster: Roster) -> None:
    assert (await roster.resume("watch")).desired is Desired.OFF


async def test_a_stale_edit_is_refused_with_both_revisions(roster: Roster) -> None:
    await roster.edit("watch", configuration={"interval": 5}, configuration_revision=1)

    with pytest.raises(StaleConfiguration) as refused:
        await roster.edit("watch", configuration={"interval": 6}, configuration_revision=1)

    assert (refused.value.expected, refused.value.actual) == (1, 2)


async def test_an_edit_without_a_change_keeps_the_revision(roster: Roster) -> None:
    assert (await roster.edit("watch", configuration={})).configuration_revision == 1


async def test_the_first_of_a_type_cannot_be_removed(roster: Roster) -> None:
    with pytest.raises(Conflict) as refused:
        await roster.remove("watch")

    assert refused.value.error_code == "ERR_FIRST_OF_TYPE"


async def test_a_daemon_that_is_wanted_cannot_be_removed(roster: Roster) -> None:
    await roster.add("watch", "second", {})
    await roster.start("second")

    with pytest.raises(Conflict):
        await roster.remove("second")


async def test_a_removed_daemon_is_gone_and_told(roster: Roster, events: Recorder) -> None:
    added = await roster.add("watch", "second", {})

    await roster.remove("second")

    assert (await events.next(DaemonRemoved)).id == added.id
    assert [row.name for row in await roster.rows()] == ["watch"]


async def test_a_state_moves_by_the_table_only(database: Database, clock: Clock, roster: Roster) -> None:
    lease = await lease_of(database, clock, roster)

    with pytest.raises(IllegalTransition, match="stopped to running"):
        await roster.move(lease, DaemonState.RUNNING)


async def test_a_state_is_not_moved_under_an_old_lease(database: Database, clock: Clock, roster: Roster) -> None:
    old = await lease_of(database, clock, roster)
    await Leases(database, clock).release(old)
    await lease_of(database, clock, roster)

    with pytest.raises(LeaseLost):
        await roster.move(old, DaemonState.STARTING)


async def test_moves_and_wishes_are_history(database: Database, clock: Clock, roster: Roster) -> None:
    lease = await lease_of(database, clock, roster)
    await roster.start("watch")
    await roster.move(lease, DaemonState.STARTING)
    await roster.stop("watch", StopMode.DRAIN)

    history = await Journal(database, clock).history(lease.daemon_id)

    told = [(entry.kind, entry.old, entry.new) for entry in history]
    assert told == [("desired", "off", "on"), ("state", "stopped", "starting"), ("desired", "on", "off")]


async def test_an_error_of_a_crash_is_kept(database: Database, clock: Clock, roster: Roster) -> None:
    lease = await lease_of(database, clock, roster)
    error = LastError("ERR_BOOM", "It broke.", clock.now(), "Mend it.")

    await roster.move(lease, DaemonState.FAILED, error=error, restarts=5)

    row = await roster.row("watch")
    assert (row.last_error, row.restarts) == (error, 5)
