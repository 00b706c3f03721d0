"""What there is to choose from: describers, models, folders, colours and errors, each with how many images."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, case, func, select

from daemons.clock import Clock
from daemons.database import Database
from daemons.values import JsonValue
from daemons.workflows.describe.keeper.filters import DescriptionFilter, conditions_of
from daemons.workflows.describe.keeper.kept import Kept
from daemons.workflows.describe.tables import CHOICES, DescriptionTable

FACETS_SECONDS = 10.0
VALUES_MOST = 500

_D = DescriptionTable.__table__.c


@dataclass(frozen=True, slots=True)
class Facet:
    """One value that may be chosen, and how many descriptions have it."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class Facets:
    """All that may be chosen, most frequent first; of folders those one below the one asked for, by name."""

    total: int
    states: list[Facet]
    describers: list[Facet]
    models: list[Facet]
    colours: list[Facet]
    finishes: list[Facet]
    codes: list[Facet]
    folders: list[Facet]
    as_of: datetime

    def as_dict(self) -> dict[str, JsonValue]:
        return asdict(self)


class FacetCounts:
    """Counts what there is to choose from; what it tells is up to ten seconds old."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._kept: Kept[Facets] = Kept(clock, FACETS_SECONDS)

    async def get(self, folder: str | None = None) -> Facets:
        """Return what there is to choose from among the files that are there, with `folder` in it and below."""
        folder = folder.rstrip("/") or "/" if folder else None
        return await self._kept.get(folder, lambda: self._count(folder))

    async def _count(self, folder: str | None) -> Facets:
        now = self._clock.now()
        there = list(conditions_of(DescriptionFilter(folder=folder), is_sqlite=self._database.is_sqlite))
        columns = tuple(_D[name] for name in CHOICES)
        counted = await self._database.fetch(
            select(*columns, func.count().label("images")).where(*there).group_by(*columns)
        )
        counters: list[Counter[str]] = [Counter() for _ in columns]
        for row in counted:
            for column, counter in zip(columns, counters, strict=True):
                if (value := row._mapping[column.name]) is not None:
                    counter[value] += row.images
        described, *others = counters
        states, describers, models, colours, finishes = (_ranked(counter.items()) for counter in others)
        every = sum(row.images for row in counted)
        codes = await self._codes(there)
        folders = _named(described) if folder is None else await self._folders(folder, there)
        return Facets(every, states, describers, models, colours, finishes, codes, folders, now)

    async def _codes(self, there: list[ColumnElement[bool]]) -> list[Facet]:
        code = _D.error["code"].as_string().label("code")
        counted = select(code, func.count().label("images")).where(_D.state == "failed", *there).group_by(code)
        return _ranked((row.code, row.images) for row in await self._database.fetch(counted) if row.code)

    async def _folders(self, folder: str, there: list[ColumnElement[bool]]) -> list[Facet]:
        """Return the folders that are in `folder`."""
        inside = folder.rstrip("/") + "/"
        place = case((_D.folder == "/", "/" + _D.path), else_=_D.folder + "/" + _D.path)
        rest = func.substr(place, len(inside) + 1)
        slash = (func.instr if self._database.is_sqlite else func.strpos)(rest, "/")
        label = func.substr(place, 1, len(inside) + slash - 1).label("name")
        # What lies in the folder itself is in none of those in it.
        counted = select(label, func.count().label("images")).where(*there, slash > 0).group_by(label)
        rows = await self._database.fetch(counted.order_by(label).limit(VALUES_MOST))
        return [Facet(row.name, row.images) for row in rows]


def _named(counts: Counter[str]) -> list[Facet]:
    return [Facet(value, count) for value, count in sorted(counts.items())[:VALUES_MOST]]


def _ranked(counts: Iterable[tuple[str, int]]) -> list[Facet]:
    found = [Facet(value, count) for value, count in counts]
    return sorted(found, key=lambda facet: (-facet.count, facet.value))[:VALUES_MOST]
