"""What records wait for that are held up by those below them: how many, and which of these need somebody."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Integer, and_, case, cast, func, select

from daemons.database import Database
from daemons.text import clean
from daemons.workflows.polling.keeper.families import is_at_rest
from daemons.workflows.polling.keeper.rows import COLUMNS, RECORDS, record_of
from daemons.workflows.polling.ladder import Ladder
from daemons.workflows.polling.records import Record

NAMED = 5
"""Of those that need somebody, those that are named, first come."""
MESSAGE_CHARACTERS = 200

_R = RECORDS.c
_STUCK = and_(_R.is_complete.is_(False), _R.due_at.is_(None), _R.held_by.is_(None))


@dataclass(frozen=True, slots=True)
class Stuck:
    """A record below one that waits, which goes on only when somebody does something."""

    id: str
    code: str
    status: str
    state: str  #: parked, awaiting (a person), waits (for what is below it in turn), or rests where no step begins
    error_code: str | None
    message: str | None

    def sentence(self) -> str:
        """Say how it is."""
        match self.state:
            case "parked" if self.error_code:
                return f"{self.code} is parked ({self.error_code}: {(self.message or '').rstrip('.')})"
            case "parked":
                return f"{self.code} is parked"
            case "awaiting":
                return f"{self.code} awaits input"
            case "waits":
                return f"{self.code} waits for what is below it"
            case _:
                return f"{self.code} stands at {self.status}, from where no step leads on"


@dataclass(frozen=True, slots=True)
class Waiting:
    """What one record waits for."""

    total: int
    open: int
    parked: int
    stuck: int
    noun: str  #: what they are, such as frames
    named: Sequence[Stuck]  #: the first of those that are stuck

    def sentence(self) -> str:
        """Say it in English, for the API and the commands."""
        told = f"Waits for {self.open:,} of {self.total:,} {self.noun}"
        if not self.named:
            return f"{told}."
        parts = [one.sentence() for one in self.named]
        more = self.stuck - len(parts)
        parts += [f"{more:,} more {'needs' if more == 1 else 'need'} somebody"] if more > 0 else []
        return f"{told}: {', '.join(parts)}."


def may_wait(ladders: Mapping[str, Ladder], record: Record) -> bool:
    """Whether the record is held up by what is below it, if there is anything open."""
    ladder = ladders.get(record.ladder)
    if ladder is None or record.status == ladder.awaiting or record.parked_at or not is_at_rest(record):
        return False
    step = ladder.next_step(record)
    return step is not None and step.needs_children


async def waiting(database: Database, ladders: Mapping[str, Ladder], records: Collection[Record]) -> dict[str, Waiting]:
    """Return, by their ids, what those of `records` wait for that wait for others; however many, by two questions."""
    asked = [record.id for record in records if may_wait(ladders, record)]
    if not asked:
        return {}
    counts = await database.fetch(_counts(asked))
    of_stuck = [row[0] for row in counts if row.stuck]
    named: dict[str, list[Stuck]] = {}
    for row in await database.fetch(_first_stuck(of_stuck)) if of_stuck else ():
        child = record_of(row)
        named.setdefault(str(child.parent_id), []).append(_stuck(ladders, child))
    found = {}
    for parent_id, first, last, total, is_open, parked, stuck in map(tuple, counts):
        if is_open:
            noun = ladders[first].title.lower() if first == last and first in ladders else "records"
            found[parent_id] = Waiting(total, is_open, parked, stuck, noun, named.get(parent_id, []))
    return found


def _counts(parent_ids: Sequence[str]) -> Any:
    def count(condition: Any, name: str) -> Any:
        return cast(func.sum(case((condition, 1), else_=0)), Integer).label(name)

    counted = select(
        _R.parent_id,
        func.min(_R.ladder),
        func.max(_R.ladder),
        func.count(),
        count(_R.is_complete.is_(False), "open"),
        count(_R.parked_at.is_not(None), "parked"),
        count(_STUCK, "stuck"),
    )
    return counted.where(_R.parent_id.in_(parent_ids)).group_by(_R.parent_id)


def _first_stuck(parent_ids: Sequence[str]) -> Any:
    # By numbers first: to line up whole records takes long where thousands are stuck.
    place = func.row_number().over(partition_by=_R.parent_id, order_by=_R.number).label("place")
    stuck = select(_R.number, place).where(_R.parent_id.in_(parent_ids), _STUCK).subquery()
    first = select(stuck.c.number).where(stuck.c.place <= NAMED)
    return select(*COLUMNS).where(_R.number.in_(first)).order_by(_R.number)


def _stuck(ladders: Mapping[str, Ladder], child: Record) -> Stuck:
    error = child.error if child.parked_at else None
    message = clean(error.message, MESSAGE_CHARACTERS) if error else None
    return Stuck(child.id, child.code, child.status, _state(ladders, child), error.code if error else None, message)


def _state(ladders: Mapping[str, Ladder], child: Record) -> str:
    ladder = ladders.get(child.ladder)
    if child.parked_at:
        return "parked"
    if ladder is not None and child.status == ladder.awaiting:
        return "awaiting"
    return "waits" if may_wait(ladders, child) else "rests"
