"""Which queued jobs may run now, and taking them. A claim counts attempt, failure and crash before any code runs."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, Update, bindparam, func, or_, select, union_all, update

from daemons.database.transaction import Transaction
from daemons.events import JobChanged
from daemons.jobs.rows import IS_HELD, IS_QUEUED, JOB_COLUMNS, JOBS, job_of
from daemons.models import ManagerTable
from daemons.values import Job

CANDIDATES = 200
"""Queued jobs looked at beyond the free slots for those that no conflict holds back."""
_CLAIMS_LOCK = 0x6461656D  # any constant: one manager at a time judges conflicts

_J = JOBS.c


@dataclass(frozen=True, slots=True)
class Admission:
    """The rules by which queued jobs are let in: slots of each lane, and types that never run beside each other."""

    slots: Mapping[str, int] = field(default_factory=dict)
    conflicts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Symmetric; only types that conflict with something."""
    guarded_lanes: frozenset[str] = frozenset()
    """Lanes of those types."""


_TAKE = {
    "state": "running",
    "attempt": _J.attempt + 1,
    "failures": _J.failures + 1,
    "crashes": _J.crashes + 1,
    "worker": bindparam("b_worker"),
    "started_at": bindparam("now", type_=_J.started_at.type),
    "waiting_reason": None,
    "revision": _J.revision + 1,
}
_DUE = (IS_QUEUED, _J.run_after <= bindparam("now", type_=_J.run_after.type))
_ORDER = (_J.priority.desc(), _J.number)


@lru_cache(maxsize=64)
def _claim_of(lanes: int) -> Update:
    """Build the statement that takes the first due jobs of so many lanes, as many of each as it has free slots."""
    firsts = [
        select(_J.number)
        .where(*_DUE, _J.lane == bindparam(f"lane_{index}"))
        .order_by(*_ORDER)
        .limit(bindparam(f"free_{index}", type_=_J.number.type))
        .with_for_update(skip_locked=True)
        .cte(f"firsts_{index}")
        for index in range(lanes)
    ]
    numbers: Any = union_all(*(select(first.c.number) for first in firsts)) if lanes > 1 else select(firsts[0].c.number)
    return update(JOBS).where(_J.number.in_(numbers), IS_QUEUED).values(**_TAKE).returning(*JOB_COLUMNS)


_take_picked = (
    update(JOBS)
    .where(_J.number.in_(bindparam("numbers", expanding=True)), IS_QUEUED)
    .values(**_TAKE)
    .returning(*JOB_COLUMNS)
)
_held = select(_J.id, _J.type, _J.parent_id).where(IS_HELD)
_candidates: Select[Any] = (
    select(_J.number, _J.id, _J.type, _J.parent_id)
    .where(
        *_DUE,
        _J.lane == bindparam("b_lane"),
        or_(
            _J.type.not_in(bindparam("blocked", expanding=True)),
            _J.parent_id.in_(bindparam("holders", expanding=True)),
        ),
    )
    .order_by(*_ORDER)
    .limit(bindparam("b_limit", type_=_J.number.type))
)


def claim(tx: Transaction, worker: str, free: Mapping[str, int], admission: Admission) -> list[Job]:
    """Take the first due jobs for `worker`, at most `free` of each lane; return them, first things first."""
    plain = [lane for lane in free if lane not in admission.guarded_lanes]
    rows = _claim_plain(tx, worker, {lane: free[lane] for lane in plain}) if plain else []
    guarded = {lane: count for lane, count in free.items() if lane in admission.guarded_lanes}
    if guarded:
        rows += _claim_guarded(tx, worker, guarded, admission.conflicts)
    rows.sort(key=lambda row: (-row.priority, row.number))
    claimed = [job_of(row) for row in rows]
    for job in claimed:
        tx.announce(JobChanged(job))
    return claimed


def _claim_plain(tx: Transaction, worker: str, free: Mapping[str, int]) -> list[Any]:
    values: dict[str, Any] = {"b_worker": worker, "now": tx.now}
    for index, (lane, count) in enumerate(free.items()):
        values[f"lane_{index}"] = lane
        values[f"free_{index}"] = count
    return list(tx.execute(_claim_of(len(free)), values))


def _claim_guarded(
    tx: Transaction, worker: str, free: Mapping[str, int], conflicts: Mapping[str, frozenset[str]]
) -> list[Any]:
    if not tx.is_sqlite:
        tx.execute(select(func.pg_advisory_xact_lock(_CLAIMS_LOCK)))
    running = Running(tx.execute(_held).all(), conflicts)
    numbers: list[int] = []
    for lane, count in free.items():
        values = {"b_lane": lane, "now": tx.now, "b_limit": count + CANDIDATES}
        named = {"blocked": sorted(running.blocked), "holders": sorted(running.parents)}
        for candidate in tx.execute(_candidates, {**values, **named}):
            if count and running.in_the_way(candidate.type, candidate.parent_id) is None:
                running.add(candidate.id, candidate.type, candidate.parent_id)
                numbers.append(candidate.number)
                count -= 1
    if not numbers:
        return []
    return list(tx.execute(_take_picked, {"b_worker": worker, "now": tx.now, "numbers": numbers}))


class Running:
    """The jobs that are held now, and what they keep from starting."""

    def __init__(self, rows: Collection[Any], conflicts: Mapping[str, frozenset[str]]) -> None:
        self._conflicts = conflicts
        self.types: dict[str, str] = {}
        self.parents: dict[str, str | None] = {}
        for row in rows:
            self.add(row.id, row.type, row.parent_id)

    def add(self, job_id: str, job_type: str, parent_id: str | None) -> None:
        self.types[job_id] = job_type
        self.parents[job_id] = parent_id

    @property
    def blocked(self) -> set[str]:
        """Types that conflict with a running job."""
        return {other for job_type in set(self.types.values()) for other in self._conflicts.get(job_type, ())}

    def in_the_way(self, job_type: str, parent_id: str | None) -> str | None:
        """Return the id of a running job beside which this one must not run, None when there is none.

        Its own ancestors are not in its way: they wait for it.
        """
        enemies = self._conflicts.get(job_type)
        if not enemies:
            return None
        ancestors = set()
        while parent_id is not None and parent_id not in ancestors:
            ancestors.add(parent_id)
            parent_id = self.parents.get(parent_id)
        return next((i for i, t in self.types.items() if t in enemies and i not in ancestors), None)


lanes_with_work = select(_J.lane).where(*_DUE).distinct()
held_by = select(_J.id, _J.attempt, _J.state).where(IS_HELD, _J.worker == bindparam("b_worker"))
held_by_strangers = select(_J.worker).where(IS_HELD, _J.worker.not_in(select(ManagerTable.id))).distinct()
