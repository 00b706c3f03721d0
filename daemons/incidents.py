"""Keeps what went wrong, from when to when and how often, and writes who is told of it: the only writer of incidents.

What comes again within an hour is counted on; from its third time on it flaps: it stays one incident, and is told of
once more when it has been calm.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast
from uuid import uuid4

from sqlalchemy import Row, Table, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from daemons.database import Database
from daemons.database.transaction import Transaction
from daemons.killpoints import reach
from daemons.models import IncidentTable
from daemons.notices import Topic, drop_unsent, told_of, write_summaries, write_to_all
from daemons.values import JsonValue

AGAIN_WITHIN = timedelta(hours=1)
FLAPS = 3
"""Times within that hour from which an incident flaps."""
_I = cast(Table, IncidentTable.__table__)


class Wrong(NamedTuple):
    """Something that is wrong now, or that somebody has to answer."""

    topic: Topic
    title: str
    message: str
    is_urgent: bool = False


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that went wrong, for the `count`-th time since `first_at`; open until it recovered."""

    id: str
    kind: str
    subject: str
    message: str
    count: int
    manager_id: str | None
    first_at: datetime
    opened_at: datetime
    recovered_at: datetime | None

    @property
    def is_flapping(self) -> bool:
        return self.count >= FLAPS

    def as_dict(self) -> dict[str, JsonValue]:
        return {name: getattr(self, name) for name in self.__slots__ if name not in ("manager_id", "first_at")}


class Incidents:
    """Reads, opens and closes incidents for one manager."""

    def __init__(self, database: Database, manager_id: str) -> None:
        self._database = database
        self.manager_id = manager_id

    async def open_ones(self) -> Sequence[Incident]:
        """Return what is wrong now, the oldest first."""
        rows = await self._database.fetch(select(_I).where(_I.c.recovered_at.is_(None)).order_by(_I.c.opened_at))
        return [_incident(row) for row in rows]

    async def list(self, limit: int = 50) -> Sequence[Incident]:
        """Return the newest incidents, open or over."""
        rows = await self._database.fetch(select(_I).order_by(_I.c.opened_at.desc()).limit(limit))
        return [_incident(row) for row in rows]

    async def of(self, kind: str, subject: str, since: datetime, limit: int = 200) -> Sequence[Incident]:
        """Return the newest incidents of one thing that were open at some time since then, the oldest first."""
        lately = _I.c.recovered_at.is_(None) | (_I.c.recovered_at >= since)
        chosen = select(_I).where(_I.c.kind == kind, _I.c.subject == subject, lately)
        rows = await self._database.fetch(chosen.order_by(_I.c.opened_at.desc()).limit(limit))
        return [_incident(row) for row in reversed(rows)]

    async def open(self, kind: str, subject: str, wrong: Wrong) -> Incident | None:
        """Open an incident and write a message to each target that wants to hear of it; None if it is open already."""

        def unit(tx: Transaction) -> Incident | None:
            before = _before(tx, kind, subject)
            count, first_at = (before.count + 1, before.first_at) if before else (1, tx.now)
            row = {"id": str(uuid4()), "kind": kind, "subject": subject, "message": wrong.message, "count": count}
            row |= {"manager_id": self.manager_id, "first_at": first_at, "opened_at": tx.now}
            # It may be open, and another manager may see the same thing in the same moment.
            statement = (sqlite if tx.is_sqlite else postgresql).insert(_I).on_conflict_do_nothing().returning(_I)
            found = tx.execute(statement, row).first()
            if found is None:
                return None
            made = _incident(found)
            if before is not None:
                drop_unsent(tx, before.id)
            title = wrong.title
            if made.is_flapping:
                title = f"Flapping, {made.count} times in {_minutes(made, tx.now)} min: {title}"
            write_to_all(tx, wrong.topic, kind, title, wrong.message, incident_id=made.id, is_urgent=wrong.is_urgent)
            reach("incident opened")
            return made

        return await self._database.write(unit)

    async def count_again(self, incident: Incident) -> None:
        """Count that it was gone and is wrong once more, before it was told to be over."""
        again = update(_I).where(_I.c.id == incident.id).values(count=_I.c.count + 1)
        await self._database.write(lambda tx: tx.execute(again), durable=False)

    async def take_over(self, incident: Incident) -> bool:
        """Make a dead manager's incident ours, unless another was quicker."""
        still = (_I.c.id == incident.id, _I.c.recovered_at.is_(None))
        whose = _I.c.manager_id == incident.manager_id if incident.manager_id else _I.c.manager_id.is_(None)
        taken = update(_I).where(*still, whose).values(manager_id=self.manager_id)
        return bool(await self._database.write(lambda tx: tx.execute(taken).rowcount))

    async def recover(self, incident: Incident, topic: Topic, *, gone: float = 0.0, is_told: bool = True) -> None:
        """Close an incident that is gone for so many seconds.

        Who was told of it is told that it is over; who was not yet, hears of both after quiet hours, else of nothing.
        """

        def unit(tx: Transaction) -> None:
            still = (_I.c.id == incident.id, _I.c.recovered_at.is_(None))
            over = update(_I).where(*still).values(recovered_at=tx.now - timedelta(seconds=gone))
            closed = tx.execute(over.returning(_I)).first()
            if closed is None:
                return
            now_over = _incident(closed)
            untold = drop_unsent(tx, incident.id)
            if not is_told:
                return
            told = told_of(tx, incident.id)
            what = incident.message.partition(". ")[0]
            body = f"{_story(now_over, tx.now)} It was: {incident.message}"
            title = f"{'Stable again' if now_over.is_flapping else 'Over'}: {what}"
            write_to_all(tx, topic, "recovered", title, body, incident_id=incident.id, only=told)
            write_summaries(tx, f"Came and went: {what}", body, incident_id=incident.id, only=untold - told)

        await self._database.write(unit)

    async def prune(self, older_than: datetime) -> None:
        """Forget incidents that are long over."""
        await self._database.write(
            lambda tx: tx.execute(delete(_I).where(_I.c.recovered_at < older_than)), durable=False
        )


def _before(tx: Transaction, kind: str, subject: str) -> Incident | None:
    """Return what this one counts together with: the last of its kind, over for less than an hour and not flapping."""
    same = (_I.c.kind == kind, _I.c.subject == subject, _I.c.recovered_at > tx.now - AGAIN_WITHIN, _I.c.count < FLAPS)
    row = tx.execute(select(_I).where(*same).order_by(_I.c.recovered_at.desc()).limit(1)).first()
    return _incident(row) if row is not None else None


def _story(incident: Incident, now: datetime) -> str:
    minutes = _minutes(incident, now)
    return f"It lasted {minutes} min." if incident.count == 1 else f"It came {incident.count} times in {minutes} min."


def _minutes(incident: Incident, now: datetime) -> int:
    return max(1, round((now - incident.first_at).total_seconds() / 60))


def _incident(row: Row[Any]) -> Incident:
    return Incident(**{name: row._mapping[name] for name in Incident.__slots__})
