"""One command for many jobs as a piece of work of its own: seen, cancelled, and resumed after any end of the process.

    ask: ids are frozen ──▶ asked ──start──▶ running ──slice──slice──▶ completed
                                                └──── cancel ────▶ cancelled

A slice is one unit: what it did to its jobs and how far the operation is are one commit, so none is done twice.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Select, bindparam, delete, insert, select, update

from daemons.clock import Clock
from daemons.database import Database
from daemons.database.transaction import Transaction
from daemons.errors import Conflict, DaemonError, Invalid, NotFound
from daemons.events import ItemChanged
from daemons.ids import new_id
from daemons.jobs.bulk import Acted, cancel_each
from daemons.jobs.filters import JobFilter, whole_condition
from daemons.jobs.rows import IS_UNFINISHED, JOBS
from daemons.killpoints import reach
from daemons.models import OperationItemTable, OperationTable
from daemons.orders import Orders
from daemons.states import JobState
from daemons.values import JsonValue, Page

ACTIONS = ("retry", "cancel")
ASKED, RUNNING, COMPLETED, CANCELLED = "asked", "running", "completed", "cancelled"
ASKED_KEPT = timedelta(hours=1)
"""How long a question that nobody confirms is kept."""
FROZEN_A_UNIT = 1_000
SLICE_SECONDS = 0.05
"""Other writers wait at most about this long for a slice."""
SLICE_FIRST = 50
SLICE_MOST = 500
POLL_SECONDS = 60.0
REFUSALS_SHOWN = 100
PREVIEWED = 100

_J = JOBS.c
_O = OperationTable.__table__.c
_I = OperationItemTable.__table__.c
_one = select(OperationTable.__table__).where(_O.id == bindparam("b_id"))
_due = select(_O.id).where(_O.state == RUNNING).order_by(_O.created_at, _O.id).limit(1)
_items = (
    select(_I.position, _I.job_id, _I.attempt)
    .where(_I.operation_id == bindparam("b_id"), _I.position >= bindparam("b_from"))
    .order_by(_I.position)
    .limit(bindparam("b_limit", type_=_I.position.type))
)
_settle = (
    update(OperationItemTable)
    .where(_I.operation_id == bindparam("b_id"), _I.position.between(bindparam("b_from"), bindparam("b_to")))
    .values(outcome="done")
)
_refuse = (
    update(OperationItemTable)
    .where(_I.operation_id == bindparam("b_id"), _I.position == bindparam("b_position"))
    .values(outcome="refused", code=bindparam("new_code"))
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One command for many jobs, and how far it is: `done` heeded it, `refused` could not."""

    id: str
    action: str
    description: str
    who: str
    state: str
    total: int
    done: int
    refused: int
    created_at: datetime
    finished_at: datetime | None

    @property
    def is_finished(self) -> bool:
        return self.state in (COMPLETED, CANCELLED)

    def as_dict(self) -> dict[str, JsonValue]:
        """Return the operation of the HTTP API, times still datetimes."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Preview:
    """What an operation would be about: how many jobs, the first ids, and the sentence for it."""

    action: str
    description: str
    count: int
    ids: list[str]


@dataclass(slots=True)
class _Found:
    """What the chosen jobs have in common."""

    total: int = 0
    states: set[str] = field(default_factory=set)
    daemons: set[str | None] = field(default_factory=set)
    types: set[str] = field(default_factory=set)

    def add(self, rows: Sequence[Any]) -> None:
        self.total += len(rows)
        self.states.update(row.state for row in rows)
        self.daemons.update(row.daemon_name for row in rows)
        self.types.update(row.type for row in rows)

    def sentence(self, action: str) -> str:
        """Say what is done to how many of which: "Retry 1,204 failed jobs of video_analysis"."""
        state = f"{next(iter(self.states))} " if len(self.states) == 1 else ""
        noun = "job" if self.total == 1 else "jobs"
        [daemon] = self.daemons if len(self.daemons) == 1 else [None]
        of = f" of {daemon}" if daemon else f" of type {next(iter(self.types))}" if len(self.types) == 1 else ""
        return f"{action.capitalize()} {self.total:,} {state}{noun}{of}".replace(",", "\u202f")


class Operations:
    """Takes commands for many jobs and carries them out one after the other, from enter to exit."""

    def __init__(self, database: Database, clock: Clock, orders: Orders) -> None:
        self._database = database
        self._clock = clock
        self._orders = orders
        self._wake = asyncio.Event()
        self._slice = SLICE_FIRST

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="operations")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})

    # Commands.

    async def begin(
        self, action: str, *, who: str, ids: Sequence[str] | None = None, chosen: JobFilter | None = None
    ) -> Operation:
        """Do `action` to jobs, those of `ids` or all that are `chosen` now. Raises Invalid if there are none."""
        return await self.start((await self.ask(action, who=who, ids=ids, chosen=chosen)).id)

    async def ask(
        self, action: str, *, who: str, ids: Sequence[str] | None = None, chosen: JobFilter | None = None
    ) -> Operation:
        """Freeze which jobs are meant, and do nothing before `start`. Raises Invalid if there are none."""
        await self._forget(_O.state == ASKED, before=self._clock.now() - ASKED_KEPT)
        operation = Operation(new_id(), _checked(action), "", who[:100], ASKED, 0, 0, 0, self._clock.now(), None)
        await self._database.write(partial(_insert, operation=operation), durable=False)
        found = _Found()
        for statement in self._choices(action, ids, chosen):
            after = -1
            while rows := await self._database.fetch(statement.where(_J.number > after).limit(FROZEN_A_UNIT)):
                await self._database.write(partial(_freeze, operation.id, found.total, rows), durable=False)
                found.add(rows)
                after = rows[-1].number
        if not found.total:
            raise Invalid(f"There is no such job to {action}.", code="ERR_NO_JOBS")
        values = {"total": found.total, "description": found.sentence(action)[:500]}
        return await self._database.write(partial(_change, operation.id, values))

    async def preview(
        self, action: str, *, ids: Sequence[str] | None = None, chosen: JobFilter | None = None
    ) -> Preview:
        """Return what `begin` would be about, and do nothing."""
        found, first = _Found(), list[str]()
        for statement in self._choices(_checked(action), ids, chosen):
            after = -1
            while rows := await self._database.fetch(statement.where(_J.number > after).limit(FROZEN_A_UNIT)):
                found.add(rows)
                first += [row.id for row in rows[: PREVIEWED - len(first)]]
                after = rows[-1].number
        return Preview(action, found.sentence(action), found.total, first)

    async def start(self, operation_id: str) -> Operation:
        """Carry out what was asked. Raises NotFound, or Conflict when it was cancelled; started twice is once."""
        operation = await self._database.write(partial(_move, operation_id, {ASKED: RUNNING}, "started"))
        self._wake.set()
        return operation

    async def cancel(self, operation_id: str) -> Operation:
        """Leave the rest as it is; what is done stays done. Raises NotFound, or Conflict when nothing is left."""
        return await self._database.write(
            partial(_move, operation_id, {ASKED: CANCELLED, RUNNING: CANCELLED}, "cancelled")
        )

    # Questions.

    async def get(self, operation_id: str) -> Operation:
        """Return one operation. Raises NotFound."""
        rows = await self._database.fetch(select(OperationTable.__table__).where(_O.id == operation_id))
        if not rows:
            raise _unknown(operation_id)
        return Operation(*tuple(rows[0]))

    async def list(self, *, cursor: str | None = None, limit: int = 50) -> Page:
        """Return operations that were started, the newest first; `cursor` is the id of the last one seen."""
        statement = select(OperationTable.__table__).where(_O.state != ASKED)
        if cursor is not None:
            last = await self.get(cursor)
            older = (_O.created_at < last.created_at) | ((_O.created_at == last.created_at) & (_O.id < last.id))
            statement = statement.where(older)
        rows = await self._database.fetch(statement.order_by(_O.created_at.desc(), _O.id.desc()).limit(limit + 1))
        found = [Operation(*tuple(row)) for row in rows[:limit]]
        return Page(found, found[-1].id if len(rows) > limit else None)

    async def refusals(self, operation_id: str) -> Sequence[Any]:
        """Return the first jobs that refused, each with position, job_id and code."""
        refused = select(_I.position, _I.job_id, _I.code).where(_I.operation_id == operation_id, _I.code.is_not(None))
        return await self._database.fetch(refused.order_by(_I.position).limit(REFUSALS_SHOWN))

    async def prune(self, before: datetime) -> None:
        """Forget operations that ended before then."""
        await self._forget(_O.finished_at.is_not(None), before=before)

    # Working.

    def _choices(self, action: str, ids: Sequence[str] | None, chosen: JobFilter | None) -> Iterator[Select[Any]]:
        """Yield the statements that find the jobs, together in bounded memory."""
        columns = (_J.number, _J.id, _J.attempt, _J.state, _J.daemon_name, _J.type)
        able = IS_UNFINISHED if action == "cancel" else ~IS_UNFINISHED
        if ids is not None:
            rest = iter(dict.fromkeys(ids))
            while some := list(islice(rest, FROZEN_A_UNIT)):
                yield select(*columns).where(_J.id.in_(some), able).order_by(_J.number)
            return
        chosen = chosen or JobFilter()
        if action == "retry" and chosen.all_states is None:
            able = _J.state.in_([JobState.FAILED.value, JobState.CANCELLED.value])  # what is well stays well
        yield select(*columns).where(whole_condition(chosen, self._clock.now()), able).order_by(_J.number)

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                while due := await self._database.fetch(_due):
                    await self.work(due[0].id)
            except DaemonError:
                await self._clock.sleep(1)  # the database is away or busy; what was done is known
                continue
            await self._clock.wait(self._wake, POLL_SECONDS)

    async def work(self, operation_id: str) -> None:
        """Do one slice of an operation, as many jobs as fit into the time."""
        seconds = await self._database.write(partial(self._work, operation_id, self._slice))
        reach("slice stored")
        # Well below the limit: a commit, and whatever else the machine does, comes on top.
        if seconds > SLICE_SECONDS / 3:
            self._slice = max(5, self._slice // 2)
        elif seconds < SLICE_SECONDS / 8:
            self._slice = min(SLICE_MOST, self._slice * 2)
        # Between two slices everybody else has a turn.
        await self._clock.breathe(0.001)

    def _work(self, operation_id: str, limit: int, tx: Transaction) -> float:
        began = self._clock.monotonic()
        operation = _locked(tx, operation_id)
        if operation.state != RUNNING:
            return 0.0
        at = operation.done + operation.refused
        items = tx.execute(_items, {"b_id": operation_id, "b_from": at, "b_limit": limit}).all()
        if not items:
            _change(operation_id, {"state": COMPLETED, "finished_at": tx.now}, tx)
            return 0.0
        codes = self._act(tx, operation, items).refused
        tx.execute(_settle, {"b_id": operation_id, "b_from": at, "b_to": items[-1].position})
        places = {item.job_id: item.position for item in items}
        if codes:
            refusals = [{"b_id": operation_id, "b_position": places[one], "new_code": codes[one]} for one in codes]
            tx.execute(_refuse, refusals)
        reach("slice done")
        refused = operation.refused + len(codes)
        values: dict[str, Any] = {"done": at + len(items) - refused, "refused": refused}
        if at + len(items) >= operation.total:
            values |= {"state": COMPLETED, "finished_at": tx.now}
        _change(operation_id, values, tx)
        return self._clock.monotonic() - began

    def _act(self, tx: Transaction, operation: Operation, items: Sequence[Any]) -> Acted:
        if operation.action == "retry":
            return self._orders.retry_within(tx, [(item.job_id, item.attempt) for item in items])
        return cancel_each(tx, [item.job_id for item in items], f"Cancelled by {operation.who}.")

    async def _forget(self, which: Any, *, before: datetime) -> None:
        old = select(_O.id, _O.total).where(which, _O.created_at < before)
        for row in await self._database.fetch(old):
            while await self._database.write(partial(_remove_items, row.id), durable=False):
                await self._clock.sleep(0)
            await self._database.write(partial(_remove, row.id), durable=False)


def _checked(action: str) -> str:
    if action not in ACTIONS:
        raise Invalid(f"Jobs can be told to {' or '.join(ACTIONS)}, not {action[:40]!r}.")
    return action


def _insert(tx: Transaction, operation: Operation) -> None:
    tx.execute(insert(OperationTable), asdict(operation))


def _freeze(operation_id: str, at: int, rows: Sequence[Any], tx: Transaction) -> None:
    items = [
        {"operation_id": operation_id, "position": at + place, "job_id": row.id, "attempt": row.attempt}
        for place, row in enumerate(rows)
    ]
    tx.execute(insert(OperationItemTable), items)


def _locked(tx: Transaction, operation_id: str) -> Operation:
    row = tx.execute(_one.with_for_update(), {"b_id": operation_id}).first()
    if row is None:
        raise _unknown(operation_id)
    return Operation(*tuple(row))


def _change(operation_id: str, values: dict[str, Any], tx: Transaction) -> Operation:
    tx.execute(update(OperationTable).where(_O.id == operation_id).values(**values))
    operation = _locked(tx, operation_id)
    if operation.state != ASKED:
        tx.announce(ItemChanged("operations", operation.id, operation.as_dict()))
    return operation


def _move(operation_id: str, moves: dict[str, str], verb: str, tx: Transaction) -> Operation:
    operation = _locked(tx, operation_id)
    new = moves.get(operation.state)
    if operation.state in moves.values():
        return operation
    if new is None:
        raise Conflict(f"It is {operation.state} and cannot be {verb}.", code="ERR_OPERATION_OVER")
    return _change(operation_id, {"state": new, **({"finished_at": tx.now} if new == CANCELLED else {})}, tx)


def _remove_items(operation_id: str, tx: Transaction) -> int:
    some = select(_I.position).where(_I.operation_id == operation_id).limit(FROZEN_A_UNIT)
    return tx.execute(delete(OperationItemTable).where(_I.operation_id == operation_id, _I.position.in_(some))).rowcount


def _remove(operation_id: str, tx: Transaction) -> None:
    tx.execute(delete(OperationTable).where(_O.id == operation_id))


def _unknown(operation_id: str) -> NotFound:
    return NotFound(f"There is no operation {operation_id[:40]!r}.", code="ERR_UNKNOWN_OPERATION")
