"""What there is to choose from: describers, models, folders, colours and errors, each with how many images."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, func, select, true

from daemons.clock import Clock
from daemons.database import Database
from daemons.kept import Kept
from daemons.values import JsonValue
from daemons.workflows.describe.keeper.filters import above_of, lying_in, path_begins
from daemons.workflows.describe.tables import CHOICES, DescriptionTable

FACETS_SECONDS = 10.0
VALUES_MOST = 500

_D = DescriptionTable.__table__.c
_IMAGES = func.count().label("images")


@dataclass(frozen=True, slots=True)
class Facet:
    """One value that may be chosen, and how many descriptions have it."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class Facets:
    """All that may be chosen, most frequent first; of folders, by name, those in the one asked for or the only one."""

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
        parts = (true(),) if folder is None else lying_in(folder, is_sqlite=self._database.is_sqlite)
        # One part after the other, for each has an index of its own.
        choices = [row for part in parts for row in await self._choices(part)]
        codes: Counter[str] = Counter()
        for part in parts:
            codes += await self._codes(part)
        counters: list[Counter[str]] = [Counter() for _ in CHOICES]
        for row in choices:
            for name, counter in zip(CHOICES, counters, strict=True):
                if (value := row._mapping[name]) is not None:
                    counter[value] += row.images
        described, *others = counters
        states, describers, models, colours, finishes = map(_ranked, others)
        every = sum(row.images for row in choices)
        if folder is None and len(described) == 1:
            # The only folder is no choice; what is in it may be.
            folders = await self._folders(next(iter(described)), described) or described
        else:
            folders = described if folder is None else await self._folders(folder, described)
        return Facets(every, states, describers, models, colours, finishes, _ranked(codes), _named(folders), now)

    async def _choices(self, *conditions: ColumnElement[bool]) -> Sequence[Row[Any]]:
        columns = [_D[name] for name in CHOICES]
        counted = select(*columns, _IMAGES).where(_D.gone_at.is_(None), *conditions).group_by(*columns)
        return await self._database.fetch(counted)

    async def _codes(self, *conditions: ColumnElement[bool]) -> Counter[str]:
        code = _D.error["code"].as_string().label("code")
        counted = select(code, _IMAGES).where(_D.state == "failed", _D.gone_at.is_(None), *conditions).group_by(code)
        return Counter({row.code: row.images for row in await self._database.fetch(counted) if row.code})

    async def _folders(self, folder: str, described: Counter[str]) -> Counter[str]:
        """Count by the folders in `folder`: those that are `described`, and those in it or above that hold files."""
        inside = folder.rstrip("/") + "/"
        counts: Counter[str] = Counter()
        for name, images in described.items():
            if name != folder and name.startswith(inside):
                counts[inside + name[len(inside) :].partition("/")[0]] += images
        for above, start in ((folder, ""), *above_of(folder)):
            counts += await self._folders_of(above, start, inside)
        return counts

    async def _folders_of(self, above: str, start: str, inside: str) -> Counter[str]:
        rest = func.substr(_D.path, len(start) + 1)
        slash = (func.instr if self._database.is_sqlite else func.strpos)(rest, "/")
        name = func.substr(rest, 1, slash - 1).label("name")
        # What lies in the folder itself is in none of those in it.
        its = path_begins(start, is_sqlite=self._database.is_sqlite)
        counted = select(name, _IMAGES).where(_D.gone_at.is_(None), _D.folder == above, its, slash > 0).group_by(name)
        return Counter({inside + row.name: row.images for row in await self._database.fetch(counted)})


def _named(counts: Counter[str]) -> list[Facet]:
    return [Facet(value, count) for value, count in sorted(counts.items())[:VALUES_MOST]]


def _ranked(counts: Counter[str]) -> list[Facet]:
    found = [Facet(value, count) for value, count in counts.items()]
    return sorted(found, key=lambda facet: (-facet.count, facet.value))[:VALUES_MOST]
