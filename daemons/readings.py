"""A daemon's own figures, folded by the minute, and the errors it reported, equal ones counted."""

import hashlib
from collections import deque
from contextlib import AsyncExitStack
from datetime import datetime
from types import TracebackType
from typing import NamedTuple, Self

from sqlalchemy import case, delete, extract, func, insert, select, update

from daemons.clock import Clock
from daemons.database import Database
from daemons.database.transaction import Transaction
from daemons.database.write_behind import WriteBehind
from daemons.errors import NotFound
from daemons.leases import still_held
from daemons.models import DaemonErrorTable, DaemonTable, MetricTable
from daemons.text import clean
from daemons.values import Lease, MetricPoint, ReportedError

NAME_CHARACTERS = 100
UNIT_CHARACTERS = 20
MESSAGE_CHARACTERS = 2_000
DETAIL_CHARACTERS = 16_000
POINTS_MOST = 50_000
"""Points read at once: five figures, every minute of a week."""
REPORTS_WAITING = 1_000
ERRORS_KEPT = 1_000
"""Different errors kept of one daemon."""


class _Report(NamedTuple):
    at: datetime
    lease: Lease
    code: str
    message: str
    detail: str | None

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"{self.code}\n{self.message}".encode()).hexdigest()


class Readings:
    """Takes figures and reports at once, folds them, and writes them a moment later."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._points: dict[tuple[Lease, str, datetime], MetricPoint] = {}
        self._reports: deque[_Report] = deque(maxlen=REPORTS_WAITING)
        self._behind = WriteBehind("readings", clock, self._flush)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._behind)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def metric(self, lease: Lease, name: str, value: float, unit: str | None = None) -> None:
        """Take one figure of a daemon. Anything that is not a finite number is ignored."""
        if not abs(value) < float("inf"):
            return
        minute = self._clock.now().replace(second=0, microsecond=0)
        name = clean(name, NAME_CHARACTERS)
        key = (lease, name, minute)
        old = self._points.get(key)
        new = MetricPoint(name, minute, unit and clean(unit, UNIT_CHARACTERS), 1, value, value, value, value)
        self._points[key] = _fold(old, new) if old else new
        self._behind.mark()

    def report(self, lease: Lease, code: str, message: str, detail: str | None = None) -> None:
        """Take one error that a daemon lived through."""
        detail = None if detail is None else clean(detail, DETAIL_CHARACTERS, keep_newlines=True)
        text = clean(message, MESSAGE_CHARACTERS)
        self._reports.append(_Report(self._clock.now(), lease, clean(code, NAME_CHARACTERS), text, detail))
        self._behind.mark()

    async def flush(self) -> None:
        """Return once everything taken so far is stored."""
        await self._behind.flush_now()

    async def _flush(self) -> None:
        points, self._points = self._points, {}
        reports = list(self._reports)
        self._reports.clear()
        if not points and not reports:
            return
        try:
            await self._database.write(lambda tx: _write(tx, points, reports), durable=False)
        except BaseException:
            for key, point in points.items():
                newer = self._points.get(key)
                self._points[key] = _fold(point, newer) if newer else point
            self._reports.extendleft(reversed(reports))
            raise

    async def metrics(
        self, daemon_id: str, *, since: datetime, name: str | None = None, limit: int = POINTS_MOST
    ) -> list[MetricPoint]:
        """Return the newest `limit` points of a daemon from `since` on, oldest first."""
        table = MetricTable
        statement = select(table.__table__).where(table.daemon_id == daemon_id, table.at >= since)
        if name is not None:
            statement = statement.where(table.name == name)
        newest = statement.order_by(table.at.desc(), table.name.desc()).limit(limit)
        rows = (await self._database.fetch(newest))[::-1]
        return [
            MetricPoint(
                row.name, row.at, row.unit, row._mapping["count"], row.total, row.minimum, row.maximum, row.last
            )
            for row in rows
        ]

    async def hourly(self, daemon_id: str, *, since: datetime) -> list[MetricPoint]:
        """Return the figures of a daemon from `since` on, folded by the hour, oldest first; `last` is their mean."""
        table = MetricTable
        hour = [extract(part, table.at) for part in ("year", "month", "day", "hour")]
        statement = (
            select(
                table.name,
                func.min(table.at, type_=MetricTable.__table__.c.at.type).label("begin"),
                func.max(table.unit).label("unit"),
                func.sum(table.count).label("times"),
                func.sum(table.total).label("total"),
                func.min(table.minimum).label("minimum"),
                func.max(table.maximum).label("maximum"),
            )
            .where(table.daemon_id == daemon_id, table.at >= since)
            .group_by(table.name, *hour)
            .order_by("begin", table.name)
            .limit(POINTS_MOST)
        )
        return [
            MetricPoint(
                row.name,
                row.begin,
                row.unit,
                int(row.times),
                row.total,
                row.minimum,
                row.maximum,
                row.total / int(row.times),
            )
            for row in await self._database.fetch(statement)
        ]

    async def errors(self, daemon_id: str, *, limit: int = 100) -> list[ReportedError]:
        """Return the reported errors of a daemon, unresolved and newest first."""
        table = DaemonErrorTable
        statement = (
            select(table.__table__)
            .where(table.daemon_id == daemon_id)
            .order_by(table.resolved_at.is_not(None), table.last_seen.desc())
            .limit(limit)
        )
        return [
            ReportedError(
                row.id,
                row.code,
                row.message,
                row.detail,
                row._mapping["count"],
                row.first_seen,
                row.last_seen,
                row.resolved_at,
            )
            for row in await self._database.fetch(statement)
        ]

    async def resolve(self, daemon_id: str, error_id: int) -> None:
        """Mark an error that a daemon reported as dealt with; if it comes again it is a new one. Raises NotFound."""

        def unit(tx: Transaction) -> None:
            table = DaemonErrorTable
            open_one = (table.id == error_id) & (table.daemon_id == daemon_id) & table.resolved_at.is_(None)
            if tx.execute(update(table).where(open_one).values(resolved_at=tx.now)).rowcount == 0:
                raise NotFound(f"There is no open error {error_id}.", code="ERR_UNKNOWN_ERROR")

        await self._database.write(unit)

    async def prune(self, older_than: datetime) -> int:
        """Delete what was last seen before `older_than`, and errors beyond what is kept; return how many rows."""

        def unit(tx: Transaction) -> int:
            errors = tx.execute(delete(DaemonErrorTable).where(DaemonErrorTable.last_seen < older_than)).rowcount
            errors += sum(
                _prune_errors(tx, daemon_id) for daemon_id in tx.execute(select(DaemonTable.id)).scalars().all()
            )
            return errors + tx.execute(delete(MetricTable).where(MetricTable.at < older_than)).rowcount

        return await self._database.write(unit, durable=False)


def _prune_errors(tx: Transaction, daemon_id: str) -> int:
    # A message with a number in it is another error each time.
    table = DaemonErrorTable
    newest_first = (table.last_seen.desc(), table.id.desc())
    of_daemon = select(table.id).where(table.daemon_id == daemon_id)
    beyond = tx.execute(of_daemon.order_by(*newest_first).offset(ERRORS_KEPT)).scalars().all()
    parts = (beyond[at : at + ERRORS_KEPT] for at in range(0, len(beyond), ERRORS_KEPT))
    return sum(tx.execute(delete(table).where(table.id.in_(part))).rowcount for part in parts)


def _fold(old: MetricPoint, new: MetricPoint) -> MetricPoint:
    return MetricPoint(
        new.name,
        new.at,
        new.unit,
        old.count + new.count,
        old.total + new.total,
        min(old.minimum, new.minimum),
        max(old.maximum, new.maximum),
        new.last,
    )


def _write(tx: Transaction, points: dict[tuple[Lease, str, datetime], MetricPoint], reports: list[_Report]) -> None:
    leases = {key[0] for key in points} | {report.lease for report in reports}
    valid = still_held(tx, leases)
    for (lease, _, _), point in points.items():
        if lease in valid:
            _write_point(tx, lease.daemon_id, point)
    for report in reports:
        if report.lease in valid:
            _write_report(tx, report)


def _write_point(tx: Transaction, daemon_id: str, point: MetricPoint) -> None:
    table = MetricTable
    here = (table.daemon_id == daemon_id) & (table.name == point.name) & (table.at == point.at)
    folded = {
        "unit": point.unit,
        "count": table.count + point.count,
        "total": table.total + point.total,
        "minimum": case((table.minimum < point.minimum, table.minimum), else_=point.minimum),
        "maximum": case((table.maximum > point.maximum, table.maximum), else_=point.maximum),
        "last": point.last,
    }
    if tx.execute(update(table).where(here).values(folded)).rowcount == 0:
        values = {key: getattr(point, key) for key in ("name", "at", *folded)}
        tx.execute(insert(table), {"daemon_id": daemon_id, **values})


def _write_report(tx: Transaction, report: _Report) -> None:
    table = DaemonErrorTable
    here = (table.daemon_id == report.lease.daemon_id) & (table.digest == report.digest) & table.resolved_at.is_(None)
    again = {"count": table.count + 1, "last_seen": report.at, "detail": report.detail}
    if tx.execute(update(table).where(here).values(again)).rowcount == 0:
        seen = {"count": 1, "first_seen": report.at, "last_seen": report.at}
        error = {"code": report.code, "digest": report.digest, "message": report.message, "detail": report.detail}
        tx.execute(insert(table), {"daemon_id": report.lease.daemon_id, **error, **seen})
