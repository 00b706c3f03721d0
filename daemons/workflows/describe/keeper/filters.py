"""Which descriptions are meant: what may be asked of them, and the conditions that this puts to the database."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import ColumnElement, and_, false, func, or_, select, true

from daemons.errors import UnknownName
from daemons.pictures.colours import COLOURS
from daemons.text import clean
from daemons.workflows.describe.keeper.search import search
from daemons.workflows.describe.tables import DescriptionTable

STATES = ("done", "failed")
FINISHES = ("stop", "length")
GONE = ("no", "yes", "all")

_D = DescriptionTable.__table__.c

IS_THERE = _D.gone_at.is_not(None).is_(false())
"""For what is read in the order of numbers. "Is null" SQLite would look up in an index, and sort nearly all rows."""


@dataclass(frozen=True, slots=True)
class DescriptionFilter:
    """Which descriptions to list: those that meet every condition given, each by any of its values."""

    states: Sequence[str] = ()
    folder: str | None = None
    """A folder as it is shown, whichever daemon describes it or a folder above it; with all that is below."""
    describers: Sequence[str] = ()
    models: Sequence[str] = ()
    taken_after: date | None = None
    """The first day on which the picture may have been taken, by the camera's clock."""
    taken_before: date | None = None
    """The day before which it was taken."""
    colours: Sequence[str] = ()
    codes: Sequence[str] = ()
    """Why nothing is known of the file: codes of errors."""
    finishes: Sequence[str] = ()
    """How the model's answer ended: by itself, or cut off at its length."""
    gone: str = "no"
    """Whether files that are not there any more are meant: not at all, alone, or too."""
    edited: bool | None = None
    """Whether a person wrote the words."""
    q: str | None = None
    """What somebody typed, see search.py."""

    def check(self) -> None:
        """Raise UnknownName for a value that there is not."""
        _known(self.states, STATES, "state of descriptions", "ERR_UNKNOWN_STATE")
        _known(self.colours, COLOURS, "colour", "ERR_UNKNOWN_COLOUR")
        _known(self.finishes, FINISHES, "end of answers", "ERR_UNKNOWN_FINISH")
        _known([self.gone], GONE, "answer to whether files are gone", "ERR_UNKNOWN_CHOICE")


def conditions_of(chosen: DescriptionFilter, *, is_sqlite: bool) -> Iterator[ColumnElement[bool]]:
    """Yield what `chosen` asks for. Raises UnknownName, Invalid."""
    chosen.check()
    several = {
        _D.state: chosen.states,
        _D.describer: chosen.describers,
        _D.model: chosen.models,
        _D.colour: chosen.colours,
        _D.finish: chosen.finishes,
    }
    yield from (column.in_(sorted(set(values))) for column, values in several.items() if values)
    if chosen.codes:
        # Spelled out, so that the index of states covers the question.
        yield _D.state == "failed"
        yield _D.error["code"].as_string().in_(sorted(set(chosen.codes)))
    if chosen.folder:
        inside = or_(*lying_in(chosen.folder, is_sqlite=is_sqlite))
        # As a list of numbers, which SQLite's index of places gives without looking at any row.
        yield _D.number.in_(select(_D.number).where(inside).correlate(None)) if is_sqlite else inside
    # Times are kept as text that begins with the day, so days compare as text does.
    if chosen.taken_after:
        yield _D.taken_at >= chosen.taken_after.isoformat()
    if chosen.taken_before:
        yield _D.taken_at < chosen.taken_before.isoformat()
    if chosen.gone != "all":
        yield IS_THERE if chosen.gone == "no" else _D.gone_at.is_not(None)
    if chosen.edited is not None:
        yield _D.origin == "hand" if chosen.edited else _D.origin != "hand"
    if chosen.q and chosen.q.strip():
        yield search(chosen.q, is_sqlite=is_sqlite)


def lying_in(folder: str, *, is_sqlite: bool) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return the two ways in which a file lies in `folder`: what is described lies in it, or it in what is described.

    Folders that are described, with all their files; and a part of the files of those above it.
    """
    folder = folder.rstrip("/")
    below = _begins(_D.folder, folder + "/", is_sqlite=is_sqlite)
    above = [and_(_D.folder == one, path_begins(start, is_sqlite=is_sqlite)) for one, start in above_of(folder)]
    return or_(below, _D.folder == (folder or "/")), or_(false(), *above)


def above_of(folder: str) -> Iterator[tuple[str, str]]:
    """Yield the folders above `folder`, the nearest first, each with how the paths of its files in `folder` begin."""
    at = len(folder)
    while (at := folder.rfind("/", 0, at)) >= 0 and folder != "/":
        yield folder[:at] or "/", folder[at + 1 :] + "/"


def path_begins(start: str, *, is_sqlite: bool) -> ColumnElement[bool]:
    """Return the condition that a path begins with `start`, which ends in a slash or is empty."""
    return _begins(_D.path, start, is_sqlite=is_sqlite) if start else true()


def _begins(column: ColumnElement[str], start: str, *, is_sqlite: bool) -> ColumnElement[bool]:
    if is_sqlite:
        # As a range, which is what an index is asked for: the start ends in a slash, which 0 comes after.
        return and_(column >= start, column < start[:-1] + "0")
    condition: ColumnElement[bool] = func.starts_with(column, start)
    return condition


def _known(values: Collection[str], known: Collection[str], noun: str, code: str) -> None:
    for value in values:
        if value not in known:
            raise UnknownName(
                f"There is no {noun} called {clean(value, 40)}.", remedy=f"One of: {', '.join(known)}.", code=code
            )
