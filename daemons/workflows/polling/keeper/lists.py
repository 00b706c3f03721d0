"""How records are found and counted: lists, the board, and one record's story."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, Table, case, false, func, or_, select

from daemons.database import Database
from daemons.errors import Invalid, UnknownName
from daemons.values import Page
from daemons.workflows.polling.keeper.rows import COLUMNS, RECORDS, digest_of, record_of, unknown_record
from daemons.workflows.polling.ladder import Ladder
from daemons.workflows.polling.records import DONE, MOVED, Record, Try
from daemons.workflows.polling.tables import RecordStepTable

LIMIT_MOST = 500
TRIES_SHOWN = 200
RATE_HOURS = 1
ASKED_AT_ONCE = 500

_R = RECORDS.c
_STEPS = cast(Table, RecordStepTable.__table__)
_S = _STEPS.c
_WILD = str.maketrans({"%": r"\%", "_": r"\_", "\\": r"\\"})

STATES = ("waiting", "running", "failing", "parked", "awaiting", "complete")
"""What a record may be looked for by: due now or later, in hand, tried in vain and to be tried again, given up, in need
of a person, at the end of its ladder."""


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """Which records; None and empty mean any."""

    ladder: str | None = None
    status: str | None = None
    state: str | None = None
    text: str = ""  #: in its code, title or source
    parent_id: str | None = None
    code: str | None = None  #: of its error


@dataclass(frozen=True, slots=True)
class Column:
    """What stands at one status of a ladder."""

    status: str
    total: int
    running: int
    failing: int
    parked: int
    complete: int
    oldest_at: datetime | None  #: since when the one that stands there longest does
    left_last_hour: int


def conditions(chosen: RecordFilter, ladders: dict[str, Ladder]) -> Iterable[ColumnElement[bool]]:
    """Yield what a record has to meet. Raises UnknownName for a ladder, status or state that does not exist."""
    if chosen.ladder is not None:
        if chosen.ladder not in ladders:
            raise UnknownName(f"There is no ladder {chosen.ladder}. There are: {', '.join(sorted(ladders))}.")
        yield _R.ladder == chosen.ladder
    if chosen.status is not None:
        yield _R.status == chosen.status
    if chosen.state is not None:
        if chosen.state not in STATES:
            raise UnknownName(f"There is no state {chosen.state}. There are: {', '.join(STATES)}.")
        yield _state(chosen.state, ladders)
    if chosen.parent_id is not None:
        yield _R.parent_id == chosen.parent_id
    if chosen.code is not None:
        yield _R.error["code"].as_string() == chosen.code
    if chosen.text:
        like = f"%{chosen.text.translate(_WILD)}%"
        yield or_(*(column.ilike(like, escape="\\") for column in (_R.code, _R.title, _R.source)))


def _state(state: str, ladders: dict[str, Ladder]) -> ColumnElement[bool]:
    awaiting = {ladder.awaiting for ladder in ladders.values() if ladder.awaiting}
    return {
        "waiting": _R.due_at.is_not(None),
        "running": _R.held_by.is_not(None),
        "failing": _R.due_at.is_not(None) & (_R.attempts > 0),
        "parked": _R.parked_at.is_not(None),
        "awaiting": _R.status.in_(awaiting) if awaiting else false(),
        "complete": _R.is_complete.is_(True),
    }[state]


async def page(
    database: Database, ladders: dict[str, Ladder], chosen: RecordFilter, before: int | None, limit: int
) -> Page:
    """Return the newest records that meet every condition; `next` is the number to go on before."""
    if not 1 <= limit <= LIMIT_MOST:
        raise Invalid(f"limit must be between 1 and {LIMIT_MOST}.", code="ERR_BAD_LIMIT")
    statement = select(*COLUMNS).where(*conditions(chosen, ladders))
    if before is not None:
        statement = statement.where(_R.number < before)
    rows = await database.fetch(statement.order_by(_R.number.desc()).limit(limit + 1))
    shown = [record_of(row) for row in rows[:limit]]
    return Page(shown, str(shown[-1].number) if len(rows) > limit else None)


async def oldest(database: Database, ladder: str, status: str, limit: int) -> list[Record]:
    """Return those that stand at a status longest: what a column of the board shows."""
    there = select(*COLUMNS).where(_R.ladder == ladder, _R.status == status)
    rows = await database.fetch(there.order_by(_R.parked_at, _R.status_at, _R.number).limit(limit))
    return [record_of(row) for row in rows]


async def find(database: Database, name: str, ladder: str | None = None) -> Record:
    """Return the record of that id, or code. Raises UnknownRecord."""
    mine = or_(_R.id == name, _R.code == name)
    if ladder is not None:
        mine &= _R.ladder == ladder
    row = await database.fetch_one(select(*COLUMNS).where(mine).order_by(_R.number.desc()).limit(1))
    if row is None:
        raise unknown_record(name)
    return record_of(row)


async def unknown(database: Database, ladder: str, sources: Sequence[str]) -> list[str]:
    """Return those of `sources` that there is no record of."""
    digests = {digest_of(ladder, source): source for source in sources}
    known: set[str] = set()
    asked = list(digests)
    for at in range(0, len(asked), ASKED_AT_ONCE):
        part = asked[at : at + ASKED_AT_ONCE]
        known.update(row[0] for row in await database.fetch(select(_R.digest).where(_R.digest.in_(part))))
    return [source for digest, source in digests.items() if digest not in known]


async def columns(database: Database, ladder: Ladder, now: datetime) -> list[Column]:
    """Return the board of a ladder: each of its statuses in order, then whatever else records stand at."""

    def count(condition: ColumnElement[bool]) -> ColumnElement[Any]:
        return func.sum(case((condition, 1), else_=0))

    counted = select(
        _R.status,
        func.count(),
        count(_R.held_by.is_not(None)),
        count(_R.due_at.is_not(None) & (_R.attempts > 0)),
        count(_R.parked_at.is_not(None)),
        count(_R.is_complete.is_(True)),
        func.min(_R.status_at),
    )
    rows = await database.fetch(counted.where(_R.ladder == ladder.name).group_by(_R.status))
    since = now - timedelta(hours=RATE_HOURS)
    left = (
        select(_S.old, func.count())
        .where(_S.ladder == ladder.name, _S.started_at >= since, _S.outcome.in_((DONE, MOVED)), _S.new != _S.old)
        .group_by(_S.old)
    )
    rates = dict(map(tuple, await database.fetch(left)))
    found = {row[0]: _column(row, rates.get(row[0], 0)) for row in rows}
    nothing = {status: Column(status, 0, 0, 0, 0, 0, None, rates.get(status, 0)) for status in ladder.statuses}
    return list((nothing | found).values())


def _column(row: Sequence[Any], left: int) -> Column:
    status, total, running, failing, parked, complete, oldest_at = row
    return Column(status, total, running, failing, parked, complete, oldest_at, left)


async def story(database: Database, number: int, limit: int = TRIES_SHOWN) -> list[Try]:
    """Return the newest tries and moves of a record, newest first."""
    rows = await database.fetch(select(*_TRY).where(_S.record == number).order_by(_S.id.desc()).limit(limit))
    return [Try.of(row) for row in rows]


_TRY = (_S.step, _S.attempt, _S.outcome, _S.old, _S.new, _S.started_at, _S.seconds, _S.by, _S.error, _S.note)
