"""Which descriptions are meant: what may be asked of them, and the conditions that this puts to the database."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement

from daemons.errors import UnknownName
from daemons.text import clean
from daemons.workflows.describe.tables import DescriptionTable

STATES = ("done", "failed")

_D = DescriptionTable.__table__.c


@dataclass(frozen=True, slots=True)
class DescriptionFilter:
    """Which descriptions to list: those that meet every condition given."""

    states: Sequence[str] = ()
    folder: str | None = None
    describer: str | None = None
    q: str | None = None


def conditions_of(chosen: DescriptionFilter) -> Iterator[ColumnElement[bool]]:
    """Yield what `chosen` asks for. Raises UnknownName for a state that does not exist."""
    for state in chosen.states:
        if state not in STATES:
            raise UnknownName(
                f"There is no state {clean(state, 40)} of descriptions.", remedy=f"One of: {', '.join(STATES)}."
            )
    if chosen.states:
        yield _D.state.in_(set(chosen.states))
    if chosen.folder:
        yield _D.folder == chosen.folder
    if chosen.describer:
        yield _D.describer == chosen.describer
    if chosen.q:
        yield _D.path.icontains(chosen.q, autoescape=True) | _D.description.icontains(chosen.q, autoescape=True)
