"""Keeps schedules and what came of each: the only writer of both tables. The scheduler runs them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any, cast
from uuid import uuid4

from sqlalchemy import Row, Table, delete, func, insert, select, update

from daemons.database import Database
from daemons.database.transaction import Transaction
from daemons.errors import Conflict, ErrorInfo, Invalid, NotFound
from daemons.events import ItemChanged
from daemons.json_values import check_json
from daemons.models import ScheduleRunTable, ScheduleTable
from daemons.text import clean
from daemons.timetable import Kind, Timetable
from daemons.values import JsonValue

TOPIC = "schedules"
RUNS_KEPT = 200
"""Runs kept of one schedule."""
ARGS_BYTES = 64 * 1024
FAR = timedelta(days=1)
"""A next time that is further off than it should be by more than this was computed by a clock that was ahead."""
_S = cast(Table, ScheduleTable.__table__)
_R = cast(Table, ScheduleRunTable.__table__)
WHAT = ("action", "job_type", "args", "daemon_name", "pause")
"""The columns that say together what a schedule does."""


class Action(StrEnum):
    """What a schedule does."""

    CREATE_JOB = "create_job"
    WAKE = "wake"  #: a sleeping daemon looks now
    PAUSE = "pause"  #: a daemon rests, for a while, until a time of day or until it is resumed
    RESUME = "resume"  #: a daemon that was paused goes on


class Missed(StrEnum):
    """What becomes of times at which no deck ran."""

    SKIP = "skip"  #: nothing
    ONCE = "once"  #: one run for all of them together
    ALL = "all"  #: one run for each, a hundred at the most


class StaleSchedule(Conflict):
    """The schedule was changed by somebody else meanwhile."""

    code = "ERR_STALE_EDIT"
    remedy = "Read the schedule again and repeat the change on what you see."

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__(f"The change was made on revision {expected}, but the schedule is at revision {actual}.")
        self.expected = expected
        self.actual = actual


@dataclass(frozen=True, slots=True)
class Schedule:
    """When to do what."""

    id: str
    name: str
    enabled: bool
    kind: Kind
    expression: str
    zone: str
    action: Action
    job_type: str | None
    args: JsonValue
    daemon_name: str | None
    pause: str | None
    missed: Missed
    next_at: datetime | None
    revision: int
    created_at: datetime

    @property
    def timetable(self) -> Timetable:
        return Timetable(self.kind, self.expression, self.zone, self.created_at)

    @property
    def in_words(self) -> str:
        return self.timetable.in_words()

    def as_dict(self) -> dict[str, JsonValue]:
        """Return the schedule of the HTTP API, times still datetimes."""
        return {name: getattr(self, name) for name in self.__slots__} | {"in_words": self.in_words}


@dataclass(frozen=True, slots=True)
class ScheduleRun:
    """One time a schedule was due: ran, woke, paused, resumed, skipped or failed."""

    id: int
    due_at: datetime
    at: datetime
    outcome: str
    job_id: str | None
    error: ErrorInfo | None

    def as_dict(self) -> dict[str, JsonValue]:
        return {name: getattr(self, name) for name in self.__slots__} | {
            "error": self.error.as_dict() if self.error else None
        }


Check = Callable[[Transaction, Mapping[str, Any]], dict[str, Any]]
"""Returns the values of a schedule as they are stored. Raises Invalid naming what cannot work."""


class Schedules:
    """Reads and changes schedules; each change is announced."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # Reading.

    async def list(self) -> "Sequence[Schedule]":
        """Return all schedules, by name."""
        return [_schedule(row) for row in await self._database.fetch(select(_S).order_by(_S.c.name))]

    async def get(self, name: str) -> Schedule:
        """Return one by name or id. Raises NotFound."""
        row = await self._database.fetch_one(select(_S).where((_S.c.name == name) | (_S.c.id == name)))
        if row is None:
            raise unknown_schedule(name)
        return _schedule(row)

    async def runs(self, schedule_id: str, *, before: int | None = None, limit: int = 50) -> "Sequence[ScheduleRun]":
        """Return what came of the last due times, newest first."""
        statement = select(_R).where(_R.c.schedule_id == schedule_id)
        if before is not None:
            statement = statement.where(_R.c.id < before)
        return [_run(row) for row in await self._database.fetch(statement.order_by(_R.c.id.desc()).limit(limit))]

    async def last_runs(self) -> Mapping[str, ScheduleRun]:
        """Return the newest run of each schedule that has one, by the schedule's id."""
        newest = select(func.max(_R.c.id)).group_by(_R.c.schedule_id)
        rows = await self._database.fetch(select(_R).where(_R.c.id.in_(newest)))
        return {row.schedule_id: _run(row) for row in rows}

    async def due(self, now: datetime) -> "Sequence[Schedule]":
        """Return the enabled schedules that are due, the longest due first."""
        is_due = (_S.c.enabled.is_(True), _S.c.next_at <= now)
        rows = await self._database.fetch(select(_S).where(*is_due).order_by(_S.c.next_at).limit(100))
        return [_schedule(row) for row in rows]

    async def earliest(self) -> datetime | None:
        """Return when the next one is due."""
        row = await self._database.fetch_one(select(func.min(_S.c.next_at).label("at")).where(_S.c.enabled.is_(True)))
        at: datetime | None = row.at if row else None
        return at

    # Changing.

    async def add(self, name: str, values: Mapping[str, Any], check: Check) -> Schedule:
        """Add a schedule that passes the check. Raises Conflict for a taken name, Invalid for a bad timetable."""

        def unit(tx: Transaction) -> Schedule:
            if tx.execute(select(_S.c.id).where(_S.c.name == name)).first():
                raise Conflict(f"There is a schedule named {name} already.", code="ERR_NAME_TAKEN")
            row = {**check(tx, values), "id": str(uuid4()), "name": name, "created_at": tx.now, "revision": 1}
            made = _schedule(tx.execute(insert(_S).returning(_S), row).one())
            return _settle(tx, made)

        return await self._database.write(unit)

    async def edit(
        self, name: str, values: Mapping[str, Any], check: Check, *, revision: int | None = None
    ) -> Schedule:
        """Change what is given, if the whole passes the check; the next time is computed anew.

        Raises NotFound, StaleSchedule or Invalid.
        """

        def unit(tx: Transaction) -> Schedule:
            old = _locked(tx, name)
            if revision not in (None, old.revision):
                raise StaleSchedule(revision or 0, old.revision)
            checked = values
            if values.keys() & set(WHAT):
                # What is not given is what stands there now, not what somebody saw before.
                checked = check(tx, {**{key: getattr(old, key) for key in WHAT}, "zone": old.zone, **values})
            changed = {**checked, "revision": old.revision + 1}
            return _settle(
                tx, _schedule(tx.execute(update(_S).where(_S.c.id == old.id).values(changed).returning(_S)).one())
            )

        return await self._database.write(unit)

    async def bring_back(self, now: datetime) -> None:
        """Compute the next times anew that a clock left far away which was far ahead once."""
        is_far = (_S.c.enabled.is_(True), _S.c.next_at > now + FAR)
        for row in await self._database.fetch(select(_S).where(*is_far)):
            await self._database.write(partial(_bring_back, _schedule(row)))

    async def give_up(self, schedule: Schedule, error: ErrorInfo) -> None:
        """Switch a schedule off that cannot run any more, and keep why."""

        def unit(tx: Transaction) -> None:
            tx.execute(update(_S).where(_S.c.id == schedule.id).values(enabled=False, next_at=None))
            keep_run(tx, schedule, schedule.next_at or tx.now, "failed", error=error)
            tx.announce(ItemChanged(TOPIC, schedule.id, {"id": schedule.id, "name": schedule.name, "enabled": False}))

        await self._database.write(unit)

    async def remove(self, name: str) -> None:
        """Delete a schedule and what is known of its runs. Raises NotFound."""

        def unit(tx: Transaction) -> None:
            old = _locked(tx, name)
            tx.execute(delete(_S).where(_S.c.id == old.id))
            tx.announce(ItemChanged(TOPIC, old.id, {"id": old.id, "name": old.name, "removed": True}))

        await self._database.write(unit)


def _bring_back(seen: Schedule, tx: Transaction) -> None:
    schedule = claim(tx, seen)
    following = next(schedule.timetable.after(tx.now), None) if schedule else None
    if schedule is None or schedule.next_at is None or following is None or schedule.next_at - following <= FAR:
        return
    told = "It was to be due only then, because the clock was far ahead. Its next time was computed anew."
    why = ErrorInfo("ERR_CLOCK", told)
    keep_run(tx, schedule, schedule.next_at, "skipped", error=why)
    _settle(tx, schedule)


# Parts of the scheduler's units.


def claim(tx: Transaction, schedule: Schedule) -> Schedule | None:
    """Return the schedule, kept from everybody else until the commit, unless its due time was taken meanwhile."""
    same = (_S.c.id == schedule.id, _S.c.next_at == schedule.next_at, _S.c.enabled.is_(True))
    row = tx.execute(select(_S).where(*same).with_for_update(skip_locked=True)).first()
    return _schedule(row) if row is not None else None


def move_on(tx: Transaction, schedule: Schedule) -> Schedule:
    """Store the next due time after now."""
    return _settle(tx, schedule)


def keep_run(
    tx: Transaction,
    schedule: Schedule,
    due_at: datetime,
    outcome: str,
    *,
    job_id: str | None = None,
    error: ErrorInfo | None = None,
) -> None:
    """Keep what came of one due time; the oldest are forgotten."""
    values = {"schedule_id": schedule.id, "due_at": due_at, "at": tx.now, "outcome": outcome, "job_id": job_id}
    tx.execute(insert(_R), {**values, "error": error.as_dict() if error else None})
    beyond = select(_R.c.id).where(_R.c.schedule_id == schedule.id).order_by(_R.c.id.desc()).offset(RUNS_KEPT).limit(1)
    last = tx.execute(beyond).scalar()
    if last is not None:
        tx.execute(delete(_R).where(_R.c.schedule_id == schedule.id, _R.c.id <= last))


def unknown_schedule(name: str) -> NotFound:
    return NotFound(f"There is no schedule named {clean(name, 63)}.", code="ERR_UNKNOWN_SCHEDULE")


def check_args(args: JsonValue) -> None:
    """Raise Invalid unless `args` can be stored."""
    check_json(args, "args", limit=ARGS_BYTES)


def _settle(tx: Transaction, schedule: Schedule) -> Schedule:
    schedule.timetable.check()
    following = next(schedule.timetable.after(tx.now), None) if schedule.enabled else None
    if following is not None and following - tx.now > timedelta(days=50 * 366):
        raise Invalid("It would be due only in a lifetime.", code="ERR_SCHEDULE")
    tx.execute(update(_S).where(_S.c.id == schedule.id).values(next_at=following))
    settled = replace(schedule, next_at=following)
    tx.announce(ItemChanged(TOPIC, settled.id, settled.as_dict()))
    return settled


def _locked(tx: Transaction, name: str) -> Schedule:
    row = tx.execute(select(_S).where((_S.c.name == name) | (_S.c.id == name)).with_for_update()).first()
    if row is None:
        raise unknown_schedule(name)
    return _schedule(row)


def _schedule(row: Row[Any]) -> Schedule:
    found = Schedule(**{name: getattr(row, name) for name in Schedule.__slots__})
    return replace(found, kind=Kind(found.kind), action=Action(found.action), missed=Missed(found.missed))


def _run(row: Row[Any]) -> ScheduleRun:
    return ScheduleRun(
        row.id, row.due_at, row.at, row.outcome, row.job_id, ErrorInfo.from_dict(row.error) if row.error else None
    )
