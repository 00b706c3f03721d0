"""What every daemon says and is right now: true in memory at once, in its row a moment later.

BaseDaemon.update_status ──▶ StatusLine.update ──▶ Bus (DaemonChanged) ──▶ pages
                                    └─ ≤ 100 ms later, latest wins ──▶ the daemons row
"""

from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

from sqlalchemy import bindparam, select, update

from daemons.bus import Bus
from daemons.clock import Clock
from daemons.database import Database
from daemons.database.transaction import Transaction
from daemons.database.write_behind import WriteBehind
from daemons.errors import Unavailable
from daemons.events import DaemonChanged, DaemonRemoved, DaemonRowChanged, Event
from daemons.journal import Journal, record_history
from daemons.killpoints import reach
from daemons.leases import still_held
from daemons.models import JOB_ID_CHARACTERS, JOB_TYPE_CHARACTERS, STATUS_CHARACTERS, DaemonTable
from daemons.pace import PaceMeter
from daemons.roster import Roster, UnknownDaemon
from daemons.text import clean
from daemons.values import Daemon, DaemonRow, Ends, Lease, Live, Progress, StatusNote

# Latest wins, also where two connections write (PostgreSQL).
_flush = (
    update(DaemonTable)
    .where(DaemonTable.id == bindparam("b_id"), DaemonTable.status_revision < bindparam("b_revision"))
    .values(
        current_status=bindparam("b_status"),
        current_job_id=bindparam("b_job_id"),
        current_job_type=bindparam("b_job_type"),
        status_updated_at=bindparam("b_updated_at"),
        status_revision=bindparam("b_revision"),
        next_wake_at=bindparam("b_next_wake_at"),
        last_heartbeat=bindparam("b_heartbeat"),
        progress=bindparam("b_progress", type_=DaemonTable.__table__.c.progress.type),
    )
)


_stored_revision = select(DaemonTable.status_revision).where(DaemonTable.id == bindparam("daemon_id"))
_LONGEST_WORK = 100 * 365 * 86_400.0
"""Seconds; an end beyond it is not told."""


class _Card:
    """One daemon in memory; `line` while a run of this process speaks for it."""

    __slots__ = ("line", "live", "row")

    def __init__(self, row: DaemonRow, live: Live) -> None:
        self.row = row
        self.live = live
        self.line: StatusLine | None = None


class StatusBoard:
    """The picture of all daemons. Reading it waits for nothing."""

    def __init__(self, database: Database, clock: Clock, bus: Bus, journal: Journal, roster: Roster) -> None:
        self.clock = clock
        self.journal = journal
        self._database = database
        self._bus = bus
        self._roster = roster
        self._cards: dict[str, _Card] = {}
        self._ids: dict[str, str] = {}
        self._revision = 0
        self._dirty: dict[str, tuple[StatusLine, Live]] = {}
        self._heard: set[str] = set()
        """Ids of the daemons of which was heard since the last `refresh` began to read."""
        self._behind = WriteBehind("status", clock, self._flush_dirty)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._stack.enter_context(self._bus.listen(self._hear))
        await self.refresh()
        await self._stack.enter_async_context(self._behind)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def is_behind(self) -> bool:
        """Whether what is shown could not be stored at the last try."""
        return self._behind.is_behind

    # Reading.

    def all(self) -> list[Daemon]:
        """Return every daemon, by name."""
        return [self._daemon(self._cards[self._ids[name]]) for name in sorted(self._ids)]

    def get(self, name: str) -> Daemon:
        """Return one daemon by name or id. Raises UnknownDaemon."""
        card = self._cards.get(self._ids.get(name, name))
        if card is None:
            raise UnknownDaemon(f"There is no daemon named {clean(name, 63)}.")
        return self._daemon(card)

    @staticmethod
    def _daemon(card: _Card) -> Daemon:
        return Daemon(card.row, card.live)

    async def refresh(self) -> None:
        """Read all rows again, for what other processes changed; our own runs' statuses are newer here."""
        self._heard.clear()
        stored = {row.id: row for row in await self._database.fetch(select(DaemonTable.__table__))}
        rows = {daemon_id: self._roster.row_of(row) for daemon_id, row in stored.items()}
        # What was heard while we read is newer than what was read; the next refresh compares it.
        heard = frozenset(self._heard)
        for daemon_id in [known for known in self._cards if known not in rows and known not in heard]:
            self._bus.publish(DaemonRemoved(daemon_id, self._cards[daemon_id].row.name))
        for daemon_id, row in rows.items():
            if daemon_id in heard:
                continue
            card = self._cards.get(daemon_id)
            if card is not None and card.line is not None:
                if card.row != row:
                    self._bus.publish(DaemonRowChanged(row))
                continue
            self._show(row, _live_of(stored[daemon_id]))

    def _show(self, row: DaemonRow, live: Live) -> None:
        card = self._cards.get(row.id)
        if card is None:
            card = self._cards[row.id] = _Card(row, live)
            self._ids[row.name] = row.id
            self.set_live(card, live)
            return
        live = live._replace(failures=card.live.failures, finished=card.live.finished)
        if card.row == row and card.live[1:] == live[1:]:
            return
        if card.row != row:
            card.live = live
            self._bus.publish(DaemonRowChanged(row))
            return
        self.set_live(card, live)

    def _hear(self, event: Event) -> None:
        if isinstance(event, DaemonRowChanged):
            self._heard.add(event.row.id)
            self._take_row(event.row)
        elif isinstance(event, DaemonRemoved):
            self._heard.add(event.id)
            card = self._cards.pop(event.id, None)
            if card is not None:
                self._ids.pop(card.row.name, None)

    def _take_row(self, row: DaemonRow) -> None:
        card = self._cards.get(row.id)
        if card is None:
            card = self._cards[row.id] = _Card(row, Live(0))
            self._ids[row.name] = row.id
        card.row = row
        live = card.live
        if not row.state.is_live and card.line is None:
            live = _silenced(live)
        self.set_live(card, live)

    # Writing, for the runs of this process.

    async def open(self, lease: Lease) -> "StatusLine":
        """Return the line by which a run speaks, until it is closed."""
        card = self._cards[lease.daemon_id]
        # The writer reads it: at a start all runs ask at once, and it answers them together.
        stored = await self._database.write(lambda tx: _revision_of(tx, lease.daemon_id), durable=False)
        card.line = StatusLine(self, card, lease, max(card.live.status_revision, stored))
        return card.line

    def set_live(self, card: _Card, live: Live) -> None:
        """Show `live` as the newest picture of the daemon."""
        self._revision += 1
        card.live = Live(self._revision, *live[1:])
        self._bus.publish(DaemonChanged(Daemon(card.row, card.live)))

    def count_jobs(self, ended: Mapping[str, tuple[int, int]]) -> None:
        """Show how many jobs of each daemon, by its id, failed and ended in the last day; none of those not named."""
        for daemon_id, card in self._cards.items():
            failures, finished = ended.get(daemon_id, (0, 0))
            counted = card.live._replace(failures=failures, finished=finished)
            if (card.live.failures, card.live.fails_often) != (failures, counted.fails_often):
                self.set_live(card, counted)

    def count_items(self, daemon_id: str, failed: int, settled: int) -> None:
        """Show how many of the single things a daemon works on failed and were settled in the last day."""
        card = self._cards.get(daemon_id)
        if card is None:
            return
        counted = card.live._replace(items_failed=failed, items_settled=settled)
        if (card.live.items_failed, card.live.fails_often) != (failed, counted.fails_often):
            self.set_live(card, counted)

    def mark(self, line: "StatusLine", live: Live) -> None:
        """Have `live` written soon; only the newest of each daemon is."""
        self._dirty[line.lease.daemon_id] = (line, live)
        self._behind.mark()

    async def flush(self) -> None:
        """Return once what is shown is stored. Raises Unavailable."""
        await self._behind.flush_now()

    async def _flush_dirty(self) -> None:
        waiting, self._dirty = self._dirty, {}
        if not waiting:
            return
        try:
            lost = await self._database.write(lambda tx: self._write(tx, waiting), durable=False)
            reach("status stored")
        except BaseException:
            self._dirty = {**waiting, **self._dirty}
            raise
        for daemon_id in lost:
            waiting[daemon_id][0].has_lost_lease = True

    @staticmethod
    def _write(tx: Transaction, waiting: dict[str, tuple["StatusLine", Live]]) -> set[str]:
        """Write the statuses in one go; return the daemons of which the run has lost its lease."""
        # Locked until the commit: a status that was under way must not arrive after a taker's first one.
        valid = still_held(tx, {line.lease for line, _ in waiting.values()})
        rows = [_parameters(line.lease, live) for line, live in waiting.values() if line.lease in valid]
        tx.execute_many(_flush, rows)
        lost = {daemon_id for daemon_id, (line, _) in waiting.items() if line.lease not in valid}
        for daemon_id in lost:
            epoch = waiting[daemon_id][0].lease.epoch
            record_history(tx, daemon_id, "refused", None, "status", f"said under epoch {epoch}, which is over")
        return lost


class StatusLine:
    """One run's way to be seen. Every call is quick, raises nothing, and is ignored once closed."""

    def __init__(self, board: StatusBoard, card: _Card, lease: Lease, status_revision: int) -> None:
        self.lease = lease
        self._board = board
        self._card = card
        self._revision = status_revision
        self._clock = board.clock
        self.last_sign = self._clock.monotonic()
        """Monotonic time of the newest status, heartbeat or progress."""
        self.has_lost_lease = False
        self.is_closed = False
        self._meter = PaceMeter()

    def update(self, message: object, job_id: object = None, job_type: object = None) -> None:
        """Say `message`, and which job is being watched."""
        if self.is_closed:
            return
        text = clean(message if isinstance(message, str) else str(message), STATUS_CHARACTERS)
        job = None if job_id is None else clean(str(job_id), JOB_ID_CHARACTERS)
        kind = None if job_type is None else clean(str(job_type), JOB_TYPE_CHARACTERS)
        now = self._clock.now()
        old = self._card.live
        self._set(Live(0, 0, text, job, kind, now, None, None, now, False, *old[10:]))
        self._board.journal.note_status(self.lease, StatusNote(now, now, text, job, kind))

    def heartbeat(self) -> None:
        """Show a sign of life without changing the sentence."""
        if not self.is_closed:
            self._set(self._card.live._replace(last_heartbeat=self._clock.now(), silent=False))

    def progress(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """Say how far the work is."""
        if not self.is_closed:
            progress = Progress(done, total, None if message is None else clean(message, STATUS_CHARACTERS))
            now = self._clock.now()
            live = self._card.live._replace(progress=progress, last_heartbeat=now, silent=False)
            self._set(live._replace(pace=self._pace(now, progress)))

    def _pace(self, now: datetime, progress: Progress) -> Ends | None:
        at = self._clock.monotonic()
        self._meter.observe(at, progress.done)
        pace = self._meter.pace(at, progress.total)
        if pace is None or pace.earliest is None or pace.latest is None:
            return Ends(pace.per_hour) if pace else None
        if pace.latest > _LONGEST_WORK:
            return Ends(pace.per_hour)
        return Ends(pace.per_hour, now + timedelta(seconds=pace.earliest), now + timedelta(seconds=pace.latest))

    def waiting(self, reason: str | None, until: datetime | None) -> None:
        """Say that the run sleeps on purpose until `until`; None: it is awake."""
        if not self.is_closed:
            text = None if reason is None else clean(reason, STATUS_CHARACTERS)
            live = self._card.live._replace(next_wake_at=until, wait_reason=text, silent=False)
            self._set(live._replace(last_heartbeat=self._clock.now()))

    def mark_silent(self, silent: bool) -> None:
        """Show that nothing was heard for longer than promised; not a sign of life."""
        if not self.is_closed and self._card.live.silent is not silent:
            self._board.set_live(self._card, self._card.live._replace(silent=silent))

    def _set(self, live: Live) -> None:
        self._revision += 1
        self.last_sign = self._clock.monotonic()
        self._board.set_live(self._card, Live(0, self._revision, *live[2:]))
        self._board.mark(self, self._card.live)

    async def close(self) -> None:
        """Store what was said last, then clear it; later calls are ignored. Safe to call twice."""
        if self.is_closed:
            return
        self.is_closed = True
        try:
            with suppress(Unavailable):
                await self._board.flush()
        finally:
            # Also when the last words could not be stored: written later, they would be those of a stopped daemon.
            self._clear()
        with suppress(Unavailable):
            # If not now, it stays marked and is written when the database is back.
            await self._board.flush()

    def _clear(self) -> None:
        self._revision += 1
        cleared = _silenced(self._card.live)._replace(status_revision=self._revision)
        self._card.line = None
        self._board.set_live(self._card, cleared)
        self._board.mark(self, cleared)


_KEPT = ("status_revision", "last_heartbeat", "failures", "finished", "items_failed", "items_settled")


def _silenced(live: Live) -> Live:
    """Return the picture of a daemon that says nothing, because no run speaks for it."""
    kept = {name: getattr(live, name) for name in _KEPT}
    return Live(0, **kept)


def _revision_of(tx: Transaction, daemon_id: str) -> int:
    found: int | None = tx.execute(_stored_revision, {"daemon_id": daemon_id}).scalar()
    return found or 0


def _parameters(lease: Lease, live: Live) -> dict[str, Any]:
    return {
        "b_id": lease.daemon_id,
        "b_revision": live.status_revision,
        "b_status": live.current_status,
        "b_job_id": live.current_job_id,
        "b_job_type": live.current_job_type,
        "b_updated_at": live.status_updated_at,
        "b_next_wake_at": live.next_wake_at,
        "b_heartbeat": live.last_heartbeat,
        "b_progress": live.progress.as_dict() if live.progress else None,
    }


def _live_of(row: Any) -> Live:
    progress = row.progress
    return Live(
        0,
        row.status_revision,
        row.current_status,
        row.current_job_id,
        row.current_job_type,
        row.status_updated_at,
        row.next_wake_at,
        None,
        row.last_heartbeat,
        False,
        Progress(progress["done"], progress["total"], progress["message"]) if progress else None,
    )
