"""Failures that somebody has seen, or does not want to see for a time: kept, but no longer counted as action needed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, insert, or_, select, update

from daemons.clock import Clock
from daemons.database import Database
from daemons.database.transaction import Transaction
from daemons.errors import Invalid, NotFound
from daemons.events import ItemChanged
from daemons.jobs.rows import JOBS
from daemons.models import FailureMarkTable
from daemons.states import JobState
from daemons.values import JsonValue

TOPIC = "failure_marks"
MUTED_MOST = timedelta(days=365)

_J = JOBS.c
_M = FailureMarkTable.__table__.c


@dataclass(frozen=True, slots=True)
class FailureMark:
    """What somebody said of a daemon's failures with one code."""

    code: str
    skipped_at: datetime | None
    """What failed by then was seen."""
    muted_until: datetime | None
    """Whatever fails until then need not be seen."""
    who: str

    def as_dict(self) -> dict[str, JsonValue]:
        """Return the mark of the HTTP API, times still datetimes."""
        return asdict(self)


class FailureMarks:
    """Keeps what was said of failures; the only writer of their table."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def of(self, daemon_id: str) -> Mapping[str, FailureMark]:
        """Return what was said of a daemon's failures, by code."""
        marks = select(_M.code, _M.skipped_at, _M.muted_until, _M.who).where(_M.daemon_id == daemon_id)
        return {row.code: FailureMark(*tuple(row)) for row in await self._database.fetch(marks)}

    def covers(self, mark: FailureMark, last_at: datetime | None) -> bool:
        """Whether failures of which the last was at `last_at` need nobody's action now."""
        is_seen = mark.skipped_at is not None and (last_at is None or last_at <= mark.skipped_at)
        return is_seen or (mark.muted_until is not None and self._clock.now() < mark.muted_until)

    def excuses_until(self, mark: FailureMark) -> datetime | None:
        """Return up to which moment failures need nobody's action; None if none do."""
        now = self._clock.now()
        return now if mark.muted_until is not None and now < mark.muted_until else mark.skipped_at

    async def skip(self, daemon_id: str, code: str, *, who: str) -> FailureMark:
        """Note that what has failed with `code` by now was seen; what fails later counts again."""
        return await self._database.write(partial(_mark, daemon_id, code, who, {"skipped_at": self._clock.now()}))

    async def mute(self, daemon_id: str, code: str, length: timedelta, *, who: str) -> FailureMark:
        """Leave failures with `code` out of account for a time. Raises Invalid if it is too long."""
        if length > MUTED_MOST:
            raise Invalid(f"A code can be muted for {MUTED_MOST.days} days at most.", code="ERR_MUTED_TOO_LONG")
        until = self._clock.now() + length
        return await self._database.write(partial(_mark, daemon_id, code, who, {"muted_until": until}))

    async def forget(self, daemon_id: str, code: str) -> None:
        """Count failures with `code` again. Raises NotFound if they are counted."""
        await self._database.write(partial(_forget, daemon_id, code))


def is_excused(now: datetime) -> ColumnElement[bool]:
    """Return what tells the failed jobs that need nobody's action now."""
    of_job = (_M.daemon_id == _J.daemon_id, _M.code == _J.error_code)
    return and_(
        _J.state == JobState.FAILED.value,
        exists().where(*of_job, or_(_M.skipped_at >= _J.finished_at, _M.muted_until > now)),
    )


def _mark(daemon_id: str, code: str, who: str, values: dict[str, Any], tx: Transaction) -> FailureMark:
    mine = (_M.daemon_id == daemon_id, _M.code == code)
    values = {**values, "who": who[:100]}
    if not tx.execute(update(FailureMarkTable).where(*mine).values(**values)).rowcount:
        tx.execute(insert(FailureMarkTable), {"daemon_id": daemon_id, "code": code, **values})
    row = tx.execute(select(_M.code, _M.skipped_at, _M.muted_until, _M.who).where(*mine)).one()
    mark = FailureMark(*tuple(row))
    tx.announce(ItemChanged(TOPIC, f"{daemon_id} {code}", {"daemon_id": daemon_id, **mark.as_dict()}))
    return mark


def _forget(daemon_id: str, code: str, tx: Transaction) -> None:
    if not tx.execute(delete(FailureMarkTable).where(_M.daemon_id == daemon_id, _M.code == code)).rowcount:
        raise NotFound(f"Nothing was said of failures with {code[:100]}.", code="ERR_NO_MARK")
    data: dict[str, JsonValue] = {"daemon_id": daemon_id, "code": code, "skipped_at": None, "muted_until": None}
    tx.announce(ItemChanged(TOPIC, f"{daemon_id} {code}", data))
