"""Images that look alike, by their perceptual hashes: those like one, and all groups of them."""

import asyncio
import json
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import ColumnElement, String, cast, func, select

from daemons.clock import Clock
from daemons.database import Database
from daemons.errors import Conflict, Invalid
from daemons.kept import Kept
from daemons.values import JsonValue, Page
from daemons.workflows.describe.keeper.descriptions import Description, unknown_description
from daemons.workflows.describe.keeper.filters import IS_THERE
from daemons.workflows.describe.keeper.likeness import GROUP_DISTANCE_MOST, groups, nearest
from daemons.workflows.describe.tables import DescriptionTable

DISTANCE = 10
DISTANCE_MOST = 20
"""Of 64 bits: pictures without anything in common differ in about 32."""
GROUP_DISTANCE = 4
SHOWN_OF_A_GROUP = 12
CANDIDATES_MOST = 10_000
LOOKS_SECONDS = 15.0
GROUPS_SECONDS = 60.0
_READ_AT_ONCE = 20_000
_ASKED_AT_ONCE = 500
_ALL_BITS = (1 << 64) - 1

_D = DescriptionTable.__table__.c


@dataclass(frozen=True, slots=True)
class Looks:
    """What all images that are there look like: the number of each one's description, its hash, which file it is."""

    numbers: "array[int]"
    spots: "array[int]"
    files: "array[int]"


@dataclass(frozen=True, slots=True)
class Group:
    """Images that look alike: how many, and the first of them."""

    count: int
    items: Sequence[Description]

    def as_dict(self) -> dict[str, JsonValue]:
        return {"count": self.count, "items": [item.as_dict() for item in self.items]}


@dataclass(frozen=True, slots=True)
class _Groups:
    chains: Sequence[Sequence[int]]
    """Numbers of descriptions, one a file."""
    as_of: datetime


class SimilarImages:
    """Finds images that look alike. What it knows of them is up to a minute old."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._looks: Kept[Looks] = Kept(clock, LOOKS_SECONDS)
        self._groups: Kept[_Groups] = Kept(clock, GROUPS_SECONDS)

    async def like(
        self,
        description_id: str,
        conditions: Sequence[ColumnElement[bool]],
        *,
        distance: int = DISTANCE,
        after: tuple[int, int] | None = None,
        limit: int,
    ) -> Page:
        """Return images like one that meet the conditions, nearest first, of the same newest first.

        `after`: distance and number of the last one seen; `next` is that of this page, between a dot.
        Raises UnknownDescription, Conflict for an image that could not be looked at, Invalid.
        """
        _check(distance, DISTANCE_MOST)
        wanted = await self._database.fetch_one(
            select(_D.perceptual_hash, _D.file_digest).where(_D.id == description_id)
        )
        if wanted is None:
            raise unknown_description(description_id)
        if wanted.perceptual_hash is None:
            raise Conflict("Nobody knows what that image looks like.", code="ERR_NO_LOOKS")
        looks = await self._looks.get(None, self._look)
        near = await asyncio.to_thread(nearest, looks.spots, wanted.perceptual_hash & _ALL_BITS, distance)
        left = [(bits, looks.numbers[at]) for bits, at in near[:CANDIDATES_MOST]]
        if after is not None:
            left = [(bits, number) for bits, number in left if (bits, -number) > (after[0], -after[1])]
        others = (*conditions, _D.file_digest != wanted.file_digest)
        return await self._page(left, others, limit)

    async def groups(self, *, distance: int = GROUP_DISTANCE, after: tuple[int, int] | None = None, limit: int) -> Page:
        """Return groups of files whose images look alike, the largest first; `after` and `next` as in `like`.

        Raises Invalid.
        """
        _check(distance, GROUP_DISTANCE_MOST)
        known = await self._groups.get(distance, lambda: self._group(distance))
        chains = known.chains
        if after is not None:
            chains = [chain for chain in chains if (-len(chain), -chain[0]) > (-after[0], -after[1])]
        wanted = [number for chain in chains[:limit] for number in chain[:SHOWN_OF_A_GROUP]]
        found = await self._described(wanted, ())
        shown = [
            Group(len(chain), [found[number] for number in chain[:SHOWN_OF_A_GROUP] if number in found])
            for chain in chains[:limit]
        ]
        last = chains[limit - 1] if len(chains) > limit else None
        return Page(shown, f"{len(last)}.{last[0]}" if last else None)

    async def _look(self) -> Looks:
        looks = Looks(array("q"), array("Q"), array("Q"))
        page = select(_D.number, _D.perceptual_hash, func.substr(_D.file_digest, 1, 16).label("file"))
        page = page.where(_D.perceptual_hash.is_not(None), IS_THERE, _D.file_digest.is_not(None))
        # Handed over as one text a column: as rows they would take three times as long.
        together = func.json_group_array if self._database.is_sqlite else func.json_agg
        last: int | None = 0
        while last is not None:
            some = page.where(_D.number > last).order_by(_D.number).limit(_READ_AT_ONCE).subquery()
            numbers, spots, files = (cast(together(column), String) for column in some.c)
            [row] = await self._database.fetch(select(func.max(some.c.number), numbers, spots, files))
            last, *texts = tuple(row)
            if last is not None:
                await asyncio.to_thread(_add, looks, *texts)
        return looks

    async def _group(self, distance: int) -> _Groups:
        now = self._clock.now()
        looks = await self._looks.get(None, self._look)
        return _Groups(await asyncio.to_thread(_chains, looks, distance), now)

    async def _page(
        self, left: Sequence[tuple[int, int]], conditions: Sequence[ColumnElement[bool]], limit: int
    ) -> Page:
        shown: list[Description] = []
        last = (0, 0)
        for at in range(0, len(left), _ASKED_AT_ONCE):
            some = left[at : at + _ASKED_AT_ONCE]
            found = await self._described([number for _, number in some], conditions)
            for bits, number in some:
                if number not in found:
                    continue
                if len(shown) == limit:
                    return Page(shown, f"{last[0]}.{last[1]}")
                shown.append(replace(found[number], distance=bits))
                last = (bits, number)
        return Page(shown, None)

    async def _described(
        self, numbers: Sequence[int], conditions: Sequence[ColumnElement[bool]]
    ) -> dict[int, Description]:
        found: dict[int, Description] = {}
        for at in range(0, len(numbers), _ASKED_AT_ONCE):
            some = select(*_D).where(_D.number.in_(numbers[at : at + _ASKED_AT_ONCE]), *conditions)
            found |= {row.number: Description.of(row) for row in await self._database.fetch(some)}
        return found


def _add(looks: Looks, numbers: str, spots: str, files: str) -> None:
    looks.numbers.extend(json.loads(numbers))
    looks.spots.extend(spot & _ALL_BITS for spot in json.loads(spots))
    looks.files.extend(int(file, 16) for file in json.loads(files))


def _chains(looks: Looks, distance: int) -> list["array[int]"]:
    # Of a file that was described in several ways the first one stands for all.
    first: dict[int, int] = {}
    for at, file in enumerate(looks.files):
        first.setdefault(file, at)
    places = list(first.values())
    chains = groups([looks.spots[at] for at in places], distance)
    return [array("q", [looks.numbers[places[at]] for at in chain]) for chain in chains]


def _check(distance: int, most: int) -> None:
    if not 0 <= distance <= most:
        raise Invalid(f"distance must be between 0 and {most}.", code="ERR_BAD_DISTANCE")
