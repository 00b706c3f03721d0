"""The record of who did what, read back a page at a time."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from daemons.database import Database
from daemons.models import AuditTable
from daemons.values import Page

_A = AuditTable.__table__.c


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Somebody did something, or was refused."""

    id: int
    at: datetime
    who: str
    origin: str
    action: str
    target: str | None
    outcome: str

    def as_dict(self) -> dict[str, Any]:
        """Return the entry of the HTTP API."""
        return asdict(self)


class AuditTrail:
    """Reads what `record_audit` kept."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self, *, who: str | None = None, action: str | None = None, before: int | None = None, limit: int = 50
    ) -> Page:
        """Return the newest entries, those just before `before`; `who` and `action` are parts of the words."""
        wanted = select(AuditTable.__table__).order_by(_A.id.desc()).limit(limit + 1)
        if who:
            wanted = wanted.where(_A.who.icontains(who, autoescape=True))
        if action:
            wanted = wanted.where(_A.action.icontains(action, autoescape=True))
        if before is not None:
            wanted = wanted.where(_A.id < before)
        rows = await self._database.fetch(wanted)
        found = [
            AuditEntry(row.id, row.at, row.who, row.origin, row.action, row.target, row.outcome) for row in rows[:limit]
        ]
        return Page(found, str(found[-1].id) if len(rows) > limit else None)
