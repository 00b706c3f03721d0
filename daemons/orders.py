"""Ordering jobs: create, cancel, retry, and wait for the end. The door for daemons, handlers, the web and the CLI."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import NamedTuple, Protocol

from pydantic import BaseModel
from sqlalchemy import select

from daemons.bus import Bus
from daemons.clock import Clock
from daemons.database import Database
from daemons.database.transaction import Transaction
from daemons.dispatch import Dispatcher
from daemons.errors import Invalid, LeaseLost, UnknownName
from daemons.events import Event, JobChanged, JobRemoved
from daemons.handlers import JobSpec
from daemons.ids import new_id
from daemons.jobs import Jobs
from daemons.jobs.attempts import check_hold
from daemons.jobs.bulk import Acted, retry_each
from daemons.jobs.requests import (
    PRIORITY_MOST,
    NewJob,
    cancel,
    cancel_all,
    create,
    put_first,
    remove,
    retry,
    unknown_job,
)
from daemons.jobs.rows import IS_UNFINISHED, JOBS, Hold, find
from daemons.journal import record_history
from daemons.leases import check_lease, is_held
from daemons.states import OnStop
from daemons.values import DaemonRow, Job, JsonValue, Lease

NAME_CHARACTERS = 255
POLL_SECONDS = 2.0

Moved = Callable[[Job], None]
"""Is called with a job that has got further."""
"""Between two looks at a job that may end in another process."""


class JobTypes(Protocol):
    """What can be ordered, by name."""

    @property
    def jobs(self) -> Mapping[str, JobSpec]: ...


class Created(NamedTuple):
    """A job, and whether this order made it."""

    job: Job
    is_new: bool


class Orders:
    """Takes orders for jobs. What it returns is stored for good."""

    def __init__(
        self, types: JobTypes, jobs: Jobs, dispatcher: Dispatcher, database: Database, clock: Clock, bus: Bus
    ) -> None:
        self._types = types
        self._jobs = jobs
        self._dispatcher = dispatcher
        self._database = database
        self._clock = clock
        self._ends = _Ends(bus)

    async def create(
        self,
        type: str,
        args: JsonValue | BaseModel = None,
        *,
        key: str | None = None,
        unique: str | None = None,
        priority: int = 0,
        on_stop: OnStop = OnStop.CONTINUE,
        parent: str | None = None,
        lease: Lease | None = None,
        daemon: DaemonRow | None = None,
        run_after: datetime | None = None,
        job_id: str | None = None,
    ) -> Created:
        """Return a durable job: a new one, or the earlier one of that `key` (ever) or `unique` name (unfinished).

        `job_id`: an id from `new_id`, for who may have to ask twice.
        Raises UnknownName, Invalid, NotFound for the parent, Conflict (ERR_KEY_REUSED), LeaseLost, StorageFull.
        """
        self._database.require_space()
        spec = self.spec(type)
        new = NewJob(
            id=job_id or new_id(),
            type=type,
            args=spec.accept(args),
            lane=spec.lane,
            max_attempts=spec.max_attempts,
            key=_checked_name(key, "key"),
            unique=_checked_name(unique, "unique"),
            priority=_checked_priority(priority),
            on_stop=OnStop(on_stop),
            parent_id=parent,
            daemon_id=daemon.id if daemon else None,
            daemon_name=daemon.name if daemon else None,
            run_after=run_after,
        )
        return await self.place(new, lease=lease)

    async def place(self, new: NewJob, *, lease: Lease | None = None, hold: Hold | None = None) -> Created:
        """Store a job that is known to be right, unless `lease` or `hold` is lost. Raises LeaseLost, Superseded."""
        if new.key is not None:
            new = new.digested()

        def unit(tx: Transaction) -> Created | None:
            if lease is not None and not is_held(tx, lease):
                _refuse(tx, lease, f"ordered {new.type}")
                return None
            if hold is not None:
                check_hold(tx, hold)
            elif new.parent_id is not None and find(tx, new.parent_id) is None:
                raise unknown_job(new.parent_id)
            job, is_new = create(tx, new)
            if is_new and job.run_after <= tx.now:
                self._dispatcher.offer(tx, job.id, job.attempt)
            return Created(job, is_new)

        created = await self._database.write(unit)
        if created is None:
            raise LeaseLost()
        return created

    def place_within(self, tx: Transaction, type: str, args: JsonValue, *, key: str | None) -> Job:
        """Store a job in somebody else's unit; the earlier one if there is one of that `key`.

        Raises UnknownName, Invalid, or Conflict.
        """
        spec = self.spec(type)
        new = NewJob(new_id(), type, spec.accept(args), spec.lane, spec.max_attempts, key=key)
        job, is_new = create(tx, new.digested() if key is not None else new)
        if is_new:
            self._dispatcher.offer(tx, job.id, job.attempt)
        return job

    def spec(self, type: str) -> JobSpec:
        """Return a type of job. Raises UnknownName."""
        spec = self._types.jobs.get(type)
        if spec is None:
            known = ", ".join(sorted(self._types.jobs)) or "none"
            raise UnknownName(
                f"There is no job type {str(type)[:100]!r}.",
                remedy=f"Known types: {known}."[:1000],
                code="ERR_UNKNOWN_JOB_TYPE",
            )
        return spec

    async def cancel(self, job_id: str, *, reason: str | None = None, lease: Lease | None = None) -> Job:
        """End a job and its children: at once when queued, else by its worker. Raises NotFound, LeaseLost."""

        def unit(tx: Transaction) -> Job | None:
            if lease is not None and not is_held(tx, lease):
                _refuse(tx, lease, "cancelled a job", job_id)
                return None
            return cancel(tx, job_id, reason or "It was cancelled.")

        cancelled = await self._database.write(unit)
        if cancelled is None:
            raise LeaseLost()
        return cancelled

    async def cancel_of_daemon(self, lease: Lease, *, only_on_stop_cancel: bool, reason: str) -> list[str]:
        """Cancel the unfinished jobs of a daemon, all or those created with on_stop="cancel"; return their ids.

        Raises LeaseLost: another manager's run may have jobs by then.
        """
        chosen = select(JOBS.c.id).where(JOBS.c.daemon_id == lease.daemon_id, IS_UNFINISHED).order_by(JOBS.c.number)
        if only_on_stop_cancel:
            chosen = chosen.where(JOBS.c.on_stop == OnStop.CANCEL.value)

        def unit(tx: Transaction) -> list[str]:
            check_lease(tx, lease)
            return cancel_all(tx, tx.execute(chosen).scalars().all(), reason)

        return await self._database.write(unit)

    async def retry(self, job_id: str, *, hold: Hold | None = None) -> Job:
        """Queue a finished job again, unless `hold` is lost. Raises NotFound, Superseded, Conflict if unfinished."""

        def unit(tx: Transaction) -> Job:
            if hold is not None:
                check_hold(tx, hold)
            job = retry(tx, job_id)
            self._dispatcher.offer(tx, job.id, job.attempt)
            return job

        return await self._database.write(unit)

    async def run_next(self, job_id: str) -> Job:
        """Have a queued job run before all others of its lane. Raises NotFound, Conflict if it is not queued."""

        def unit(tx: Transaction) -> Job:
            job = put_first(tx, job_id)
            self._dispatcher.offer(tx, job.id, job.attempt)
            return job

        return await self._database.write(unit)

    async def remove(self, job_id: str) -> Job:
        """Forget a finished job; return it as it was. Raises NotFound, Conflict if it has not finished."""
        return await self._database.write(lambda tx: remove(tx, job_id))

    def retry_within(self, tx: Transaction, wanted: Sequence[tuple[str, int]]) -> Acted:
        """Queue finished jobs again as a part of somebody's unit, given as (id, attempt)."""
        acted = retry_each(tx, wanted)
        for job in acted.jobs:
            self._dispatcher.offer(tx, job.id, job.attempt)
        return acted

    async def wait(self, job_id: str, moved: Moved | None = None) -> Job:
        """Return the job once it has finished, however it ended; `moved` is called with it whenever it moves.

        Raises NotFound, also when the job is removed meanwhile.
        """
        # Listen before reading: an end between the two is heard, not missed.
        with self._ends.of(job_id, moved) as end:
            job = await self._jobs.get(job_id)
            while not job.is_finished:
                if moved is not None:
                    moved(job)
                if self._database.is_sqlite:
                    return await end
                await self._clock.settle({end}, POLL_SECONDS)
                job = end.result() if end.done() else await self._jobs.get(job_id)
            return job


class _Ends:
    """Tells those who wait for a job, and listens only while somebody waits."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._waiting: dict[str, dict[asyncio.Future[Job], Moved | None]] = {}
        self._listening = ExitStack()

    @contextmanager
    def of(self, job_id: str, moved: Moved | None) -> "Iterator[asyncio.Future[Job]]":
        end: asyncio.Future[Job] = asyncio.get_running_loop().create_future()
        if not self._waiting:
            self._listening.enter_context(self._bus.listen(self._hear))
        self._waiting.setdefault(job_id, {})[end] = moved
        try:
            yield end
        finally:
            end.cancel()
            others = self._waiting[job_id]
            del others[end]
            if not others:
                del self._waiting[job_id]
            if not self._waiting:
                self._listening.close()

    def _hear(self, event: Event) -> None:
        if isinstance(event, JobChanged):
            for end, moved in self._waiting.get(event.job.id, {}).items():
                if event.job.is_finished and not end.done():
                    end.set_result(event.job)
                elif moved is not None:
                    moved(event.job)
        elif isinstance(event, JobRemoved):
            for end in self._waiting.get(event.id, ()):
                if not end.done():
                    end.set_exception(unknown_job(event.id))


def _refuse(tx: Transaction, lease: Lease, what: str, job_id: str | None = None) -> None:
    """List in the daemon's history what a run wanted that has lost its lease."""
    reason = f"{what} under epoch {lease.epoch}, which is over"
    record_history(tx, lease.daemon_id, "refused", None, "job", reason, job_id)


def _checked_name(name: str | None, what: str) -> str | None:
    if name is not None and not (0 < len(name) <= NAME_CHARACTERS and name.isprintable()):
        raise Invalid(f"{what} must be 1 to {NAME_CHARACTERS} printable characters.", code="ERR_BAD_KEY")
    return name


def _checked_priority(priority: int) -> int:
    if type(priority) is not int or abs(priority) > PRIORITY_MOST:
        raise Invalid(f"priority must be a whole number between ±{PRIORITY_MOST:,}.", code="ERR_BAD_PRIORITY")
    return priority
