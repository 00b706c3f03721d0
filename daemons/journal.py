"""What was said and what happened: log lines, the timeline of statuses, and each daemon's history."""

from collections import deque
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import datetime
from types import TracebackType
from typing import Any, NamedTuple, Self

from sqlalchemy import Select, bindparam, delete, insert, select

from daemons.clock import Clock
from daemons.database import Database
from daemons.database.transaction import Transaction
from daemons.database.write_behind import WriteBehind
from daemons.events import LogWritten
from daemons.leases import still_held
from daemons.models import DaemonHistoryTable, DaemonTable, LogTable, StatusTable
from daemons.states import LogLevel
from daemons.text import clean, last_states
from daemons.values import DaemonRow, HistoryEntry, Lease, LogLine, StatusNote

LINE_CHARACTERS = 8_000
LINES_WAITING = 10_000
"""Log lines that wait for the database before the oldest are dropped and counted."""
LINES_KEPT = 200_000
"""Log lines kept in all, unless something else is said."""
LINES_KEPT_EACH = 20_000
"""Log lines kept of one daemon."""
NOTES_WAITING = 20
"""Statuses of one daemon between two flushes; a faster speaker's middle ones are not kept."""
NOTES_KEPT = 500
"""Statuses kept of one daemon."""
HISTORY_KEPT = 5_000
"""Entries of history kept of one daemon."""

_insert_line = insert(LogTable).returning(LogTable.id, sort_by_parameter_order=True)
_insert_note = insert(StatusTable)
_H = DaemonHistoryTable.__table__.c
# A daemon may be removed while its last job still runs and its last words are still on their way.
_insert_history = insert(DaemonHistoryTable).from_select(
    ["daemon_id", "at", "kind", "old", "new", "reason", "job_id"],
    select(
        DaemonTable.id,
        *(bindparam(f"b_{column.name}", type_=column.type) for column in (_H.at, _H.kind, _H.old, _H.new)),
        *(bindparam(f"b_{column.name}", type_=column.type) for column in (_H.reason, _H.job_id)),
    )
    .where(DaemonTable.id == bindparam("b_daemon_id"))
    .with_for_update(read=True, key_share=True),
)
_still_there = (
    select(DaemonTable.id)
    .where(DaemonTable.id.in_(bindparam("ids", expanding=True)))
    .with_for_update(read=True, key_share=True)
)


class _WaitingLine(NamedTuple):
    at: datetime
    level: LogLevel
    message: str
    daemon: DaemonRow | None
    job_id: str | None
    item_id: str | None
    lease: Lease | None


def record_history(
    tx: Transaction,
    daemon_id: str,
    kind: str,
    old: str | None,
    new: str | None,
    reason: str | None,
    job_id: str | None = None,
) -> None:
    """Add to a daemon's history inside another keeper's unit; one that was removed has none any more.

    `kind`: state, desired, job, refused or lease.
    """
    values = {"b_daemon_id": daemon_id, "b_at": tx.now, "b_kind": kind, "b_old": old, "b_new": new}
    tx.execute(_insert_history, {**values, "b_reason": reason, "b_job_id": job_id})


class Journal:
    """Takes lines at once, writes them together a moment later, and reads them back."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lines: deque[_WaitingLine] = deque(maxlen=LINES_WAITING)
        self._notes: dict[str, deque[tuple[Lease, StatusNote]]] = {}
        self._behind = WriteBehind("journal", clock, self._flush)
        self._stack = AsyncExitStack()
        self.lines_dropped = 0
        self.lines_refused = 0

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._behind)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def log(
        self,
        level: LogLevel,
        message: object,
        *,
        daemon: DaemonRow | None = None,
        job_id: str | None = None,
        item_id: str | None = None,
        lease: Lease | None = None,
    ) -> None:
        """Take one line; it is stored and announced ≤ 100 ms later, unless `lease` is lost by then."""
        said = last_states(message if isinstance(message, str) else str(message))
        text = clean(said, LINE_CHARACTERS, keep_newlines=True)
        self.lines_dropped += len(self._lines) == LINES_WAITING
        self._lines.append(_WaitingLine(self._clock.now(), level, text, daemon, job_id, item_id, lease))
        self._behind.mark()

    def note_status(self, lease: Lease, note: StatusNote) -> None:
        """Add a status to the daemon's timeline; equal neighbours become one."""
        waiting = self._notes.get(lease.daemon_id)
        if waiting is None:
            waiting = self._notes[lease.daemon_id] = deque(maxlen=NOTES_WAITING)
        if waiting and waiting[-1][1].says_the_same(note):
            waiting[-1] = (lease, waiting[-1][1].again(note))
        else:
            waiting.append((lease, note))
        self._behind.mark()

    async def flush(self) -> None:
        """Return once everything said so far is stored."""
        await self._behind.flush_now()

    async def _flush(self) -> None:
        lines, notes = list(self._lines), self._notes
        self._notes = {}
        if not lines and not notes:
            return
        try:
            self.lines_refused += await self._database.write(lambda tx: self._write(tx, lines, notes), durable=False)
        except BaseException:
            self._notes = {**notes, **self._notes}
            raise
        # What arrived during the write stands to the right of what was written.
        for line in lines:
            if self._lines and self._lines[0] is line:
                self._lines.popleft()

    def _write(
        self, tx: Transaction, lines: list[_WaitingLine], notes: dict[str, deque[tuple[Lease, StatusNote]]]
    ) -> int:
        """Store lines and notes; return how many lines came from runs without a lease, or of daemons that are gone."""
        daemons = {line.daemon.id for line in lines if line.daemon}
        there = set(tx.execute(_still_there, {"ids": sorted(daemons)}).scalars()) if daemons else set()
        leases = {line.lease for line in lines if line.lease}
        leases |= {lease for waiting in notes.values() for lease, _ in waiting}
        valid = still_held(tx, leases)
        said = [line for line in lines if line.lease is None or line.lease in valid]
        kept = [line for line in said if line.daemon is None or line.daemon.id in there]
        self._write_lines(tx, kept)
        noted = [
            {"daemon_id": lease.daemon_id, **note._asdict()}
            for waiting in notes.values()
            for lease, note in waiting
            if lease in valid
        ]
        tx.execute_many(_insert_note, noted)
        for lease in leases - valid:
            record_history(tx, lease.daemon_id, "refused", None, "log", f"written under epoch {lease.epoch}")
        return len(lines) - len(kept)

    def _write_lines(self, tx: Transaction, lines: list[_WaitingLine]) -> None:
        if not lines:
            return
        rows = [
            {
                "at": line.at,
                "level": line.level.value,
                "message": line.message,
                "daemon_id": line.daemon.id if line.daemon else None,
                "job_id": line.job_id,
                "item_id": line.item_id,
            }
            for line in lines
        ]
        for number, line in zip(tx.execute(_insert_line, rows).scalars(), lines, strict=True):
            daemon = line.daemon
            tx.announce(
                LogWritten(
                    LogLine(
                        number,
                        line.at,
                        line.level,
                        line.message,
                        daemon.id if daemon else None,
                        daemon.name if daemon else None,
                        line.job_id,
                        line.item_id,
                    )
                )
            )

    async def prune(self, older_than: datetime, *, lines_kept: int = LINES_KEPT) -> int:
        """Delete what is older than `older_than`, beyond what is kept of each daemon, and all lines but `lines_kept`.

        Returns how many rows.
        """
        return await self._database.write(lambda tx: sum(_prune(tx, older_than, lines_kept)), durable=False)

    # Reading, oldest first.

    async def lines(
        self,
        *,
        daemon_id: str | None = None,
        job_id: str | None = None,
        item_id: str | None = None,
        level: LogLevel | None = None,
        q: str | None = None,
        after: int | None = None,
        before: int | None = None,
        limit: int = 200,
    ) -> list[LogLine]:
        """Return at most `limit` lines: those just after `after`, else the newest, else those just before `before`.

        `q`: only those whose message holds this text, in small letters or capitals.
        """
        asked = lines_asked(
            daemon_id=daemon_id, job_id=job_id, item_id=item_id, level=level, q=q, after=after, before=before
        )
        rows = await self._database.fetch(asked.limit(limit))
        return sorted((_line(row) for row in rows), key=lambda line: line.id)

    async def history(
        self,
        daemon_id: str,
        *,
        kind: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        before: int | None = None,
        limit: int = 200,
    ) -> list[HistoryEntry]:
        """Return the newest `limit` entries before `before`, of that kind and time if they are given."""
        table = DaemonHistoryTable
        statement = select(table.__table__).where(table.daemon_id == daemon_id)
        if kind is not None:
            statement = statement.where(table.kind == kind)
        if since is not None:
            statement = statement.where(table.at >= since)
        if until is not None:
            statement = statement.where(table.at <= until)
        if before is not None:
            statement = statement.where(table.id < before)
        rows = await self._database.fetch(statement.order_by(table.id.desc()).limit(limit))
        return [
            HistoryEntry(row.id, row.at, row.kind, row.old, row.new, row.reason, row.job_id) for row in reversed(rows)
        ]

    async def timeline(self, daemon_id: str, *, until: datetime | None = None, limit: int = 100) -> list[StatusNote]:
        """Return the newest statuses of a daemon that it had begun to say by `until`."""
        statement = select(StatusTable.__table__).where(StatusTable.daemon_id == daemon_id)
        if until is not None:
            statement = statement.where(StatusTable.at <= until)
        rows = await self._database.fetch(statement.order_by(StatusTable.id.desc()).limit(limit))
        return [_note(row) for row in reversed(rows)]


def lines_asked(
    *,
    daemon_id: str | None = None,
    job_id: str | None = None,
    item_id: str | None = None,
    level: LogLevel | None = None,
    q: str | None = None,
    after: int | None = None,
    before: int | None = None,
) -> Select[Any]:
    """Return the question for lines, in the order of `Journal.lines` before it is turned round."""
    statement = select(LogTable.__table__, DaemonTable.name.label("daemon_name")).outerjoin(
        DaemonTable, DaemonTable.id == LogTable.daemon_id
    )
    if daemon_id is not None:
        statement = statement.where(LogTable.daemon_id == daemon_id)
    if job_id is not None:
        statement = statement.where(LogTable.job_id == job_id)
    if item_id is not None:
        statement = statement.where(LogTable.item_id == item_id)
    if level is not None:
        statement = statement.where(LogTable.level.in_([one.value for one in level.and_above]))
    if q:
        statement = statement.where(LogTable.message.icontains(q, autoescape=True))
    if after is not None:
        statement = statement.where(LogTable.id > after)
    if before is not None:
        statement = statement.where(LogTable.id < before)
    order = LogTable.id.asc() if after is not None else LogTable.id.desc()
    return statement.order_by(order)


def _prune(tx: Transaction, older_than: datetime, lines_kept: int) -> Iterator[int]:
    lines = LogTable.__table__.c
    last = tx.execute(select(lines.id).order_by(lines.id.desc()).offset(lines_kept).limit(1)).scalar()
    if last is not None:
        yield tx.execute(delete(LogTable).where(lines.id <= last)).rowcount
    of_each = ((LogTable, LINES_KEPT_EACH), (StatusTable, NOTES_KEPT), (DaemonHistoryTable, HISTORY_KEPT))
    for table, kept in of_each:
        rows = table.__table__.c
        yield tx.execute(delete(table).where(rows.at < older_than)).rowcount
        for daemon_id in tx.execute(select(DaemonTable.id)).scalars().all():
            of_daemon = rows.daemon_id == daemon_id
            beyond = select(rows.id).where(of_daemon).order_by(rows.id.desc()).offset(kept).limit(1)
            last = tx.execute(beyond).scalar()
            if last is not None:
                yield tx.execute(delete(table).where(of_daemon, rows.id <= last)).rowcount


def _line(row: Any) -> LogLine:
    of = (row.daemon_id, row.daemon_name, row.job_id, row.item_id)
    return LogLine(row.id, row.at, LogLevel(row.level), row.message, *of)


def _note(row: Any) -> StatusNote:
    return StatusNote(row.at, row.last_at, row.message, row.job_id, row.job_type, row.repeats)
