"""Records that are like one, by the cosine of their vectors: more like this."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import ColumnElement, Table, func, literal, select, tuple_

from daemons.clock import Clock
from daemons.database import Database
from daemons.errors import Conflict, Invalid
from daemons.values import Page
from daemons.workflows.polling.keeper.rows import COLUMNS, RECORDS, record_of, unknown_record
from daemons.workflows.polling.ladder import Ladder
from daemons.workflows.polling.records import Record
from daemons.workflows.polling.tables import RecordVectorTable

# A tenth of a second to import, which a deck that compares nothing need not spend.
if TYPE_CHECKING:
    from daemons.workflows.polling.keeper.vectors import Vectors

LIMIT_MOST = 100
LEAST = 0.1
"""Of a cosine: what is less alike than that is not alike."""
MILLION = 1_000_000
CANDIDATES_MOST = 10_000
FRESH_SECONDS = 2.0
"""For so long nobody looks for new vectors again."""
EVER = datetime(1970, 1, 1, tzinfo=UTC)
OVERLAP = timedelta(seconds=10)
"""What was written before the newest known one may have been committed after it."""
SPACES_MOST = 2
"""Spaces that are kept in memory: most have one, and two while they change."""
_READ_AT_ONCE = 1_000
_ASKED_AT_ONCE = 200

_R = RECORDS.c
_V = cast(Table, RecordVectorTable.__table__).c


class NothingToCompare(Conflict):
    """The record has no vector to be compared by."""

    code = "ERR_NO_VECTOR"
    remedy = "Have it described again; its vector is made after that."


@dataclass(frozen=True, slots=True)
class Like:
    """A record, and how much it is like another one: 1 is the same, 0 has nothing in common with it."""

    record: Record
    score: float

    def as_dict(self) -> dict[str, Any]:
        return {**self.record.as_dict(), "score": self.score}


def nothing_to_compare(record: Record, ladder: Ladder | None) -> NothingToCompare:
    """Return the refusal for a record without a vector, which says when it will have one."""
    step = ladder.vector_step if ladder is not None else None
    if ladder is None or step is None:
        return NothingToCompare(
            f"{record.code} has no vector to be compared by: the ladder {record.ladder} makes none.",
            remedy="Look for records of a ladder that does, such as stills.",
        )
    if record.fields.get("embedding_dimensions") == 0:
        return NothingToCompare(
            f"{record.code} has no vector: there were no words to compare it by.",
            remedy="Write what is seen, and have it described again; its vector is made after that.",
        )
    if record.is_complete:
        return NothingToCompare(f"{record.code} has no vector, though it is complete.")
    remedy = "Let it climb on: what is like it is shown as soon as that is done."
    if record.status == ladder.awaiting:
        remedy = "It waits for a person: answer what it asks, or have it go on as it is."
    elif record.parked_at is not None:
        remedy = "It is parked: mend what stopped it, and have it tried again."
    return NothingToCompare(
        f"{record.code} has no vector yet: it gets one by the step “{step.title or step.name}”,"
        f" and stands at {record.status}.",
        remedy=remedy,
    )


class _Space:
    """What is known of one space."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.vectors: Vectors | None = None
        self.newest: datetime | None = None
        self.looked_at = 0.0


class SimilarRecords:
    """Finds records that are like one. What it knows of them is up to FRESH_SECONDS old."""

    def __init__(self, database: Database, clock: Clock, ladders: Mapping[str, Ladder]) -> None:
        self._database = database
        self._clock = clock
        self._ladders = ladders
        self._spaces: OrderedDict[str, _Space] = OrderedDict()

    async def like(
        self,
        record_id: str,
        *,
        conditions: Sequence[ColumnElement[bool]] = (),
        after: tuple[int, int] | None = None,
        limit: int = 24,
        least: float = LEAST,
    ) -> Page:
        """Return `Like`s that meet the conditions, the most alike first, of the same score the newest first.

        `after`: score in millionths and number of the last one seen; `next` is that of this page, between a dot.
        Raises UnknownRecord, NothingToCompare, Invalid.
        """
        if not 1 <= limit <= LIMIT_MOST:
            raise Invalid(f"limit must be between 1 and {LIMIT_MOST}.", code="ERR_BAD_LIMIT")
        number, name, vector = await self._wanted(record_id)
        space = self._space(name)
        async with space.lock:
            vectors = await self._known(space, name, len(vector) // 4)
            near = await asyncio.to_thread(
                vectors.nearest, vector, CANDIDATES_MOST, but=number, after=after, least=round(least * MILLION)
            )
        return await self._page(near, conditions, limit)

    async def _wanted(self, record_id: str) -> tuple[int, str, bytes]:
        row = await self._database.fetch_one(select(*COLUMNS).where(_R.id == record_id))
        if row is None:
            raise unknown_record(record_id)
        record = record_of(row)
        name = record.fields.get("embedding")
        if isinstance(name, str):
            packed = select(_V.vector).where(_V.record == record.number, _V.space == name)
            found = await self._database.fetch_one(packed)
            if found is not None and found.vector:
                return record.number, name, found.vector
        raise nothing_to_compare(record, self._ladders.get(record.ladder))

    def _space(self, name: str) -> _Space:
        space = self._spaces.setdefault(name, _Space())
        self._spaces.move_to_end(name)
        while len(self._spaces) > SPACES_MOST:
            self._spaces.popitem(last=False)
        return space

    # What is in memory.

    async def _known(self, space: _Space, name: str, dimensions: int) -> "Vectors":
        now = self._clock.monotonic()
        known = space.vectors if space.vectors is not None and space.vectors.dimensions == dimensions else None
        if known is not None and now - space.looked_at < FRESH_SECONDS:
            return known
        if known is not None and await self._caught_up(space, known, name):
            return known
        from daemons.workflows.polling.keeper.vectors import Vectors

        # The old ones go first: twice would be too much.
        space.vectors = known = None
        vectors = Vectors(dimensions)
        _, newest = await self._count(name)
        await self._take_in(vectors, name, EVER)
        space.vectors, space.newest, space.looked_at = vectors, newest, now
        return vectors

    async def _caught_up(self, space: _Space, vectors: "Vectors", name: str) -> bool:
        """Take in what is new, and return whether that is all: what is gone is found out by counting alone."""
        now = self._clock.monotonic()
        before, newest = await self._count(name)
        if newest is not None and (space.newest is None or newest > space.newest):
            await self._take_in(vectors, name, min(newest, space.newest or newest) - OVERLAP)
        after, _ = await self._count(name)
        if len(vectors) < before or len(vectors) > after:
            return False
        space.newest, space.looked_at = newest, now
        return True

    async def _count(self, name: str) -> tuple[int, datetime | None]:
        counted = select(func.count().label("total"), func.max(_V.made_at).label("newest")).where(_V.space == name)
        row = await self._database.fetch_one(counted)
        assert row is not None
        return row.total, row.newest

    async def _take_in(self, vectors: "Vectors", name: str, since: datetime) -> None:
        last = 0
        found = select(_V.record, _V.made_at, _V.vector).where(_V.space == name)
        found = found.order_by(_V.made_at, _V.record).limit(_READ_AT_ONCE)
        while rows := await self._database.fetch(found.where(_beyond(since, last))):
            await asyncio.to_thread(vectors.put, [(row.record, row.vector) for row in rows])
            since, last = rows[-1].made_at, rows[-1].record

    # What is shown.

    async def _page(
        self, near: Sequence[tuple[int, int]], conditions: Sequence[ColumnElement[bool]], limit: int
    ) -> Page:
        shown: list[Like] = []
        last = (0, 0)
        for at in range(0, len(near), _ASKED_AT_ONCE):
            some = near[at : at + _ASKED_AT_ONCE]
            there = select(*COLUMNS).where(_R.number.in_([number for _, number in some]), *conditions)
            found = {record.number: record for record in map(record_of, await self._database.fetch(there))}
            for score, number in some:
                if number not in found:
                    continue
                if len(shown) == limit:
                    return Page(shown, f"{last[0]}.{last[1]}")
                shown.append(Like(found[number], round(min(score, MILLION) / MILLION, 4)))
                last = (score, number)
        return Page(shown, None)


def _beyond(moment: datetime, number: int) -> ColumnElement[bool]:
    # As a pair, which an index answers; written out with `or`, every page would sort all of them.
    given = tuple_(literal(moment, _V.made_at.type), literal(number, _V.record.type))
    return tuple_(_V.made_at, _V.record) > given
