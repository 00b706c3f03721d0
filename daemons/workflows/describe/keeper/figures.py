"""What the descriptions of one folder come to in figures; a few statements, each one look through its rows."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from statistics import median
from typing import Any

from sqlalchemy import ColumnElement, Row, case, func, select

from daemons.database import Database
from daemons.errors import ErrorInfo
from daemons.items import Answers, FailedItem, ItemCode, ItemSeconds, ItemStatistics, ItemStretch, LastItem
from daemons.workflows.describe.tables import DescriptionTable

MEASURED = 10_000
"""Images, the newest, whose seconds are put in order: more would only take longer."""
RECENT = 5
CODES = 50
HOUR = timedelta(hours=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RATED_LEAST = 60.0
"""Seconds between the first and the last image, below which they make no rate."""
_SHORTEST = timedelta(seconds=1)

_D = DescriptionTable.__table__.c
_DONE, _FAILED = _D.state == "done", _D.state == "failed"

Chosen = Sequence[ColumnElement[bool]]
Parts = Sequence[Row[Any]]


async def statistics_of(
    database: Database, chosen: Chosen, since: datetime, now: datetime, step: timedelta
) -> ItemStatistics:
    """Return the figures of the rows that meet `chosen`; rates, seconds and stretches are of the time since then."""
    # What was brought from elsewhere was not done here: it would make rates that are not true.
    made_here = [*chosen, _D.origin != "import"]
    in_time = [*made_here, _D.created_at >= since]
    states = await _counts(database, [*chosen, _D.gone_at.is_(None)])
    parts = await _parts(database, in_time, step)
    done = [part for part in parts if part.state == "done"]
    return ItemStatistics(
        "images",
        states.get("done", 0),
        states.get("failed", 0),
        sum(part.items for part in parts),
        await _rate_now(database, made_here, parts, now),
        _rate(parts),
        await _last(database, chosen),
        await _seconds(database, [*in_time, _DONE, _D.seconds.is_not(None)], done),
        await _codes(database, chosen),
        await _newest_failures(database, chosen),
        _answers([part for part in parts if part.finish is not None]),
        _stretches(parts, step),
    )


async def failures_of(
    database: Database, chosen: Chosen, since: datetime, excused: Mapping[str, datetime]
) -> tuple[int, int]:
    """Return how many rows failed since then and need somebody's action, and how many were settled."""
    in_time = [*chosen, _D.created_at >= since, _D.origin != "import"]
    states = await _counts(database, in_time)
    failed = states.get("failed", 0)
    for code, until in excused.items() if failed else ():
        same = [_FAILED, _D.error["code"].as_string() == code, _D.created_at <= until]
        failed -= sum((await _counts(database, [*in_time, *same])).values())
    return max(0, failed), sum(states.values())


async def _counts(database: Database, chosen: Chosen) -> dict[str, int]:
    items = func.count().label("items")
    rows = await database.fetch(select(_D.state, items).where(*chosen).group_by(_D.state))
    return {row.state: row.items for row in rows}


async def _parts(database: Database, chosen: Chosen, step: timedelta) -> Parts:
    """Return sums of each stretch of time, state and way to finish: everything else is made of them."""
    at = _D.created_at
    begin = _begin_of(step, is_sqlite=database.is_sqlite).label("begin")
    told = _D.output_tokens.is_not(None) & (_D.seconds > 0)
    grouped = (
        select(
            begin,
            _D.state,
            _D.finish,
            func.count().label("items"),
            func.min(at, type_=at.type).label("first_at"),
            func.max(at, type_=at.type).label("last_at"),
            func.count(_D.seconds).label("timed"),
            func.sum(_D.seconds).label("seconds"),
            func.min(_D.seconds).label("shortest"),
            func.max(_D.seconds).label("longest"),
            func.sum(_D.prompt_tokens).label("prompt_tokens"),
            func.sum(_D.output_tokens).label("output_tokens"),
            func.sum(case((told, _D.seconds))).label("spoken"),
        )
        .where(*chosen)
        .group_by(begin, _D.state, _D.finish)
        .order_by(begin)
    )
    return await database.fetch(grouped)


async def _rate_now(database: Database, chosen: Chosen, parts: Parts, now: datetime) -> float:
    """Return the rate of the last hour; of work that is younger, since it began."""
    items = sum((await _counts(database, [*chosen, _D.created_at > now - HOUR])).values())
    begun = min((part.first_at for part in parts), default=now - HOUR)
    return float(items / (min(HOUR, max(_SHORTEST, now - begun)) / HOUR))


def _rate(parts: Parts) -> float | None:
    if not parts:
        return None
    first, last = min(part.first_at for part in parts), max(part.last_at for part in parts)
    seconds = (last - first).total_seconds()
    return (sum(part.items for part in parts) - 1) * 3600 / seconds if seconds >= _RATED_LEAST else None


def _answers(parts: Parts) -> Answers | None:
    if not parts:
        return None
    return Answers(
        sum(part.items for part in parts),
        sum(part.items for part in parts if part.finish == "length"),
        sum(int(part.prompt_tokens or 0) for part in parts),
        sum(int(part.output_tokens or 0) for part in parts),
        _speed(parts),
    )


def _speed(parts: Parts) -> float | None:
    """Return the tokens a second of the answers that tell both."""
    seconds = sum(part.spoken or 0.0 for part in parts)
    return sum(int(part.output_tokens) for part in parts if part.spoken) / seconds if seconds else None


def _begin_of(step: timedelta, *, is_sqlite: bool) -> ColumnElement[str]:
    """Return the hour of a row's time, in UTC; for stretches shorter than that the minute."""
    if is_sqlite:
        # It keeps times as text: to cut it off takes half as long as to reckon with it.
        return func.substr(_D.created_at, 1, len("2026-11-26 16" if step >= HOUR else "2026-11-26 16:20"))
    return func.date_trunc("hour" if step >= HOUR else "minute", func.timezone("UTC", _D.created_at))


def _stretches(parts: Parts, step: timedelta) -> list[ItemStretch]:
    def place(part: Row[Any]) -> int:
        return (datetime.fromisoformat(str(part.begin)).replace(tzinfo=UTC) - EPOCH) // step

    return [_stretch(EPOCH + number * step, list(same)) for number, same in groupby(parts, place)]


def _stretch(begin: datetime, parts: Parts) -> ItemStretch:
    done = [part for part in parts if part.state == "done"]
    return ItemStretch(
        begin,
        sum(part.items for part in done),
        sum(part.items for part in parts) - sum(part.items for part in done),
        _mean(done),
        _speed([part for part in parts if part.finish is not None]),
    )


def _mean(parts: Parts) -> float | None:
    timed = sum(part.timed for part in parts)
    return float(sum(part.seconds or 0.0 for part in parts) / timed) if timed else None


async def _last(database: Database, chosen: Chosen) -> LastItem | None:
    newest = select(_D.path, _D.created_at, _D.state).where(*chosen).order_by(_D.created_at.desc()).limit(1)
    row = await database.fetch_one(newest)
    return LastItem(row.path, row.created_at, row.state) if row else None


async def _seconds(database: Database, chosen: Chosen, parts: Parts) -> ItemSeconds | None:
    newest = select(_D.seconds).where(*chosen).order_by(_D.created_at.desc()).limit(MEASURED)
    ordered = sorted(row.seconds for row in await database.fetch(newest))
    mean = _mean(parts)
    if not ordered or mean is None:
        return None
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    shortest, longest = (
        pick(getattr(part, name) for part in parts if part.timed)
        for pick, name in ((min, "shortest"), (max, "longest"))
    )
    return ItemSeconds(sum(part.timed for part in parts), mean, median(ordered), p95, shortest, longest)


async def _codes(database: Database, chosen: Chosen) -> list[ItemCode]:
    code = _D.error["code"].as_string().label("code")
    items, last = func.count().label("items"), func.max(_D.created_at, type_=_D.created_at.type).label("last_at")
    grouped = select(code, items, last).where(_FAILED, *chosen).group_by(code).order_by(items.desc(), code).limit(CODES)
    return [ItemCode(row.code or "ERR_UNKNOWN", row.items, row.last_at) for row in await database.fetch(grouped)]


async def _newest_failures(database: Database, chosen: Chosen) -> list[FailedItem]:
    newest = (
        select(_D.id, _D.path, _D.error, _D.created_at, _D.job_id)
        .where(_FAILED, *chosen)
        .order_by(_D.number.desc())
        .limit(RECENT)
    )
    return [
        FailedItem(row.id, row.path, ErrorInfo.from_dict(row.error), row.created_at, row.job_id)
        for row in await database.fetch(newest)
        if row.error
    ]
