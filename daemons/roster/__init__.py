"""The only writer of what was asked of a daemon, what is true of it and how it is configured."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Row, bindparam, delete, insert, select, update

from daemons.database import Database
from daemons.database.transaction import Transaction
from daemons.errors import Conflict, Invalid
from daemons.events import DaemonRemoved, DaemonRowChanged
from daemons.journal import record_history
from daemons.leases import add_lease, check_lease
from daemons.models import DaemonTable
from daemons.roster.rows import (
    CLEARED,
    DaemonDisabled,
    DeclaredType,
    StaleConfiguration,
    UnknownDaemon,
    VitalDaemon,
    cut,
    daemon_row,
    named,
)
from daemons.states import DaemonState, Desired, StopMode, check_daemon_transition
from daemons.text import clean
from daemons.values import DaemonRow, LastError, Lease

__all__ = ["DaemonDisabled", "DeclaredType", "Roster", "StaleConfiguration", "UnknownDaemon", "VitalDaemon"]

# Not moved by itself any more: a start asks for a fresh beginning.
_RESTING = (DaemonState.FAILED, DaemonState.FINISHED, DaemonState.BACKOFF, DaemonState.STUCK)

# Made once: every daemon moves twice at a start, and making a statement takes longer than running it.
_locked = select(DaemonTable.__table__).where(named(bindparam("name"))).with_for_update()
_updated = update(DaemonTable).where(DaemonTable.id == bindparam("daemon_id")).returning(DaemonTable.__table__)


class Roster:
    """Keeps the `daemons` rows. Every write is announced as DaemonRowChanged after its commit."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._types: dict[str, DeclaredType] = {}

    async def declare(self, types: Sequence[DeclaredType]) -> None:
        """Learn the types that exist, and see to it that each has an instance named like it."""
        self._types = {declared.type: declared for declared in types}

        def unit(tx: Transaction) -> None:
            known = set(tx.execute(select(DaemonTable.name)).scalars())
            for declared in types:
                if declared.type not in known:
                    self._insert(tx, declared.type, declared.type, {}, enabled=True, auto_start=False)

        await self._database.write(unit)

    async def decide_auto_starts(self) -> None:
        """Before the first run: want every daemon that starts by itself, unless a person has ever switched it."""

        def unit(tx: Transaction) -> None:
            never_switched = select(DaemonTable.__table__).where(DaemonTable.switched_at.is_(None)).with_for_update()
            for found in tx.execute(never_switched).all():
                row = self.row_of(found)
                desired = Desired.ON if row.enabled and row.auto_start else Desired.OFF
                if row.desired is not desired:
                    self._ask(tx, row, desired, "auto_start", by_person=False)

        await self._database.write(unit)

    # Reading.

    async def rows(self) -> list[DaemonRow]:
        """Return every daemon, by name."""
        found = await self._database.fetch(select(DaemonTable.__table__).order_by(DaemonTable.name))
        return [self.row_of(row) for row in found]

    async def row(self, name: str) -> DaemonRow:
        """Return one daemon by name or id. Raises UnknownDaemon."""
        found = await self._database.fetch_one(select(DaemonTable.__table__).where(named(name)))
        if found is None:
            raise UnknownDaemon(f"There is no daemon named {clean(name, 63)}.")
        return self.row_of(found)

    # Commands of people: durable, answered before anything moves.

    async def add(
        self, type: str, name: str, configuration: Mapping[str, Any], *, enabled: bool = True, auto_start: bool = False
    ) -> DaemonRow:
        """Add an instance. Raises Conflict when the name is taken."""

        def unit(tx: Transaction) -> DaemonRow:
            if tx.execute(select(DaemonTable.id).where(DaemonTable.name == name)).first():
                raise Conflict(f"There is a daemon named {name} already.", code="ERR_NAME_TAKEN")
            return self._insert(tx, type, name, configuration, enabled=enabled, auto_start=auto_start)

        return await self._database.write(unit)

    async def remove(self, name: str) -> None:
        """Delete a stopped instance with its logs. Raises Conflict for a live one and for a type's first."""

        def unit(tx: Transaction) -> None:
            row = self._locked(tx, name)
            if problem := self.why_it_stays(row):
                raise problem
            tx.execute(delete(DaemonTable).where(DaemonTable.id == row.id))
            tx.announce(DaemonRemoved(row.id, row.name))

        await self._database.write(unit)

    def why_it_stays(self, row: DaemonRow) -> Conflict | None:
        """Return why a daemon cannot be removed now, or None."""
        if row.name == row.type and row.type in self._types:
            message = "The first instance of a type cannot be removed."
            return Conflict(message, code="ERR_FIRST_OF_TYPE", remedy="Disable it.")
        if row.state.is_live or row.desired is Desired.ON:
            return Conflict("The daemon is not stopped.", code="ERR_DAEMON_RUNNING", remedy="Stop it first.")
        return None

    async def start(self, name: str, *, reason: str | None = None) -> DaemonRow:
        """Ask for a run. On a failed, finished or backing-off daemon it is also a reset. Raises DaemonDisabled."""

        def unit(tx: Transaction) -> DaemonRow:
            row = self._enabled(tx, name)
            fresh = row.reset_revision + (row.state in _RESTING)
            return self._ask(tx, row, Desired.ON, reason, reset_revision=fresh, stop_mode=None)

        return await self._database.write(unit)

    async def stop(
        self, name: str, mode: StopMode = StopMode.NOW, *, reason: str | None = None, confirm: str | None = None
    ) -> DaemonRow:
        """Ask for no run. Raises VitalDaemon unless `confirm` is the name of a vital one; so do restart and pause."""

        def unit(tx: Transaction) -> DaemonRow:
            row = _confirmed(self._locked(tx, name), confirm)
            return self._ask(tx, row, Desired.OFF, reason, stop_mode=mode.value)

        return await self._database.write(unit)

    async def restart(self, name: str, mode: StopMode = StopMode.NOW, *, confirm: str | None = None) -> DaemonRow:
        """Ask for a new run in place of the present one. Raises DaemonDisabled."""

        def unit(tx: Transaction) -> DaemonRow:
            row = _confirmed(self._enabled(tx, name), confirm)
            again = row.restart_revision + 1
            return self._ask(tx, row, Desired.ON, "restart", restart_revision=again, stop_mode=mode.value)

        return await self._database.write(unit)

    async def pause(
        self, name: str, until: datetime | None, *, reason: str | None = None, confirm: str | None = None
    ) -> DaemonRow:
        """Ask for no run until `until`, or until resumed; does nothing to a daemon that nobody wants to run.

        Raises DaemonDisabled, or Invalid for a past time.
        """

        return await self._database.write(lambda tx: self.pause_within(tx, name, until, reason=reason, confirm=confirm))

    def pause_within(
        self, tx: Transaction, name: str, until: datetime | None, *, reason: str | None, confirm: str | None
    ) -> DaemonRow:
        """Pause in somebody else's unit. Raises as `pause` does."""
        if until is not None and until <= tx.now:
            raise Invalid("A pause cannot end in the past.", code="ERR_INVALID_TIME")
        row = self._enabled(tx, name)
        if row.desired is Desired.OFF:
            # Else the end of the pause would start what was off.
            return row
        _confirmed(row, confirm)
        return self._ask(tx, row, Desired.PAUSED, reason, paused_until=until, stop_mode=StopMode.DRAIN.value)

    async def resume(self, name: str, *, reason: str | None = None) -> DaemonRow:
        """End a pause; does nothing to a daemon that is not paused."""
        return await self._database.write(lambda tx: self.resume_within(tx, name, reason=reason))

    def resume_within(self, tx: Transaction, name: str, *, reason: str | None) -> DaemonRow:
        """End a pause in somebody else's unit. Raises UnknownDaemon."""
        row = self._locked(tx, name)
        return self._ask(tx, row, Desired.ON, reason) if row.desired is Desired.PAUSED else row

    def row_within(self, tx: Transaction, name: str) -> DaemonRow:
        """Return one daemon by name or id in somebody else's unit. Raises UnknownDaemon."""
        return self._locked(tx, name)

    async def wake(self, name: str) -> DaemonRow:
        """Ask a sleeping daemon to look now."""
        return await self._database.write(lambda tx: self.wake_within(tx, name))

    def wake_within(self, tx: Transaction, name: str) -> DaemonRow:
        """Ask for a look in somebody else's unit. Raises UnknownDaemon."""
        return self._count(tx, name, "wake_revision")

    async def reset(self, name: str) -> DaemonRow:
        """Forget a failure, so that what is desired is tried anew."""
        return await self._database.write(lambda tx: self._count(tx, name, "reset_revision"))

    async def edit(
        self,
        name: str,
        *,
        enabled: bool | None = None,
        auto_start: bool | None = None,
        vital: bool | None = None,
        configuration: Mapping[str, Any] | None = None,
        configuration_revision: int | None = None,
    ) -> DaemonRow:
        """Change what is given; `configuration` replaces the old one. Raises StaleConfiguration."""

        def unit(tx: Transaction) -> DaemonRow:
            row = self._locked(tx, name)
            if configuration_revision not in (None, row.configuration_revision):
                raise StaleConfiguration(configuration_revision or 0, row.configuration_revision)
            switches = {"enabled": enabled, "auto_start": auto_start, "vital": vital}
            values: dict[str, Any] = {switch: wanted for switch, wanted in switches.items() if wanted is not None}
            if configuration is not None and dict(configuration) != row.configuration:
                values["configuration"] = dict(configuration)
                values["configuration_revision"] = row.configuration_revision + 1
            return self._update(tx, row.id, values) if values else row

        return await self._database.write(unit)

    # The engine's: what is true.

    async def move(
        self,
        lease: Lease,
        state: DaemonState,
        *,
        reason: str | None = None,
        error: LastError | None = None,
        restarts: int | None = None,
    ) -> DaemonRow:
        """Say what is true of the daemon now. Raises LeaseLost and IllegalTransition; the same state again is allowed.

        A state without a live run clears the status in the same commit, so that no stopped daemon seems to speak.
        """

        def unit(tx: Transaction) -> DaemonRow:
            check_lease(tx, lease)
            row = self._locked(tx, lease.daemon_id)
            values: dict[str, Any] = {"state": state.value, "state_reason": cut(reason)}
            if state is not row.state:
                check_daemon_transition(row.state, state)
                record_history(tx, row.id, "state", row.state.value, state.value, cut(reason))
            if state is DaemonState.STARTING:
                values["started_at"] = tx.now
            if not state.is_live:
                values |= CLEARED
            if error is not None:
                values["last_error"] = {**error._asdict(), "at": error.at.isoformat()}
            if restarts is not None:
                values["restarts"] = restarts
            return self._update(tx, row.id, values)

        return await self._database.write(unit)

    async def wake_from_pause(self, lease_free_id: str) -> DaemonRow:
        """End a pause whose time is over; does nothing if somebody decided otherwise meanwhile."""

        def unit(tx: Transaction) -> DaemonRow:
            row = self._locked(tx, lease_free_id)
            over = row.desired is Desired.PAUSED and row.paused_until is not None and row.paused_until <= tx.now
            return self._ask(tx, row, Desired.ON, "the pause is over", by_person=False) if over else row

        return await self._database.write(unit)

    # Inside units.

    def _insert(
        self,
        tx: Transaction,
        type: str,
        name: str,
        configuration: Mapping[str, Any],
        *,
        enabled: bool,
        auto_start: bool,
    ) -> DaemonRow:
        values = {
            "id": str(uuid4()),
            "name": name,
            "type": type,
            "enabled": enabled,
            "auto_start": auto_start,
            "desired": (Desired.ON if enabled and auto_start else Desired.OFF).value,
            "state": DaemonState.STOPPED.value,
            "configuration": dict(configuration),
            "created_at": tx.now,
            "updated_at": tx.now,
        }
        row = self.row_of(tx.execute(insert(DaemonTable).returning(DaemonTable.__table__), values).one())
        add_lease(tx, row.id)
        tx.announce(DaemonRowChanged(row))
        return row

    def _ask(
        self,
        tx: Transaction,
        row: DaemonRow,
        desired: Desired,
        reason: str | None,
        *,
        by_person: bool = True,
        paused_until: datetime | None = None,
        **values: Any,
    ) -> DaemonRow:
        if desired is not row.desired:
            record_history(tx, row.id, "desired", row.desired.value, desired.value, cut(reason))
        values |= {"desired": desired.value, "desired_reason": cut(reason), "paused_until": paused_until}
        if by_person:
            values["switched_at"] = tx.now
        return self._update(tx, row.id, values)

    def _count(self, tx: Transaction, name: str, column: str) -> DaemonRow:
        row = self._locked(tx, name)
        return self._update(tx, row.id, {column: getattr(row, column) + 1})

    def _locked(self, tx: Transaction, name: str) -> DaemonRow:
        found = tx.execute(_locked, {"name": name}).first()
        if found is None:
            raise UnknownDaemon(f"There is no daemon named {clean(name, 63)}.")
        return self.row_of(found)

    def _enabled(self, tx: Transaction, name: str) -> DaemonRow:
        row = self._locked(tx, name)
        if not row.enabled:
            raise DaemonDisabled(f"{row.name} is disabled.")
        return row

    def _update(self, tx: Transaction, daemon_id: str, values: dict[str, Any]) -> DaemonRow:
        row = self.row_of(tx.execute(_updated, {"daemon_id": daemon_id, **values, "updated_at": tx.now}).one())
        tx.announce(DaemonRowChanged(row))
        return row

    def row_of(self, row: Row[Any]) -> DaemonRow:
        """Read a row of the whole table."""
        return daemon_row(row, self._types)


def _confirmed(row: DaemonRow, confirm: str | None) -> DaemonRow:
    if row.vital and row.desired is not Desired.OFF and confirm != row.name:
        raise VitalDaemon(row.name)
    return row
