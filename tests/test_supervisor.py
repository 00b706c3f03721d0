"""Supervision: what is desired becomes true, whatever a daemon does and whoever commands it."""

import asyncio
import sys
import threading
from collections import Counter
from datetime import timedelta
from typing import ClassVar

import pytest
from pydantic import Field
from sqlalchemy import update

from daemons.base import BaseDaemon, daemon
from daemons.bus import Bus
from daemons.database import Database
from daemons.events import DaemonChanged
from daemons.handlers import JobContext, job
from daemons.models import DaemonTable, LeaseTable
from daemons.options import NEEDS_RESTART, DaemonOptions
from daemons.roster import DaemonDisabled
from daemons.states import DaemonState, Desired, JobState, LogLevel, StopMode
from daemons.supervisor.lifecycle import GRACE
from daemons.supervisor.watchdog import BLOCKED_AFTER, PERIOD
from tests.engine_deck import DeckSettings, open_deck
from tests.fake_clock import FakeClock

RUNNING, STOPPED, PAUSED, FAILED = DaemonState.RUNNING, DaemonState.STOPPED, DaemonState.PAUSED, DaemonState.FAILED
BACKOFF, FINISHED, STUCK, STOPPING = (
    DaemonState.BACKOFF,
    DaemonState.FINISHED,
    DaemonState.STUCK,
    DaemonState.STOPPING,
)


@daemon("watch")
class Watch(BaseDaemon):
    """Looks now and then."""

    live: ClassVar[Counter[str]] = Counter()
    most: ClassVar[Counter[str]] = Counter()
    looks: ClassVar[Counter[str]] = Counter()

    class Options(DaemonOptions):
        interval: float = Field(300.0, gt=0, description="Seconds between two looks.")
        folder: str = Field("a", description="Where to look.", json_schema_extra=NEEDS_RESTART)

    async def run(self) -> None:
        self.live[self.name] += 1
        self.most[self.name] = max(self.most[self.name], self.live[self.name])
        try:
            while self.is_running:
                self.looks[self.name] += 1
                await self.update_status(f"Looking into {self.options.folder}")
                await self.sleep(self.options.interval, "Nothing there, sleeping for {seconds} seconds")
        finally:
            self.live[self.name] -= 1


@daemon("crasher")
class Crasher(BaseDaemon):
    """Falls over."""

    async def run(self) -> None:
        await self.update_status("About to fall")
        raise ValueError("the floor is wet")


@daemon("stubborn")
class Stubborn(BaseDaemon):
    """Swallows cancellation until it is let go."""

    let_go: ClassVar[asyncio.Event]

    async def run(self) -> None:
        while not self.let_go.is_set():
            try:
                await self.let_go.wait()
            except asyncio.CancelledError:
                await self.update_status("Not now")


@pytest.fixture(autouse=True)
def forget() -> None:
    for counter in (Watch.live, Watch.most, Watch.looks):
        counter.clear()
    Stubborn.let_go = asyncio.Event()


async def test_a_started_daemon_runs_and_is_seen_and_a_stopped_one_is_silent(
    database: Database, clock: FakeClock, bus: Bus
) -> None:
    async with open_deck(database, clock, bus, Watch) as deck:
        await deck.roster.start("watch")
        running = await deck.until("watch", RUNNING)
        await clock.idle()
        said = deck.daemon("watch").live

        await deck.roster.stop("watch")
        stopped = await deck.until("watch", STOPPED)

    assert running.row.started_at is not None
    assert said.current_status == "Nothing there, sleeping for 300 seconds"
    assert said.next_wake_at == clock.now() + timedelta(seconds=300)
    assert stopped.live.current_status is None
    assert Watch.live["watch"] == 0


async def test_a_storm_of_commands_makes_one_run_at_a_time(database: Database, clock: FakeClock, bus: Bus) -> None:
    async with open_deck(database, clock, bus, Watch) as deck:
        roster = deck.roster
        for _ in range(5):
            await asyncio.gather(
                roster.start("watch"), roster.start("watch"), roster.restart("watch"), roster.stop("watch")
            )
        await roster.start("watch")
        await deck.supervisor.settled()
        await clock.idle()

        assert deck.daemon("watch").state is RUNNING
        assert Watch.live["watch"] == Watch.most["watch"] == 1


async def test_a_crashed_daemon_restarts_without_touching_its_neighbours(
    database: Database, clock: FakeClock, bus: Bus
) -> None:
    async with open_deck(database, clock, bus, Watch, Crasher) as deck:
        await deck.roster.start("watch")
        await deck.roster.start("crasher")

        crashed = await deck.until("crasher", BACKOFF)
        await clock.advance(1.5)
        again = await deck.until("crasher", BACKOFF)
        await deck.supervisor.settled()

        assert crashed.row.last_error is not None
        assert crashed.row.last_error.code == "ERR_VALUE"
        assert crashed.row.last_error.message == "the floor is wet"
        assert crashed.live.current_status is None
        assert again.row.restarts == 1
        assert any("in run\n    raise ValueError" in message for message in await deck.log_of("crasher"))
        assert Watch.looks["watch"] == 1
        assert deck.daemon("watch").state is RUNNING


async def test_five_crashes_in_ten_minutes_are_a_failure_until_reset(
    database: Database, clock: FakeClock, bus: Bus
) -> None:
    async with open_deck(database, clock, bus, Crasher) as deck:
        await deck.roster.start("crasher")
        await clock.advance(20)

        failed = deck.daemon("crasher")
        await clock.advance(120)
        still = deck.daemon("crasher")
        await deck.roster.reset("crasher")
        reset = await deck.until("crasher", BACKOFF)

        assert failed.state is FAILED
        assert failed.row.restarts == 4
        assert still.row.started_at == failed.row.started_at
        assert reset.row.restarts == 0


async def test_starting_a_failed_daemon_resets_it(database: Database, clock: FakeClock, bus: Bus) -> None:
    async with open_deck(database, clock, bus, Crasher) as deck:
        await deck.roster.start("crasher")
        await clock.advance(20)
        assert deck.daemon("crasher").state is FAILED

        await deck.roster.start("crasher")

        assert (await deck.until("crasher", BACKOFF)).row.desired is Desired.ON


async def test_a_run_that_returns_is_finished_and_starts_when_asked(
    database: Database, clock: FakeClock, bus: Bus
) -> None:
    runs = 0

    @daemon("once")
    class Once(BaseDaemon):
        async def run(self) -> None:
            nonlocal runs
            runs += 1

    async with open_deck(database, clock, bus, Once) as deck:
        await deck.roster.start("once")
        await clock.advance(5)
        first = deck.daemon("once").state, runs
        await deck.roster.start("once")
        await clock.advance(5)

        assert first == (FINISHED, 1)
        assert (deck.daemon("once").state, runs) == (FINISHED, 2)


async def test_a_failing_on_start_is_a_crash_and_on_stop_is_not_called(
    database: Database, clock: FakeClock, bus: Bus
) -> None:
    calls = []

    @daemon("unready")
    class Unready(BaseDaemon):
        async def on_start(self) -> None:
            raise OSError("no such device")

        async def run(self) -> None:
            calls.append("run")

        async def on_stop(self) -> None:
            calls.append("on_stop")

    async with open_deck(database, clock, bus, Unready) as deck:
        await deck.roster.start("unready")

        crashed = await deck.until("unready", BACKOFF)

    assert crashed.row.last_error is not None
    assert crashed.row.last_error.message == "no such device"
    assert calls == []


async def test_on_stop_may_still_speak_and_is_bounded(database: Database, clock: FakeClock, bus: Bus) -> None:
    @daemon("tidy")
    class Tidy(Watch):
        async def on_stop(self) -> None:
            await self.log(LogLevel.INFO, "Tidying up")
            await asyncio.Event().wait()

    async with open_deck(database, clock, bus, Tidy) as deck:
        await deck.roster.start("tidy")
        await deck.until("tidy", RUNNING)

        await deck.roster.stop("tidy")
        await clock.advance(GRACE - 1)

        assert deck.daemon("tidy").state is STOPPED
        log = await deck.log_of("tidy")
        assert "Tidying up" in log
        assert any("on_stop took longer" in message for message in log)


async def test_who_swallows_cancellation_is_stuck_and_never_runs_twice(
    database: Database, clock: FakeClock, bus: Bus
) -> None:
    async with open_deck(database, clock, bus, Stubborn, Watch) as deck:
        await deck.roster.start("stubborn")
        await deck.roster.start("watch")
        await deck.until("stubborn", RUNNING)

        await deck.roster.stop("stubborn")
        await clock.advance(GRACE + 1)
        stuck = deck.daemon("stubborn")
        await deck.roster.start("stubborn")
        await clock.advance(20)
        still = deck.daemon("stubborn")
        Stubborn.let_go.set()
        await clock.idle()

        assert stuck.state is still.state is STUCK
        assert stuck.row.last_error is not None
        assert stuck.row.last_error.code == "ERR_STUCK"
        assert stuck.live.current_status is None
        assert deck.daemon("watch").state is RUNNING
        assert FINISHED in [event.daemon.state for event in deck.events.seen(DaemonChanged)]


async def test_a_stuck_daemon_that_ends_after_all_is_stopped(database: Database, clock: FakeClock, bus: Bus) -> None:
    async with open_deck(database, clock, bus, Stubborn) as deck:
        await deck.roster.start("stubborn")
        await deck.until("stubborn", RUNNING)
        await deck.roster.stop("stubborn")
        await clock.advance(GRACE + 1)

        Stubborn.let_go.set()

        assert (await deck.until("stubborn", STOPPED)).row.desired is Desired.OFF


@pytest.mark.parametrize("ends_by_itself", [True, False])
async def test_draining_finishes_the_item_in_hand(
    ends_by_itself: bool, database: Database, clock: FakeClock, bus: Bus
) -> None:
    done, at_work, may_finish = [], asyncio.Event(), asyncio.Event()

    @daemon("worker")
    class Worker(BaseDaemon):
        async def run(self) -> None:
            while self.is_running or not ends_by_itself:
                at_work.set()
                await may_finish.wait()
                done.append("item")
                await self.sleep(60)

    async with open_deck(database, clock, bus, Worker) as deck:
        await deck.roster.start("worker")
        await deck.until("worker", RUNNING)
        await at_work.wait()

        await deck.roster.stop("worker", StopMode.DRAIN)
        await clock.advance(60)
        draining = deck.daemon("worker")
        may_finish.set()
        await deck.until("worker", STOPPED)

    assert (draining.state, draining.row.stop_mode) == (STOPPING, "drain")
    assert done == ["item"] if ends_by_itself else ["item", "item"]


async def test_a_drain_that_cuts_a_sleep_short_does_not_wait_for_the_next(
    database: Database, clock: FakeClock, bus: Bus
) -> None:
    @daemon("endless")
    class Endless(BaseDaemon):
        async def run(self) -> None:
            while True:
                await self.sleep(300)

    async with open_deck(database, clock, bus, Endless) as deck:
        await deck.roster.start("endless")
        await deck.until("endless", RUNNING)
        await clock.idle()

        await deck.roster.stop("endless", StopMode.DRAIN)
        await clock.advance(3)

        assert deck.daemon("endless").state is STOPPED


async def test_a_drain_does_not_wait_for_a_long_plain_sleep(database: Database, clock: FakeClock, bus: Bus) -> None:
    @daemon("plain")
    class Plain(BaseDaemon):
        async def run(self) -> None:
            while self.is_running:
                await self.update_status("No items found, sleeping for 300 seconds")
                await asyncio.sleep(300)

    async with open_deck(database, clock, bus, Plain) as deck:
        await deck.roster.start("plain")
        await deck.until("plain", RUNNING)

        await deck.roster.stop("plain", StopMode.DRAIN)
        await clock.advance(3)

        assert deck.daemon("plain").state is STOPPED


async def test_stopping_now_interrupts_a_drain(database: Database, clock: FakeClock, bus: Bus) -> None:
    @daemon("endless")
    class Endless(BaseDaemon):
        async def run(self) -> None:
            await asyncio.Event().wait()

    async with open_deck(database, clock, bus, Endless) as deck:
        await deck.roster.start("endless")
        await deck.until("endless", RUNNING)
        await deck.roster.stop("endless", StopMode.DRAIN)
        await deck.until("endless", STOPPING)

        await deck.roster.stop("endless", StopMode.NOW)

        assert await deck.until("endless", STOPPED)


@job("endless_job")
async def endless_job(ctx: JobContext) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("mode", "ends"), [(StopMode.NOW, {"continue": False, "cancel": True}), (StopMode.CANCEL_JOBS, {"continue": True})]
)
async def test_what_becomes_of_jobs_is_decided_by_the_job_and_the_mode(
    mode: StopMode, ends: dict[str, bool], database: Database, clock: FakeClock, bus: Bus
) -> None:
    @daemon("orderer")
    class Orderer(BaseDaemon):
        async def run(self) -> None:
            for on_stop in ends:
                mine = await self.create_job("endless_job", key=on_stop, on_stop=on_stop)
            await self.wait_for(mine)

    async with open_deck(database, clock, bus, Orderer, endless_job) as deck:
        await deck.roster.start("orderer")
        await deck.until("orderer", RUNNING)
        await clock.advance(5)

        await deck.roster.stop("orderer", mode)
        await deck.until("orderer", STOPPED)
        await clock.advance(10)

        jobs = (await deck.jobs.list()).items
        assert {one.key: one.state is JobState.CANCELLED for one in jobs} == ends


async def test_a_pause_ends_at_its_time_also_across_a_restart(database: Database, clock: FakeClock, bus: Bus) -> None:
    async with open_deck(database, clock, bus, Watch) as deck:
        await deck.roster.start("watch")
        await deck.until("watch", RUNNING)
        await deck.roster.pause("watch", clock.now() + timedelta(seconds=90), reason="backup")
        paused = await deck.until("watch", PAUSED)
        await clock.advance(30)
    async with open_deck(database, clock, bus, Watch) as deck:
        still = deck.daemon("watch").state
        await clock.advance(61)
        resumed = deck.daemon("watch")

    assert paused.row.state_reason == "backup"
    assert still is PAUSED
    assert (resumed.state, resumed.row.desired) == (RUNNING, Desired.ON)


async def test_a_disabled_daemon_is_not_started_and_disabling_stops(
    database: Database, clock: FakeClock, bus: Bus
) -> None:
    async with open_deck(database, clock, bus, Watch) as deck:
        await deck.roster.start("watch")
        await deck.until("watch", RUNNING)

        await deck.roster.edit("watch", enabled=False)
        await deck.until("watch", STOPPED)

        with pytest.raises(DaemonDisabled):
            await deck.roster.start("watch")


async def test_boot_brings_back_what_was_on_and_leaves_off_what_was_off(
    database: Database, clock: FakeClock, bus: Bus
) -> None:
    async with open_deck(database, clock, bus, Watch) as deck:
        for name in ("on", "off", "auto", "auto_off"):
            await deck.roster.add("watch", name, {}, auto_start=name.startswith("auto"))
        await deck.roster.start("on")
        await deck.roster.start("auto_off")
        await deck.until("auto_off", RUNNING)
        await deck.roster.stop("auto_off")
        await deck.until("on", RUNNING)
    assert sum(Watch.live.values()) == 0

    async with open_deck(database, clock, bus, Watch) as deck:
        states = {shown.name: shown.state for shown in deck.board.all()}
        desired = {name: deck.daemon(name).row.desired for name in ("on", "auto", "auto_off")}

    assert states == {"auto": RUNNING, "auto_off": STOPPED, "off": STOPPED, "on": RUNNING, "watch": STOPPED}
    assert desired == {"on": Desired.ON, "auto": Desired.ON, "auto_off": Desired.OFF}


async def test_a_row_left_running_by_a_dead_process_is_made_true(
    database: Database, clock: FakeClock, bus: Bus
) -> None:
    async with open_deck(database, clock, bus, Watch) as deck:
        await deck.roster.add("watch", "left_on", {})
        await deck.roster.add("watch", "left_off", {})
    lying = update(DaemonTable).where(DaemonTable.name.like("left%")).values(state="running", switched_at=clock.now())
    await database.write(lambda tx: tx.execute(lying))
    wanted = update(DaemonTable).where(DaemonTable.name == "left_on").values(desired="on")
    await database.write(lambda tx: tx.execute(wanted))

    async with open_deck(database, clock, bus, Watch) as deck:
        history = await deck.journal.history(deck.daemon("left_on").id)

        assert deck.daemon("left_on").state is RUNNING
        assert deck.daemon("left_off").state is STOPPED
        assert [entry.new for entry in history][-3:] == ["stopped", "starting", "running"]


async def test_a_row_whose_type_is_gone_fails_with_a_sentence(database: Database, clock: FakeClock, bus: Bus) -> None:
    async with open_deck(database, clock, bus, Watch, Crasher) as deck:
        await deck.roster.start("watch")
        await deck.until("watch", RUNNING)

    async with open_deck(database, clock, bus, Crasher) as deck:
        failed = await deck.until("watch", FAILED)
        await deck.roster.stop("watch")
        stopped = await deck.until("watch", STOPPED)

    assert failed.row.last_error is not None
    assert failed.row.last_error.code == "ERR_UNKNOWN_DAEMON_TYPE"
    assert failed.row.state_reason == "There is no daemon type named watch any more."
    assert stopped.row.desired is Desired.OFF


async def test_bad_options_fail_one_daemon_naming_key_and_source(
    database: Database, clock: FakeClock, bus: Bus
) -> None:
    settings = DeckSettings(overrides={"watch": {"interval": "often"}})
    async with open_deck(database, clock, bus, Watch, Crasher, settings=settings) as deck:
        await deck.roster.add("watch", "other", {})
        await deck.roster.start("watch")
        await deck.roster.start("other")

        failed = await deck.until("watch", FAILED)
        assert await deck.until("other", RUNNING)

    assert failed.row.last_error is not None
    assert failed.row.last_error.code == "ERR_INVALID_OPTION"
    assert failed.row.last_error.message.startswith("interval: Input should be a valid number")
    assert "environment" in failed.row.last_error.message


async def test_new_options_take_effect_at_once_but_for_those_that_need_a_restart(
    database: Database, clock: FakeClock, bus: Bus
) -> None:
    async with open_deck(database, clock, bus, Watch) as deck:
        await deck.roster.start("watch")
        await deck.until("watch", RUNNING)
        await clock.idle()

        await deck.roster.edit("watch", configuration={"interval": 5, "folder": "b"})
        await clock.idle()
        changed = deck.daemon("watch").live.current_status
        log = await deck.log_of("watch")
        await deck.roster.restart("watch")
        await clock.idle()
        statuses = [event.daemon.live.current_status for event in deck.events.seen(DaemonChanged)]

    assert changed == "Nothing there, sleeping for 5 seconds"
    assert log == ["Takes effect after a restart: folder."]
    assert Watch.looks["watch"] == 3
    assert "Looking into b" in statuses


async def test_bad_new_options_keep_the_old_ones(database: Database, clock: FakeClock, bus: Bus) -> None:
    async with open_deck(database, clock, bus, Watch) as deck:
        await deck.roster.start("watch")
        await deck.until("watch", RUNNING)

        await deck.roster.edit("watch", configuration={"intervall": 5})
        await clock.idle()

        assert deck.daemon("watch").state is RUNNING
        assert await deck.log_of("watch") == [
            "The new options are not used: intervall: there is no such option (from the row)."
        ]


async def test_a_wake_ends_the_sleep(database: Database, clock: FakeClock, bus: Bus) -> None:
    async with open_deck(database, clock, bus, Watch) as deck:
        await deck.roster.start("watch")
        await clock.idle()

        await deck.roster.wake("watch")
        await clock.idle()

        assert Watch.looks["watch"] == 2


async def test_tasks_a_daemon_leaves_behind_end_with_it(database: Database, clock: FakeClock, bus: Bus) -> None:
    @daemon("leaky")
    class Leaky(BaseDaemon):
        async def run(self) -> None:
            for _ in range(100):
                asyncio.get_running_loop().create_task(asyncio.Event().wait())
            await self.sleep(60)

    async with open_deck(database, clock, bus, Leaky) as deck:
        before = len(asyncio.all_tasks())
        await deck.roster.start("leaky")
        await clock.idle()
        during = len(asyncio.all_tasks())

        await deck.roster.stop("leaky")
        await deck.until("leaky", STOPPED)
        await clock.idle()

        assert during > before + 100
        assert len(asyncio.all_tasks()) == before


async def test_a_daemon_that_exits_the_program_ends_only_itself(database: Database, clock: FakeClock, bus: Bus) -> None:
    @daemon("exiter")
    class Exiter(BaseDaemon):
        async def run(self) -> None:
            sys.exit("good bye")

    async with open_deck(database, clock, bus, Exiter) as deck:
        await deck.roster.start("exiter")

        crashed = await deck.until("exiter", BACKOFF)

    assert crashed.row.last_error is not None
    assert crashed.row.last_error.message == "good bye"


async def test_silence_is_told_with_its_place_but_sleeping_is_not_silence(
    database: Database, clock: FakeClock, bus: Bus
) -> None:
    @daemon("hanging")
    class Hanging(BaseDaemon):
        async def run(self) -> None:
            await self.update_status("Fetching")
            await asyncio.Event().wait()

    @daemon("dozing")
    class Dozing(BaseDaemon):
        async def run(self) -> None:
            await asyncio.sleep(3600)

    async with open_deck(database, clock, bus, Watch, Hanging, Dozing) as deck:
        for name in ("watch", "hanging", "dozing"):
            await deck.roster.start(name)
        await clock.advance(95)

        silent = {shown.name: shown.live.silent for shown in deck.board.all()}
        log = await deck.log_of("hanging")
        stack = deck.supervisor.stack("hanging")

    assert silent == {"watch": False, "hanging": True, "dozing": False}
    assert [message.split(".")[0] for message in log] == ["Nothing was heard for 91 s, more than the promised 90 s"]
    assert "await asyncio.Event().wait()" in log[0]
    assert stack.running
    assert stack.frames[0].function.endswith("Hanging.run")
    assert stack.frames[0].code == "await asyncio.Event().wait()"


async def test_a_run_that_lost_its_lease_ends_and_writes_nothing(
    database: Database, clock: FakeClock, bus: Bus
) -> None:
    steal = update(LeaseTable).values(holder="somebody else", epoch=LeaseTable.epoch + 1)

    async with open_deck(database, clock, bus, Watch) as deck:
        await deck.roster.start("watch")
        await deck.until("watch", RUNNING)

        await database.write(lambda tx: tx.execute(steal))
        await clock.advance(5)

        assert Watch.live["watch"] == 0
        assert deck.supervisor.stack("watch").running is False
        row = await deck.roster.row("watch")
        assert row.state is RUNNING  # the new holder's to change


async def test_a_lost_lease_ends_a_daemon_that_catches_every_error(
    database: Database, clock: FakeClock, bus: Bus
) -> None:
    steal = update(LeaseTable).values(holder="somebody else", epoch=LeaseTable.epoch + 1)
    go_on, refused = asyncio.Event(), []

    @daemon("eager")
    class Eager(BaseDaemon):
        async def run(self) -> None:
            await go_on.wait()
            while self.is_running:
                try:
                    await self.create_job("endless_job")
                except Exception as error:  # noqa: BLE001 - as authors do
                    refused.append(error)
                await self.update_status("Going on regardless")

    async with open_deck(database, clock, bus, Eager, endless_job) as deck:
        await deck.roster.start("eager")
        await deck.until("eager", RUNNING)
        await database.write(lambda tx: tx.execute(steal))

        go_on.set()
        await clock.idle()

        assert [type(error).__name__ for error in refused] == ["LeaseLost"]
        assert deck.supervisor.stack("eager").running is False
        assert (await deck.jobs.list()).items == []


async def test_stopping_the_service_is_bounded_and_parallel(database: Database, clock: FakeClock, bus: Bus) -> None:
    async with open_deck(database, clock, bus, Stubborn, Watch) as deck:
        for name in ("stubborn", "watch"):
            await deck.roster.start(name)
            await deck.until(name, RUNNING)

        stopping = asyncio.create_task(deck.supervisor.stop(6.0))
        await clock.advance(6.5)

        assert stopping.done()
        assert deck.daemon("watch").state is STOPPED
        assert deck.daemon("watch").row.desired is Desired.ON
        assert deck.daemon("stubborn").live.current_status is None
        Stubborn.let_go.set()


async def test_a_deleted_daemon_leaves_no_run(database: Database, clock: FakeClock, bus: Bus) -> None:
    async with open_deck(database, clock, bus, Watch) as deck:
        await deck.roster.add("watch", "extra", {})
        await deck.roster.start("extra")
        await deck.until("extra", RUNNING)
        await deck.roster.stop("extra")
        await deck.until("extra", STOPPED)

        await deck.roster.remove("extra")
        await deck.supervisor.settled()

        assert [shown.name for shown in deck.board.all()] == ["watch"]


async def test_a_broken_plugin_is_a_failed_row_that_goes_when_it_is_mended(
    database: Database, clock: FakeClock, bus: Bus
) -> None:
    def explode() -> object:
        raise ModuleNotFoundError("No module named 'ghost'")

    async with open_deck(database, clock, bus, Watch) as deck:
        deck.registry.take("my_daemons", explode)
        await deck.roster.declare(deck.registry.declared())
        failed = await deck.until("plugin-my_daemons", FAILED)
    async with open_deck(database, clock, bus, Watch) as deck:
        names = [shown.name for shown in deck.board.all()]

    assert failed.row.last_error is not None
    assert failed.row.last_error.message == "The plug-in my_daemons could not be taken: No module named 'ghost'"
    assert names == ["watch"]


@pytest.mark.databases("sqlite")
async def test_a_daemon_that_blocks_the_loop_is_named_with_its_line(
    database: Database, clock: FakeClock, bus: Bus
) -> None:
    @daemon("blocker")
    class Blocker(BaseDaemon):
        async def run(self) -> None:
            threading.Event().wait(BLOCKED_AFTER + PERIOD + 0.5)
            await self.sleep(60)

    async with open_deck(database, clock, bus, Blocker) as deck:
        await deck.roster.start("blocker")
        while deck.supervisor.last_block is None:
            await clock.idle()
        (line,) = await deck.log_of("blocker")

        assert deck.supervisor.blocks == 1
        assert line.startswith("The event loop stood still for")
        assert "test_supervisor.py" in str(deck.supervisor.last_block.frames)
        assert line.endswith("by blocker.")
