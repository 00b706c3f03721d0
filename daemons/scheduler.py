"""Does what schedules say when they are due: each due time once, also over crashes and with several managers.

A due time is claimed by moving the schedule on, in the very unit that creates the job or wakes the daemon: both are
stored, or neither.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import datetime, timedelta
from functools import partial
from itertools import islice, takewhile
from types import TracebackType
from typing import Any, Self

from daemons.bus import Bus
from daemons.clock import Clock
from daemons.database import Database
from daemons.database.transaction import Transaction
from daemons.errors import DaemonError, ErrorInfo, Invalid, Unavailable
from daemons.events import Event, ItemChanged
from daemons.killpoints import reach
from daemons.orders import Orders
from daemons.roster import Roster
from daemons.schedules import (
    FAR,
    TOPIC,
    Action,
    Missed,
    Schedule,
    Schedules,
    check_args,
    claim,
    keep_run,
    move_on,
)
from daemons.states import Desired
from daemons.tasks import beside
from daemons.timetable import SHORTEST, end_of
from daemons.values import DaemonRow, Job

LOOK_SECONDS = 30.0
"""The longest between two looks at the wall clock, so that a change of it or a sleep of the machine is noticed."""
ON_TIME = timedelta(seconds=60)
"""A due time that is further back was missed."""
CATCH_UP_MOST = 100
"""Missed times that are made up for one by one."""
_ACTED_UPON_MOST = CATCH_UP_MOST + ON_TIME // SHORTEST + 1
_COUNTED_MOST = 10_000


class Scheduler:
    """Runs schedules, from enter to exit; the door through which they are made and changed."""

    def __init__(
        self, schedules: Schedules, orders: Orders, roster: Roster, database: Database, clock: Clock, bus: Bus
    ) -> None:
        self._schedules = schedules
        self._orders = orders
        self._roster = roster
        self._database = database
        self._clock = clock
        self._bus = bus
        self._changed = asyncio.Event()
        self._ahead: datetime | None = None
        """When the wall clock's time began by the steady one, at the last look: less when it was set back."""
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._stack.enter_context(self._bus.listen(self._hear))
        await self._stack.enter_async_context(beside(self._keep_running(), "scheduler"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    # For people.

    async def add(self, name: str, values: Mapping[str, Any]) -> Schedule:
        """Add a schedule. Raises Conflict, or Invalid naming what is wrong with its time, job or daemon."""
        return await self._schedules.add(name, values, self._checked)

    async def edit(self, name: str, values: Mapping[str, Any], *, revision: int | None = None) -> Schedule:
        """Change what is given. Raises NotFound, StaleSchedule, or Invalid."""
        return await self._schedules.edit(name, values, self._checked, revision=revision)

    async def run_now(self, name: str) -> Job | None:
        """Do at once what the schedule says, beside its times; return the job, None if it creates none."""
        schedule = await self._schedules.get(name)
        return await self._database.write(lambda tx: self._act(tx, schedule, tx.now, key=None))

    def _checked(self, tx: Transaction, values: Mapping[str, Any]) -> dict[str, Any]:
        args = values.get("args")
        if values["action"] == Action.CREATE_JOB:
            if not values.get("job_type"):
                raise Invalid("Say which type of job to create: job_type.", code="ERR_SCHEDULE")
            args = self._orders.spec(values["job_type"]).accept(args)
            check_args(args)
            return {**values, "args": args, "daemon_name": None, "pause": None}
        if not values.get("daemon_name"):
            raise Invalid(f"Say which daemon to {values['action']}: daemon_name.", code="ERR_SCHEDULE")
        pause = values.get("pause") if values["action"] == Action.PAUSE else None
        if pause:
            end_of(pause, tx.now, values["zone"])
        name = self._roster.row_within(tx, values["daemon_name"]).name
        return {**values, "args": None, "job_type": None, "daemon_name": name, "pause": pause or None}

    # By the clock.

    def _hear(self, event: Event) -> None:
        if isinstance(event, ItemChanged) and event.topic == TOPIC:
            self._changed.set()

    async def _keep_running(self) -> None:
        while True:
            self._changed.clear()
            seconds = LOOK_SECONDS
            with suppress(Unavailable):
                seconds = await self._run_due()
            await self._clock.wait(self._changed, seconds)

    async def _run_due(self) -> float:
        """Run what is due; return the seconds until the next look."""
        ahead = self._clock.now() - timedelta(seconds=self._clock.monotonic())
        if self._ahead is None or self._ahead - ahead > FAR:
            await self._schedules.bring_back(self._clock.now())
        self._ahead = ahead
        for schedule in await self._schedules.due(self._clock.now()):
            try:
                await self._database.write(partial(self._run, schedule))
                reach("schedule ran")
            except Invalid as error:
                # Its zone is gone from this machine, for instance: it must not keep the others from running.
                await self._schedules.give_up(schedule, ErrorInfo.of(error))
        earliest = await self._schedules.earliest()
        if earliest is None:
            return LOOK_SECONDS
        return min(LOOK_SECONDS, max(0.0, (earliest - self._clock.now()).total_seconds()))

    def _run(self, seen: Schedule, tx: Transaction) -> None:
        schedule = claim(tx, seen)
        if schedule is None or schedule.next_at is None:
            return
        newest = schedule.timetable.newest(schedule.next_at, tx.now, _ACTED_UPON_MOST)
        chosen = _chosen(schedule.missed, newest, tx.now)
        for at in newest:
            if at in chosen:
                self._attempt(tx, schedule, at)
        if why := _left_out(schedule, len(chosen), tx.now):
            keep_run(tx, schedule, schedule.next_at, "skipped", error=why)
        reach("schedule run")
        move_on(tx, schedule)

    def _attempt(self, tx: Transaction, schedule: Schedule, at: datetime) -> None:
        try:
            self._act(tx, schedule, at, key=f"schedule:{schedule.id}:{at.isoformat()}")
        except DaemonError as error:
            if isinstance(error, Unavailable):
                raise
            keep_run(tx, schedule, at, "failed", error=ErrorInfo.of(error))

    def _act(self, tx: Transaction, schedule: Schedule, at: datetime, *, key: str | None) -> Job | None:
        if schedule.action is not Action.CREATE_JOB:
            self._switch(tx, schedule, at)
            return None
        job = self._orders.place_within(tx, schedule.job_type or "", schedule.args, key=key)
        keep_run(tx, schedule, at, "ran", job_id=job.id)
        return job

    def _switch(self, tx: Transaction, schedule: Schedule, at: datetime) -> None:
        name, reason = schedule.daemon_name or "", f"schedule {schedule.name}"
        if schedule.action is Action.WAKE:
            self._roster.wake_within(tx, name)
            return keep_run(tx, schedule, at, "woke")
        if schedule.action is Action.RESUME:
            self._roster.resume_within(tx, name, reason=reason)
            return keep_run(tx, schedule, at, "resumed")
        until = end_of(schedule.pause, at, schedule.zone) if schedule.pause else None
        why = _why_no_pause(self._roster.row_within(tx, name), until, tx.now)
        if why is None:
            # Who named a vital daemon in a schedule meant it.
            self._roster.pause_within(tx, name, until, reason=reason, confirm=name)
        return keep_run(tx, schedule, at, "skipped" if why else "paused", error=why)


def _left_out(schedule: Schedule, done: int, now: datetime) -> ErrorInfo | None:
    """Say how many due times until now were not acted upon, or None if all were."""
    assert schedule.next_at is not None
    following = takewhile(lambda at: at <= now, schedule.timetable.after(schedule.next_at))
    count = 1 + sum(1 for _ in islice(following, _COUNTED_MOST)) - done
    if not count:
        return None
    many = f"More than {_COUNTED_MOST:,}" if count > _COUNTED_MOST - done else f"{count:,}"
    return ErrorInfo("ERR_MISSED", f"{many} due times were missed while no deck ran, and are not made up for.")


def _chosen(missed: Missed, due: Sequence[datetime], now: datetime) -> set[datetime]:
    """Return the due times to act upon: those that are on time, and of the missed ones what the policy says."""
    late = [at for at in due if now - at > ON_TIME]
    on_time = {at for at in due if now - at <= ON_TIME}
    match missed:
        case Missed.SKIP:
            return on_time
        case Missed.ONCE:
            return on_time or set(late[-1:])
        case Missed.ALL:
            return on_time | set(late[-CATCH_UP_MOST:])


def _why_no_pause(row: DaemonRow, until: datetime | None, now: datetime) -> ErrorInfo | None:
    """Return why a pause makes no sense now: it is over already, nobody wants a run, or a longer one goes on."""
    if until is not None and until <= now:
        return ErrorInfo("ERR_MISSED", "The pause would be over already.")
    if row.desired is Desired.OFF:
        return ErrorInfo("ERR_NOT_PAUSED", f"{row.name} is stopped: there is nothing to pause.")
    if row.desired is Desired.PAUSED and (row.paused_until is None or (until is not None and until < row.paused_until)):
        return ErrorInfo("ERR_NOT_PAUSED", f"{row.name} is paused for longer.")
    return None
