"""Who may run what: one row a manager, one lease a daemon, fenced by an epoch that only goes up."""

import os
import platform
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import psutil
from sqlalchemy import bindparam, delete, func, insert, select, update

from daemons.clock import Clock
from daemons.database import Database
from daemons.database.transaction import Transaction
from daemons.errors import LeaseLost, NotFound
from daemons.kept import Kept
from daemons.models import DaemonHistoryTable, DaemonTable, JobTable, LeaseTable, ManagerTable
from daemons.states import DaemonState
from daemons.values import Lease

LEASE_SECONDS = 15.0
"""How long a foreign lease must be seen unchanged, by our own monotonic clock, before it may be taken over."""
BEAT_SECONDS = 3.0
"""Seconds between two beats of a holder."""
FORGET_AFTER = timedelta(days=1)
"""How long a process of another host that left nothing behind is still listed after its last beat."""

_held = select(LeaseTable.daemon_id).where(
    LeaseTable.daemon_id == bindparam("daemon_id"),
    LeaseTable.holder == bindparam("holder"),
    LeaseTable.epoch == bindparam("epoch"),
)
# A lease that is being stolen must wait for the write it would fence off. SQLite has one writer and ignores the lock.
_held_locked = _held.with_for_update(read=True)
_newest_of = (
    select(LeaseTable.daemon_id, LeaseTable.holder, LeaseTable.epoch)
    .where(LeaseTable.daemon_id.in_(bindparam("ids", expanding=True)))
    .order_by(LeaseTable.daemon_id)
    .with_for_update(read=True)
)
_present = (
    select(LeaseTable.holder, LeaseTable.epoch, LeaseTable.beat)
    .where(LeaseTable.daemon_id == bindparam("daemon_id"))
    .with_for_update()
)
_taken = update(LeaseTable).where(LeaseTable.daemon_id == bindparam("b_daemon_id"))
_beat_lease = (
    update(LeaseTable)
    .where(
        LeaseTable.daemon_id == bindparam("b_daemon_id"),
        LeaseTable.holder == bindparam("b_holder"),
        LeaseTable.epoch == bindparam("b_epoch"),
    )
    .values(beat=LeaseTable.beat + 1)
)


def check_lease(tx: Transaction, lease: Lease) -> None:
    """Raise LeaseLost unless `lease` is still the newest; call it in every unit that writes for a run."""
    if not is_held(tx, lease):
        raise LeaseLost()


def is_held(tx: Transaction, lease: Lease) -> bool:
    """Whether `lease` is still the newest, and stays so until this transaction ends."""
    values = {"daemon_id": lease.daemon_id, "holder": lease.holder, "epoch": lease.epoch}
    return tx.execute(_held_locked, values).first() is not None


def add_lease(tx: Transaction, daemon_id: str) -> None:
    """Make the lease row of a new daemon, held by nobody."""
    tx.execute(insert(LeaseTable), {"daemon_id": daemon_id, "holder": None, "epoch": 0, "beat": 0})


def still_held(tx: Transaction, leases: Collection[Lease]) -> set[Lease]:
    """Return those of `leases` that are still the newest, and stay so until this transaction ends."""
    if not leases:
        return set()
    # In one order everywhere, so that two writers never wait for each other.
    ids = sorted({lease.daemon_id for lease in leases})
    rows = tx.execute(_newest_of, {"ids": ids})
    found = {Lease(row.daemon_id, row.holder, row.epoch) for row in rows}
    return found.intersection(leases)


@dataclass(frozen=True, slots=True)
class ManagerInfo:
    """One process that runs daemons and jobs."""

    id: str
    host: str
    pid: int
    is_this: bool
    is_dead: bool


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """One process that runs daemons and jobs, and how much of both it has in hand."""

    manager: ManagerInfo
    started_at: datetime
    beat_at: datetime
    daemons: int
    jobs: int


class Leases:
    """Takes, keeps and gives back leases in the name of this process."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.manager_id = str(uuid4())
        self._host = _host_identity()
        self._leases_seen = _Watch(clock)
        self._managers_seen = _Watch(clock)
        self._look: Kept[list[ManagerInfo]] = Kept(clock, 0)

    async def join(self) -> None:
        """Make this process known, and forget the dead ones that left nothing behind."""
        dead = await self.dead_managers()

        def unit(tx: Transaction) -> None:
            working = select(JobTable.worker).where(
                JobTable.state.in_(("running", "cancelling")), JobTable.worker.is_not(None)
            )
            leading = select(LeaseTable.holder).where(LeaseTable.holder.is_not(None))
            tx.execute(
                delete(ManagerTable).where(
                    (ManagerTable.beat_at < tx.now - FORGET_AFTER) | ManagerTable.id.in_(dead),
                    ManagerTable.id.not_in(leading),
                    ManagerTable.id.not_in(working),
                )
            )
            self._enlist(tx)

        await self._database.write(unit)

    def _enlist(self, tx: Transaction) -> None:
        row = {"id": self.manager_id, "host": self._host, "pid": os.getpid()}
        beats = {"beat": 1, "started_at": tx.now, "beat_at": tx.now}
        tx.execute(insert(ManagerTable), {**row, **beats, "process_started": psutil.Process().create_time()})

    async def leave(self) -> None:
        """Give back every lease and forget this process."""

        def unit(tx: Transaction) -> None:
            tx.execute(update(LeaseTable).where(LeaseTable.holder == self.manager_id).values(holder=None))
            tx.execute(delete(ManagerTable).where(ManagerTable.id == self.manager_id))

        await self._database.write(unit)

    async def take(self, daemon_id: str) -> Lease | None:
        """Return a lease with a new epoch, or None while another manager holds it. Raises NotFound.

        Ask again every BEAT_SECONDS: only a lease that is being watched can be found dead.
        """
        dead = await self.dead_managers()
        watched = self._leases_seen.value(daemon_id)
        unchanged_for = self._leases_seen.unchanged_for(daemon_id, watched)

        def unit(tx: Transaction) -> tuple[Lease | None, tuple[str | None, int, int] | None]:
            found = tx.execute(_present, {"daemon_id": daemon_id}).one_or_none()
            if found is None:
                raise NotFound("The daemon was removed.", code="ERR_UNKNOWN_DAEMON")
            present = (found.holder, found.epoch, found.beat)
            free = found.holder in (None, self.manager_id) or found.holder in dead
            if not free and not (present == watched and unchanged_for >= LEASE_SECONDS):
                return None, present
            if found.holder not in (None, self.manager_id):
                _note_death(tx, daemon_id, found.holder)
            ours = {"holder": self.manager_id, "epoch": found.epoch + 1, "beat": found.beat + 1}
            tx.execute(_taken, {"b_daemon_id": daemon_id, **ours})
            return Lease(daemon_id, self.manager_id, found.epoch + 1), None

        lease, present = await self._database.write(unit)
        if present is None:
            self._leases_seen.forget(daemon_id)
        else:
            self._leases_seen.unchanged_for(daemon_id, present)
        return lease

    async def release(self, lease: Lease) -> None:
        """Give `lease` back; does nothing when it is lost already."""

        def unit(tx: Transaction) -> None:
            tx.execute(
                update(LeaseTable)
                .where(
                    LeaseTable.daemon_id == lease.daemon_id,
                    LeaseTable.holder == lease.holder,
                    LeaseTable.epoch == lease.epoch,
                )
                .values(holder=None)
            )

        await self._database.write(unit, durable=False)

    async def beat(self, held: Collection[Lease]) -> set[str]:
        """Show that this process and its runs live; return the ids of daemons whose lease was lost."""
        leases = list(held)

        def unit(tx: Transaction) -> set[str]:
            ours = update(ManagerTable).where(ManagerTable.id == self.manager_id)
            if tx.execute(ours.values(beat=ManagerTable.beat + 1, beat_at=tx.now)).rowcount == 0:
                # Forgotten during a long suspend: the jobs of a process that is not listed would be taken from it.
                self._enlist(tx)
            if not leases:
                return set()
            beats = [{"b_daemon_id": x.daemon_id, "b_holder": x.holder, "b_epoch": x.epoch} for x in leases]
            tx.execute(_beat_lease, beats)
            held = select(LeaseTable.daemon_id, LeaseTable.epoch).where(LeaseTable.holder == self.manager_id)
            rows = tx.execute(held)
            kept = {(row.daemon_id, row.epoch) for row in rows}
            return {x.daemon_id for x in leases if (x.daemon_id, x.epoch) not in kept}

        return await self._database.write(unit, durable=False)

    async def managers(self) -> list[ManagerInfo]:
        """Return every known process, this one included. Who asks while another does is told the same.

        At a start all daemons ask at once.
        """
        return list(await self._look.get(None, self._look_at_managers))

    async def _look_at_managers(self) -> list[ManagerInfo]:
        rows = await self._database.fetch(select(ManagerTable))
        known = []
        for row in rows:
            is_this = row.id == self.manager_id
            silent = self._managers_seen.unchanged_for(row.id, row.beat) >= LEASE_SECONDS
            dead = not is_this and (silent or (row.host == self._host and not _is_alive(row.pid, row.process_started)))
            known.append(ManagerInfo(row.id, row.host, row.pid, is_this, dead))
        return known

    async def workers(self) -> list[WorkerInfo]:
        """Return every known process with what it has in hand, this one first."""
        known = {info.id: info for info in await self.managers()}
        leading = select(func.count()).where(LeaseTable.holder == ManagerTable.id).scalar_subquery()
        working = (
            select(func.count())
            .where(JobTable.worker == ManagerTable.id, JobTable.state.in_(("running", "cancelling")))
            .scalar_subquery()
        )
        rows = await self._database.fetch(
            select(
                ManagerTable.id,
                ManagerTable.started_at,
                ManagerTable.beat_at,
                leading.label("daemons"),
                working.label("jobs"),
            )
        )
        found = [
            WorkerInfo(known[row.id], row.started_at, row.beat_at, row.daemons, row.jobs)
            for row in rows
            if row.id in known
        ]
        return sorted(found, key=lambda worker: (not worker.manager.is_this, worker.manager.host, worker.manager.pid))

    async def dead_managers(self) -> set[str]:
        """Return the ids of processes that are known dead on this host, or silent for a whole lease."""
        return {info.id for info in await self.managers() if info.is_dead}

    async def living_managers(self) -> set[str]:
        """Return the ids of processes that are not known dead, this one included."""
        return {info.id for info in await self.managers() if not info.is_dead}


def _note_death(tx: Transaction, daemon_id: str, holder: str) -> None:
    """Add to the history of a daemon that ran from when to when nobody led it."""
    row = tx.execute(
        select(DaemonTable.state, ManagerTable.beat_at)
        .join(ManagerTable, ManagerTable.id == holder)
        .where(DaemonTable.id == daemon_id)
    ).first()
    if row is None or not DaemonState(row.state).is_live:
        return
    common = {"daemon_id": daemon_id, "kind": "lease"}
    lost = {"at": min(row.beat_at, tx.now), "old": "held", "new": "lost", "reason": "Its process died."}
    found = {"at": tx.now, "old": "lost", "new": "held", "reason": "Another process goes on."}
    for entry in (lost, found):
        tx.execute(insert(DaemonHistoryTable), {**common, **entry})


class _Watch:
    """Remembers since when a value has not moved, by our own monotonic clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[object, float, float]] = {}

    def value(self, key: str) -> object:
        return self._seen[key][0] if key in self._seen else None

    def unchanged_for(self, key: str, value: object) -> float:
        """Note that `key` has `value` now; return for how many seconds it was seen with it."""
        now = self._clock.monotonic()
        old, since, looked = self._seen.get(key, (value, now, now))
        # We were away ourselves (suspended, stopped): the others may have been too, so the watch begins anew.
        if old != value or now - looked > 2 * BEAT_SECONDS:
            since = now
        self._seen[key] = (value, since, now)
        return now - since

    def forget(self, key: str) -> None:
        self._seen.pop(key, None)


def _host_identity() -> str:
    """Name the place in which our process ids mean something: the host and its pid namespace."""
    namespace = Path("/proc/self/ns/pid")
    inside = namespace.readlink() if namespace.is_symlink() else ""
    return f"{platform.node()} {inside}".strip()[:255]


def _is_alive(pid: int, started: float) -> bool:
    try:
        # A process id is reused; its start time tells one owner from the next. 2 s: clocks differ by a tick.
        return bool(abs(psutil.Process(pid).create_time() - started) < 2.0)
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True
