"""Pages of jobs: what to show, in which order, from where on. Flat in the size of the table."""

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, Select, false, select, tuple_, union_all

from daemons.errors import Invalid, UnknownName
from daemons.jobs.filters import JobFilter as JobFilter
from daemons.jobs.filters import conditions_of
from daemons.jobs.rows import JOB_COLUMNS, JOBS
from daemons.states import JobState

LIMIT = 50
LIMIT_MOST = 500

_J = JOBS.c


class _Sort(NamedTuple):
    column: ColumnElement[Any]
    descending: bool


SORTS = {
    "-created_at": _Sort(_J.number, True),
    "created_at": _Sort(_J.number, False),
    "-finished_at": _Sort(_J.finished_at, True),
    "finished_at": _Sort(_J.finished_at, False),
}
"""Orders of the list. Jobs are numbered in the order of their creation."""


def page_of(chosen: JobFilter, sort: str, cursor: str | None, limit: int, now: datetime) -> Select[Any]:
    """Return the statement for one page and one row more. Raises UnknownName and Invalid."""
    if sort not in SORTS:
        raise UnknownName(
            f"Jobs cannot be sorted by {sort[:40]!r}.", remedy=f"One of: {', '.join(SORTS)}.", code="ERR_UNKNOWN_SORT"
        )
    if not 1 <= limit <= LIMIT_MOST:
        raise Invalid(f"limit must be between 1 and {LIMIT_MOST}.", code="ERR_BAD_LIMIT")
    order = SORTS[sort]
    conditions = conditions_of(chosen, now)
    if order.column is _J.finished_at:
        conditions.append(_J.finished_at.is_not(None))
    if cursor is not None:
        conditions.append(_beyond(order, _read_cursor(cursor, sort)))
    return _ordered(_first_of_each_state(_states_of(chosen), conditions, order, limit + 1), order, limit + 1)


def _states_of(chosen: JobFilter) -> list[JobState] | None:
    # The index of jobs with a code is in the order of each state.
    has_code = any(term.key == "code" and not term.is_negated for term in chosen.query.terms)
    return [*JobState] if has_code and chosen.all_states is None else chosen.all_states


def _first_of_each_state(
    states: Sequence[JobState] | None, conditions: list[ColumnElement[bool]], order: _Sort, limit: int
) -> Select[Any]:
    """Take the page of each state by that state's index: no index gives several states in one order."""
    wanted = sorted(set(states or ()))
    if states is not None and not wanted:
        return select(*JOB_COLUMNS).where(false())
    if len(wanted) <= 1:
        return select(*JOB_COLUMNS).where(*conditions, *(_J.state == state.value for state in wanted))
    arms = [
        _ordered(select(_J.number).where(*conditions, _J.state == state.value), order, limit).subquery()
        for state in wanted
    ]
    numbers = union_all(*(select(arm.c.number) for arm in arms))
    return select(*JOB_COLUMNS).where(_J.number.in_(numbers))


def _ordered(statement: Select[Any], order: _Sort, limit: int) -> Select[Any]:
    keys = [order.column] if order.column is _J.number else [order.column, _J.number]
    return statement.order_by(*(key.desc() if order.descending else key.asc() for key in keys)).limit(limit)


def _beyond(order: _Sort, place: tuple[datetime | None, int]) -> ColumnElement[bool]:
    at, number = place
    if order.column is _J.number:
        return _J.number < number if order.descending else _J.number > number
    here = tuple_(_J.finished_at, _J.number)
    there = tuple_(at, number, types=[_J.finished_at.type, _J.number.type])
    return here < there if order.descending else here > there


def cursor_after(row: Row[Any], sort: str) -> str:
    """Return where the page that ends with `row` goes on."""
    at = row.finished_at.isoformat() if SORTS[sort].column is _J.finished_at else None
    return base64.urlsafe_b64encode(json.dumps([sort, at, row.number]).encode()).decode()


def _read_cursor(cursor: str, sort: str) -> tuple[datetime | None, int]:
    try:
        made_for, at, number = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
        if made_for != sort or type(number) is not int or not 0 <= number < 2**63:
            raise ValueError
        if (at is None) != (SORTS[sort].column is _J.number):
            raise ValueError
        place = datetime.fromisoformat(at) if at is not None else None
        if place is not None and place.tzinfo is None:
            raise ValueError
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise Invalid(
            "The cursor is not one that this list gave for this order.",
            remedy="Begin again without a cursor.",
            code="ERR_BAD_CURSOR",
        ) from None
    return place, number
