"""What failed of a daemon's work, by code: whole jobs, and single things in jobs that went on without them."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from daemons.database import Database
from daemons.errors import Invalid, NotFound
from daemons.failure_marks import FailureMark, FailureMarks
from daemons.item_work import ItemWork
from daemons.items import FailedItem
from daemons.jobs.filters import JobFilter
from daemons.jobs.rows import JOB_COLUMNS, JOBS, failed_with_a_code, job_of
from daemons.operations import Operation, Operations
from daemons.orders import Orders
from daemons.states import JobState
from daemons.values import DaemonRow, Job, JsonValue

CODES_MOST = 50
ITEMS_MOST = 1_000
"""Failed things looked at, the newest: who has more has one cause, not a thousand."""

_J = JOBS.c


@dataclass(slots=True)
class FailureGroup:
    """Everything of a daemon that failed with the same code."""

    code: str
    jobs: int = 0
    sample: Job | None = None
    """The newest of the jobs."""
    items: list[FailedItem] = field(default_factory=list)
    first_at: datetime | None = None
    last_at: datetime | None = None
    mark: FailureMark | None = None
    """What somebody said of it."""
    is_set_aside: bool = False
    """Whether it needs nobody's action: it was skipped or is muted."""

    @property
    def message(self) -> str:
        """What the newest failure said."""
        error = self.items[0].error if self.items else self.sample.error if self.sample else None
        return error.message if error else ""

    @property
    def remedy(self) -> str | None:
        """What may be done about the newest failure."""
        error = self.items[0].error if self.items else self.sample.error if self.sample else None
        return error.remedy if error else None

    def seen(self, *moments: datetime | None) -> None:
        """Widen the time over which this was seen."""
        known = [moment for moment in (self.first_at, self.last_at, *moments) if moment is not None]
        self.first_at, self.last_at = min(known, default=None), max(known, default=None)

    def as_dict(self) -> dict[str, JsonValue]:
        """Return the group of the HTTP API, times still datetimes."""
        return {
            "code": self.code,
            "message": self.message,
            "remedy": self.remedy,
            "jobs": self.jobs,
            "job_id": self.sample.id if self.sample else None,
            "items": [_item_dict(item) for item in self.items],
            "first_at": self.first_at,
            "last_at": self.last_at,
            "skipped_at": self.mark.skipped_at if self.mark else None,
            "muted_until": self.mark.muted_until if self.mark else None,
            "is_set_aside": self.is_set_aside,
        }


@dataclass(frozen=True, slots=True)
class Retried:
    """What is tried again."""

    operation: Operation | None
    """It queues the jobs again."""
    items: int
    item_job: Job | None

    def as_dict(self) -> dict[str, JsonValue]:
        """Return the answer of the HTTP API."""
        return {
            "jobs": self.operation.total if self.operation else 0,
            "operation_id": self.operation.id if self.operation else None,
            "items": self.items,
            "job_id": self.item_job.id if self.item_job else None,
        }


class Failures:
    """Lists what failed, has it tried again or set aside."""

    def __init__(
        self,
        database: Database,
        things: ItemWork,
        orders: Orders,
        operations: Operations,
        marks: FailureMarks,
    ) -> None:
        self._database = database
        self._things = things
        self._orders = orders
        self._operations = operations
        self._marks = marks

    async def groups(self, row: DaemonRow) -> list[FailureGroup]:
        """Return what failed of a daemon's work and was not mended since, newest first."""
        groups: dict[str, FailureGroup] = {}
        for item in await self._items(row):
            group = groups.setdefault(item.error.code, FailureGroup(item.error.code))
            group.items.append(item)
            group.seen(item.at)
        for found in await self._jobs(row.id):
            group = groups.setdefault(found.code, FailureGroup(found.code))
            group.jobs, group.sample = found.jobs, found.sample
            group.seen(found.first_at, found.last_at)
        marks = await self._marks.of(row.id)
        for group in groups.values():
            group.mark = marks.get(group.code)
            group.is_set_aside = group.mark is not None and self._marks.covers(group.mark, group.last_at)
        return sorted(groups.values(), key=lambda group: (group.last_at is not None, group.last_at), reverse=True)

    async def retry(self, row: DaemonRow, code: str, *, who: str) -> Retried:
        """Try again everything of a daemon that failed with `code`. Raises NotFound if nothing did."""
        ids = [item.id for item in await self._items(row) if item.error.code == code]
        operation = await self._retry_jobs(JobFilter([JobState.FAILED], daemon=row.id, code=code), who)
        if not ids and operation is None:
            raise _nothing(row, code)
        job = await self._again(row, ids, f"again {row.name} {code}") if ids else None
        return Retried(operation, len(ids), job)

    async def _retry_jobs(self, chosen: JobFilter, who: str) -> Operation | None:
        try:
            return await self._operations.begin("retry", who=who, chosen=chosen)
        except Invalid:
            return None  # no job, but single things

    async def skip(self, row: DaemonRow, code: str, *, who: str) -> FailureMark:
        """Note that what has failed with `code` by now was seen. Raises NotFound if nothing did."""
        await self._check(row, code)
        return await self._marks.skip(row.id, code, who=who)

    async def mute(self, row: DaemonRow, code: str, length: timedelta, *, who: str) -> FailureMark:
        """Leave failures with `code` out of account for a time. Raises NotFound if there are none, Invalid."""
        await self._check(row, code)
        return await self._marks.mute(row.id, code, length, who=who)

    async def count_again(self, row: DaemonRow, code: str) -> None:
        """Take back what was said of failures with `code`. Raises NotFound if nothing was."""
        await self._marks.forget(row.id, code)

    async def _check(self, row: DaemonRow, code: str) -> None:
        if all(group.code != code for group in await self.groups(row)):
            raise _nothing(row, code)

    async def retry_item(self, row: DaemonRow, item_id: str) -> Job:
        """Try one thing again, and nothing else. Raises NotFound."""
        return await self._again(row, [item_id], f"again {item_id}"[:200])

    async def _again(self, row: DaemonRow, ids: list[str], unique: str) -> Job:
        known = self._things.keeper_of(row)
        if known is None:
            raise NotFound(f"{row.name} works on nothing that could be tried again by itself.")
        keeper, options = known
        order = await keeper.try_again(options, ids)
        # Pressed twice, it is tried once.
        return (await self._orders.create(order.type, order.args, unique=unique, daemon=row)).job

    async def _items(self, row: DaemonRow) -> list[FailedItem]:
        known = self._things.keeper_of(row)
        return await known[0].failed_items(known[1], limit=ITEMS_MOST) if known else []

    async def _jobs(self, daemon_id: str) -> Iterable[FailureGroup]:
        jobs, last = func.count().label("jobs"), func.max(_J.number).label("last")
        ended = [do(_J.finished_at, type_=_J.finished_at.type) for do in (func.min, func.max)]
        counted = (
            select(_J.error_code, jobs, last, ended[0].label("first_at"), ended[1].label("last_at"))
            .where(*failed_with_a_code(daemon_id))
            .group_by(_J.error_code)
            .order_by(last.desc())
            .limit(CODES_MOST)
        )
        rows = await self._database.fetch(counted)
        samples: defaultdict[int, Any] = defaultdict(lambda: None)
        if rows:
            chosen = select(*JOB_COLUMNS).where(_J.number.in_([row.last for row in rows]))
            samples |= {row.number: job_of(row) for row in await self._database.fetch(chosen)}
        return [
            FailureGroup(row.error_code, row.jobs, samples[row.last], [], row.first_at, row.last_at) for row in rows
        ]


def _nothing(row: DaemonRow, code: str) -> NotFound:
    return NotFound(f"Nothing of {row.name} has failed with {code[:100]}.", code="ERR_NOTHING_FAILED")


def _item_dict(item: FailedItem) -> dict[str, JsonValue]:
    return {"id": item.id, "name": item.name, "message": item.error.message, "at": item.at, "job_id": item.job_id}
