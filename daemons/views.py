"""Questions about jobs that were given a name; one of them may be what the list shows at first."""

from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from daemons.clock import Clock
from daemons.database import Database
from daemons.database.transaction import Transaction
from daemons.errors import Conflict, Invalid, NotFound
from daemons.ids import new_id
from daemons.jobs.query import QUERY_CHARACTERS, parse
from daemons.models import ViewTable
from daemons.values import JsonValue

NAME_CHARACTERS = 100
VIEWS_MOST = 200

_V = ViewTable.__table__.c


@dataclass(frozen=True, slots=True)
class View:
    """A named question."""

    id: str
    name: str
    query: str
    is_default: bool
    who: str
    created_at: datetime

    def as_dict(self) -> dict[str, JsonValue]:
        """Return the view of the HTTP API, times still datetimes."""
        return asdict(self)


class Views:
    """Keeps the named questions; the only writer of their table."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def list(self) -> "list[View]":
        """Return all of them by name."""
        rows = await self._database.fetch(select(ViewTable.__table__).order_by(func.lower(_V.name), _V.id))
        return [View(*tuple(row)) for row in rows]

    async def default(self) -> View | None:
        """Return the one that the list shows at first, None if it shows all jobs."""
        rows = await self._database.fetch(select(ViewTable.__table__).where(_V.is_default).limit(1))
        return View(*tuple(rows[0])) if rows else None

    async def save(self, name: str, query: str, *, is_default: bool = False, who: str) -> View:
        """Keep a question under a name; one that had the name before is replaced. Raises Invalid for either."""
        name = name.strip()
        if not (0 < len(name) <= NAME_CHARACTERS and name.isprintable()):
            raise Invalid(f"A view's name has 1 to {NAME_CHARACTERS} printable characters.", code="ERR_INVALID_NAME")
        query = str(parse(query))
        if len(query) > QUERY_CHARACTERS:
            raise Invalid(f"The question has more than {QUERY_CHARACTERS} characters.")
        view = View(new_id(), name, query, is_default, who[:100], self._clock.now())
        return await self._database.write(partial(_save, view))

    async def set_default(self, view_id: str, *, is_default: bool = True) -> View:
        """Have the list show this view at first, or no longer. Raises NotFound."""
        return await self._database.write(partial(_set_default, view_id, is_default))

    async def remove(self, view_id: str) -> None:
        """Forget a view, named by its id or name. Raises NotFound."""
        await self._database.write(partial(_remove, view_id))


def _save(view: View, tx: Transaction) -> View:
    table = ViewTable.__table__
    if view.is_default:
        tx.execute(update(ViewTable).where(_V.is_default).values(is_default=False))
    row = tx.execute(select(table).where(_V.name == view.name)).first()
    if row is not None:
        values = {"query": view.query, "is_default": view.is_default, "who": view.who}
        tx.execute(update(ViewTable).where(_V.id == row.id).values(**values))
        return _found(tx, row.id)
    if tx.execute(select(func.count()).select_from(ViewTable)).scalar_one() >= VIEWS_MOST:
        raise Conflict(f"There are {VIEWS_MOST} views already; remove one first.")
    try:
        tx.execute(insert(ViewTable), asdict(view))
    except IntegrityError as error:
        raise Conflict(f"A view {view.name} was made just now.", code="ERR_NAME_TAKEN") from error
    return view


def _found(tx: Transaction, name: str) -> View:
    row = tx.execute(select(ViewTable.__table__).where((_V.id == name) | (_V.name == name))).first()
    if row is None:
        raise NotFound(f"There is no view {name[:40]!r}.", code="ERR_UNKNOWN_VIEW")
    return View(*tuple(row))


def _set_default(name: str, is_default: bool, tx: Transaction) -> View:
    view = _found(tx, name)
    tx.execute(update(ViewTable).where(_V.is_default).values(is_default=False))
    tx.execute(update(ViewTable).where(_V.id == view.id).values(is_default=is_default))
    return _found(tx, view.id)


def _remove(name: str, tx: Transaction) -> None:
    tx.execute(delete(ViewTable).where(_V.id == _found(tx, name).id))
