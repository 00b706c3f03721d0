"""Which jobs are meant: the conditions that a question about them puts to the database."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, false, func, not_, or_, select, true, union_all

from daemons.jobs.query import JobQuery, Term, moment, parse, states_of
from daemons.jobs.rows import JOBS
from daemons.models import DaemonTable
from daemons.states import JobState

COUNTED = 10_000
"""Jobs counted of one state; of more it is only said that there are more."""
NEWS_COUNTED = 1_000

_J = JOBS.c


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs to list: those that meet every condition given."""

    states: Sequence[JobState] = ()
    types: Sequence[str] = ()
    daemon: str | None = None
    """Id or name."""
    parent: str | None = None
    code: str | None = None
    """As it stands, where `code:` in a question takes it in capitals."""
    q: str | None = None
    """A question as people type it, see query.py; words alone are part of the id, type, key or daemon name."""

    @property
    def query(self) -> JobQuery:
        """The question, read. Raises BadQuery."""
        return parse(self.q or "")

    @property
    def all_states(self) -> list[JobState] | None:
        """The states that are meant, None for all of them. Raises BadQuery."""
        asked = states_of(self.query.terms)
        if not self.states:
            return asked
        return [state for state in JobState if state in self.states and (asked is None or state in asked)]


def conditions_of(chosen: JobFilter, now: datetime) -> list[ColumnElement[bool]]:
    """Return what `chosen` asks for, its states left out. Raises BadQuery."""
    query = chosen.query
    conditions = [_condition(term, now) for term in query.terms if term.key != "state"]
    if chosen.types:
        conditions.append(_J.type.in_(sorted(set(chosen.types))))
    if chosen.daemon is not None:
        conditions.append(_of_daemons([chosen.daemon]))
    if chosen.parent is not None:
        conditions.append(_J.parent_id == chosen.parent)
    if chosen.code is not None:
        conditions.append(_with_code([chosen.code]))
    if query.text:
        texts = (_J.id, _J.type, _J.key, _J.daemon_name)
        conditions.append(or_(*(column.icontains(query.text, autoescape=True) for column in texts)))
    return conditions


def whole_condition(chosen: JobFilter, now: datetime) -> ColumnElement[bool]:
    """Return all that `chosen` asks for as one condition. Raises BadQuery."""
    states = chosen.all_states
    of_state = [] if states is None else [_J.state.in_([state.value for state in states])]
    return and_(true(), *conditions_of(chosen, now), *of_state)


def tally_of(chosen: JobFilter, now: datetime) -> Select[Any]:
    """Return the statement that counts the jobs of each state, asked for or not, as far as COUNTED and one."""
    conditions = conditions_of(chosen, now)
    arms = []
    for state in JobState:
        found = select(_J.state).where(_J.state == state.value, *conditions).limit(COUNTED + 1).subquery()
        arms.append(select(func.max(found.c.state).label("state"), func.count().label("jobs")).select_from(found))
    counted = union_all(*arms).subquery()
    return select(counted).where(counted.c.jobs > 0)


def news_of(chosen: JobFilter, after: str, now: datetime) -> Select[Any]:
    """Return the statement that counts matching jobs created after the job `after`."""
    since = select(_J.number).where(_J.id == after).scalar_subquery()
    found = select(_J.number).where(_J.number > func.coalesce(since, 0), whole_condition(chosen, now))
    return select(func.count()).select_from(found.limit(NEWS_COUNTED).subquery())


def still_of(chosen: JobFilter, shown: Sequence[str], now: datetime) -> Select[Any]:
    """Return the statement for those of `shown` that match."""
    return select(_J.id).where(_J.id.in_(shown), whole_condition(chosen, now))


def _condition(term: Term, now: datetime) -> ColumnElement[bool]:
    condition = _TERMS[term.key](term.values, now)
    # What is unknown of a job is not what was asked about, so its opposite holds.
    return not_(func.coalesce(condition, false())) if term.is_negated else condition


def _of_daemons(names: Sequence[str]) -> ColumnElement[bool]:
    named = select(DaemonTable.id).where(or_(DaemonTable.id.in_(names), DaemonTable.name.in_(names)))
    removed = and_(_J.daemon_id.is_(None), _J.daemon_name.in_(names))
    return or_(_J.daemon_id.in_(named), removed)


def _with_code(codes: Sequence[str]) -> ColumnElement[bool]:
    # Spelled out, so that the databases see that the index of jobs with a code covers the question.
    return and_(_J.error_code.is_not(None), _J.error_code.in_(codes))


_TERMS: dict[str, Callable[[Sequence[str], datetime], ColumnElement[bool]]] = {
    "type": lambda values, now: _J.type.in_(values),
    "daemon": lambda values, now: _of_daemons(values),
    "code": lambda values, now: _with_code([value.upper() for value in values]),
    "parent": lambda values, now: _J.parent_id.in_(values),
    "lane": lambda values, now: _J.lane.in_(values),
    "since": lambda values, now: _J.created_at >= moment(values[0], now),
    "until": lambda values, now: _J.created_at < moment(values[0], now),
    "ended": lambda values, now: _J.finished_at >= moment(values[0], now),
}
