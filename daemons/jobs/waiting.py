"""Why a queued job does not run yet, in a sentence."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from daemons.jobs.claims import Admission, Running
from daemons.jobs.rows import IS_HELD, IS_QUEUED, JOBS
from daemons.states import JobState
from daemons.values import Job

PLACES_COUNTED = 1_000
"""How far back in the line of a lane a job's place is counted."""

_J = JOBS.c
_held: Select[Any] = select(_J.id, _J.type, _J.lane, _J.parent_id, _J.waiting_reason).where(IS_HELD)
_line = (
    select(_J.id)
    .where(IS_QUEUED, _J.lane == bindparam("b_lane"), _J.run_after <= bindparam("now", type_=_J.run_after.type))
    .order_by(_J.priority.desc(), _J.number)
    .limit(PLACES_COUNTED)
)


async def explain(connection: AsyncConnection, jobs: Iterable[Job], admission: Admission, now: datetime) -> list[Job]:
    """Return `jobs`, each queued one with the reason why it waits; the others as they are."""
    listed = list(jobs)
    queued = [job for job in listed if job.state is JobState.QUEUED]
    if not queued:
        return listed
    held = (await connection.execute(_held)).all()
    places: dict[str, int] = {}
    for lane in {job.lane for job in queued if job.run_after <= now}:
        ids = (await connection.execute(_line, {"b_lane": lane, "now": now})).scalars()
        places.update({job_id: place for place, job_id in enumerate(ids)})
    why = _Why(held, places, admission, now)
    return [replace(job, waiting_reason=why.of(job)) if job.state is JobState.QUEUED else job for job in listed]


class _Why:
    def __init__(self, held: Sequence[Any], places: dict[str, int], admission: Admission, now: datetime) -> None:
        self._running = Running(held, admission.conflicts)
        self._busy: dict[str, int] = {}
        for row in held:
            # One that waits for its children holds no slot.
            self._busy[row.lane] = self._busy.get(row.lane, 0) + (row.waiting_reason is None)
        self._places = places
        self._admission = admission
        self._now = now

    def of(self, job: Job) -> str:
        if job.run_after > self._now:
            return job.waiting_reason or f"Not before {job.run_after:%Y-%m-%d %H:%M:%S} UTC"
        other = self._running.in_the_way(job.type, job.parent_id)
        if other is not None:
            return f"Waits for {self._running.types[other]} {other} to end"
        return self._in_line(job)

    def _in_line(self, job: Job) -> str:
        place = self._places.get(job.id)
        ahead = f"more than {PLACES_COUNTED}" if place is None else str(place)
        busy = self._busy.get(job.lane, 0)
        slots = self._admission.slots.get(job.lane)
        if slots is not None and busy >= slots:
            return f"Lane {job.lane} is full: {busy} running, {ahead} ahead"
        return f"In line on lane {job.lane}: {busy} running, {ahead} ahead"
