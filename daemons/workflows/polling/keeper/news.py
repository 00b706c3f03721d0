"""What is new on a ladder, for whoever looks on: the tries since the last look, and how its records stand."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from sqlalchemy import ColumnElement, Table, and_, case, func, select

from daemons.database import Database
from daemons.workflows.polling.keeper.rows import RECORDS
from daemons.workflows.polling.ladder import Ladder
from daemons.workflows.polling.records import Try
from daemons.workflows.polling.tables import RecordStepTable

_R = RECORDS.c
_S = cast(Table, RecordStepTable.__table__).c


@dataclass(frozen=True, slots=True)
class Standing:
    """How many records of a ladder there are, and how many of them stand how; the rest waits for what is below it."""

    total: int
    due: int  #: now or later
    running: int
    parked: int
    awaiting: int
    complete: int

    @property
    def is_settled(self) -> bool:
        """Whether none goes on by itself."""
        return not self.due and not self.running


@dataclass(frozen=True, slots=True)
class Heard:
    """A try, or a move by somebody, and whose."""

    number: int
    code: str
    title: str
    what: Try

    def as_dict(self) -> dict[str, Any]:
        """Return it as the HTTP API shows it, times still datetimes."""
        return {"number": self.number, "code": self.code, "title": self.title, **self.what.as_dict()}


@dataclass(frozen=True, slots=True)
class News:
    """What is new on one ladder."""

    ladder: str
    standing: Standing
    is_expecting: bool  #: whether a drop folder or another system is still being looked through
    tries: Sequence[Heard]  #: oldest first
    last: int  #: to ask on with

    def as_dict(self) -> dict[str, Any]:
        """Return it as the HTTP API shows it, times still datetimes."""
        return {
            "ladder": self.ladder,
            **asdict(self.standing),
            "is_settled": self.standing.is_settled and not self.is_expecting,
            "is_expecting": self.is_expecting,
            "tries": [one.as_dict() for one in self.tries],
            "last": self.last,
        }


async def standing(database: Database, ladder: Ladder) -> Standing:
    """Return how the records of a ladder stand at one moment."""

    def count(condition: ColumnElement[bool]) -> ColumnElement[Any]:
        return func.sum(case((condition, 1), else_=0))

    is_complete = _R.is_complete.is_(True)
    waits = and_(_R.status == ladder.awaiting, _R.due_at.is_(None), _R.held_by.is_(None), _R.parked_at.is_(None))
    counted = select(
        func.count(),
        count(_R.due_at.is_not(None)),
        count(_R.held_by.is_not(None)),
        count(_R.parked_at.is_not(None)),
        count(waits),
        count(is_complete),
    ).where(_R.ladder == ladder.name)
    row = await database.fetch_one(counted)
    return Standing(*(int(value or 0) for value in row or (0,) * 6))


async def last_try(database: Database) -> int:
    """Return the number of the newest try there is."""
    row = await database.fetch_one(select(func.max(_S.id)))
    return int(row[0] or 0) if row else 0


async def tries_after(database: Database, ladder: str, after: int, limit: int) -> list[Heard]:
    """Return the tries of a ladder after that number, oldest first; of records that are gone there are none."""
    told = (_S.step, _S.attempt, _S.outcome, _S.old, _S.new, _S.started_at, _S.seconds, _S.by, _S.error, _S.note)
    # By the number alone: the tries of a moment are few, those of a ladder may be millions.
    heard = (
        select(_S.id, _R.code, _R.title, *told)
        .join(RECORDS, _R.number == _S.record)
        .where(_S.id > after, _S.ladder == ladder)
        .order_by(_S.id)
        .limit(limit)
    )
    rows = map(tuple, await database.fetch(heard))
    return [Heard(number, code, title, Try.of(what)) for number, code, title, *what in rows]
