"""What happened to all daemons, newest first: changes of state, commands, their jobs, errors that they reported.

Nothing is written for it. Both sources are numbered as they grow and are read backwards by that number, each as far
as a page needs.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from types import TracebackType
from typing import Any, NamedTuple, Self

from sqlalchemy import ColumnElement, Select, and_, select

from daemons.bus import Bus
from daemons.clock import Clock
from daemons.database import Database
from daemons.errors import Invalid, Unavailable, UnknownName
from daemons.events import DaemonRemoved, DaemonRowChanged, Event, ItemChanged, JobChanged
from daemons.jobs.rows import JOBS
from daemons.models import DaemonErrorTable, DaemonHistoryTable, DaemonTable
from daemons.tasks import beside
from daemons.values import JsonValue, Page

TOPIC = "activity"
KINDS = ("state", "desired", "job", "refused", "error")
NEWEST = 8
"""Happenings that are told to everybody who looks at all daemons."""
PACE_SECONDS = 1.0
"""The least between two looks."""
LOOK_SECONDS = 10.0
"""The most: no event tells of an error that was reported."""
DIGITS = 18

_H = DaemonHistoryTable.__table__.c
_E = DaemonErrorTable.__table__.c


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened to a daemon; an error that it reported is one, however often it came since."""

    id: str
    at: datetime
    kind: str
    daemon_id: str
    daemon_name: str
    old: str | None
    new: str | None
    reason: str | None
    job_id: str | None
    code: str | None
    count: int

    def as_dict(self) -> dict[str, JsonValue]:
        return {
            "id": self.id,
            "at": self.at,
            "kind": self.kind,
            "daemon_id": self.daemon_id,
            "daemon_name": self.daemon_name,
            "from": self.old,
            "to": self.new,
            "reason": self.reason,
            "job_id": self.job_id,
            "code": self.code,
            "count": self.count,
        }


class Place(NamedTuple):
    """Where a page begins: below which number in each source. None is its newest end."""

    history: int | None = None
    errors: int | None = None

    @classmethod
    def read(cls, text: str) -> "Place":
        """Read what `str` wrote. Raises Invalid."""
        numbers = text.split(".")
        if len(numbers) != 2 or not all(part == "" or _is_number(part) for part in numbers):
            raise Invalid(
                "The cursor is not one that this list gave.",
                remedy="Begin again without a cursor.",
                code="ERR_BAD_CURSOR",
            )
        return cls(*(int(part) if part else None for part in numbers))

    def __str__(self) -> str:
        return ".".join("" if number is None else str(number) for number in self)

    def after(self, shown: Sequence[Happening]) -> "Place":
        """Return the place below everything that was shown."""
        last = {happening.id[0]: int(happening.id[1:]) for happening in shown}
        return Place(last.get("h", self.history), last.get("e", self.errors))


class Activity:
    """Reads what happened; from enter to exit it knows the newest of it, and tells when there is more."""

    def __init__(self, database: Database, clock: Clock, bus: Bus) -> None:
        self.newest: list[Happening] = []
        self._database = database
        self._clock = clock
        self._bus = bus
        self._changed = asyncio.Event()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._stack.enter_context(self._bus.listen(self._hear))
        await self.look()
        await self._stack.enter_async_context(beside(self._keep_looking(), "activity"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def page(
        self,
        *,
        kinds: Sequence[str] = (),
        daemon_id: str | None = None,
        before: Place | None = None,
        limit: int = 50,
    ) -> Page:
        """Return a page, the newest first; its `next` is the text of a place. Raises UnknownName for a kind.

        What a person asked to leave out costs as much to pass by as to show.
        """
        for kind in kinds:
            if kind not in KINDS:
                raise UnknownName(
                    f"There is no kind of happening called {kind[:40]!r}.", remedy=f"One of: {', '.join(KINDS)}."
                )
        place = before or Place()
        wanted = kinds or KINDS
        history = await self._history([kind for kind in wanted if kind != "error"], daemon_id, place, limit + 1)
        errors = await self._errors(daemon_id, place, limit + 1) if "error" in wanted else []
        # Each source keeps its own order, even where a clock went backwards: nothing is left out or shown twice.
        found = list(merge(history, errors, key=lambda happening: happening.at, reverse=True))
        shown = found[:limit]
        return Page(shown, str(place.after(shown)) if len(found) > limit else None)

    async def look(self) -> None:
        """See what is newest, and tell if it is anything new. Raises Unavailable."""
        newest = (await self.page(limit=NEWEST)).items
        if newest != self.newest:
            self.newest = newest
            self._bus.publish(ItemChanged(TOPIC, "newest", {"items": [happening.as_dict() for happening in newest]}))

    def _hear(self, event: Event) -> None:
        if isinstance(event, DaemonRowChanged | DaemonRemoved | JobChanged):
            self._changed.set()

    async def _keep_looking(self) -> None:
        while True:
            await self._clock.wait(self._changed, LOOK_SECONDS)
            self._changed.clear()
            with suppress(Unavailable):
                await self.look()
            await self._clock.sleep(PACE_SECONDS)

    async def _history(self, kinds: Sequence[str], daemon_id: str | None, place: Place, limit: int) -> list[Happening]:
        if not kinds:
            return []
        of_kind = [_H.kind.in_(kinds)] if len(kinds) < len(KINDS) - 1 else []
        rows = await self._database.fetch(_history_page([*of_kind, *_within(_H, daemon_id, place.history)], limit))
        return [
            Happening(
                f"h{row.id}",
                row.at,
                row.kind,
                row.daemon_id,
                row.name,
                row.old,
                row.new,
                row.reason,
                row.job_id,
                row.error_code,
                1,
            )
            for row in rows
        ]

    async def _errors(self, daemon_id: str | None, place: Place, limit: int) -> list[Happening]:
        rows = await self._database.fetch(_errors_page(_within(_E, daemon_id, place.errors), limit))
        return [
            Happening(
                f"e{row.id}",
                row.first_seen,
                "error",
                row.daemon_id,
                row.name,
                None,
                None if row.resolved_at is None else "resolved",
                row.message,
                None,
                row.code,
                row._mapping["count"],
            )
            for row in rows
        ]


def _within(columns: Any, daemon_id: str | None, before: int | None) -> list[ColumnElement[bool]]:
    of_daemon = [columns.daemon_id == daemon_id] if daemon_id is not None else []
    return [*of_daemon, *([columns.id < before] if before is not None else [])]


def _history_page(conditions: Sequence[ColumnElement[bool]], limit: int) -> Select[Any]:
    # The page first, then what belongs to its few rows.
    page = select(DaemonHistoryTable.__table__).where(*conditions).order_by(_H.id.desc()).limit(limit).subquery()
    # The code of what went wrong, unless the job was tried again since.
    is_how_it_ended = and_(JOBS.c.id == page.c.job_id, JOBS.c.state == page.c.new)
    return (
        select(page, DaemonTable.name, JOBS.c.error_code)
        .join(DaemonTable, DaemonTable.id == page.c.daemon_id)
        .outerjoin(JOBS, is_how_it_ended)
        .order_by(page.c.id.desc())
    )


def _errors_page(conditions: Sequence[ColumnElement[bool]], limit: int) -> Select[Any]:
    page = select(DaemonErrorTable.__table__).where(*conditions).order_by(_E.id.desc()).limit(limit).subquery()
    return (
        select(page, DaemonTable.name).join(DaemonTable, DaemonTable.id == page.c.daemon_id).order_by(page.c.id.desc())
    )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= DIGITS
