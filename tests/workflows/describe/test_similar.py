"""Images that look alike, and what there is to choose from."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemons.database import Database
from daemons.errors import Conflict, ErrorInfo, Invalid
from daemons.workflows.describe.keeper import (
    DescriptionFilter,
    DescriptionKeeper,
    FileStamp,
    Finding,
    UnknownDescription,
    Way,
    record,
)
from daemons.workflows.describe.keeper.facets import FACETS_SECONDS, Facet
from daemons.workflows.describe.keeper.likeness import groups, nearest
from daemons.workflows.describe.keeper.similar import GROUPS_SECONDS
from tests.engine_deck import keeper_tools
from tests.fake_clock import FakeClock

WAY = Way(b"/photos", "basic")
SMOL = Way(b"/photos", "vision", "smol")
BASE = 0xF0F0_1234_5678_9ABC


@pytest.fixture
def keeper(database: Database, clock: FakeClock) -> DescriptionKeeper:
    return DescriptionKeeper(keeper_tools(database, clock))


async def describe(database: Database, path: str, spots: int | None, *, way: Way = WAY, colour: str = "teal") -> None:
    facts = {"perceptual_hash": f"{spots or 0:016x}", "palette": [{"name": colour, "hex": "#000000", "share": 1.0}]}
    error = None if spots is not None else ErrorInfo("ERR_IMAGE_EMPTY", "It is empty.", None, None)
    text = None if error else f"{path}."
    finding = Finding(
        FileStamp(path.encode(), 1, 2), 0.1, facts=None if error else facts, description=text, error=error
    )
    await database.write(lambda tx: record(tx, way, finding, None))


async def id_of(keeper: DescriptionKeeper, path: str) -> str:
    return next(item.id for item in (await keeper.list(DescriptionFilter(gone="all"))).items if item.path == path)


async def test_images_like_one_are_listed_nearest_first_in_pages(database: Database, keeper: DescriptionKeeper) -> None:
    for path, spots in {"one": BASE, "far": ~BASE & (1 << 64) - 1, "3 bits": BASE ^ 0b111, "same": BASE}.items():
        await describe(database, path, spots)
    await describe(database, "one", BASE, way=SMOL)
    await describe(database, "also same", BASE, colour="red")
    id = await id_of(keeper, "one")

    first = await keeper.similar(id, limit=2)
    bits, _, number = (first.next or "").partition(".")
    rest = await keeper.similar(id, limit=2, after=(int(bits), int(number)))

    assert [(item.path, item.distance) for item in first.items] == [("also same", 0), ("same", 0)]
    assert [(item.path, item.distance, rest.next) for item in rest.items] == [("3 bits", 3, None)]
    assert [item.path for item in (await keeper.similar(id, distance=2)).items] == ["also same", "same"]
    assert [item.path for item in (await keeper.similar(id, DescriptionFilter(colours=["red"]))).items] == ["also same"]


async def test_without_looks_nothing_is_like_it(database: Database, keeper: DescriptionKeeper) -> None:
    await describe(database, "broken", None)

    with pytest.raises(Conflict, match="looks like"):
        await keeper.similar(await id_of(keeper, "broken"))
    with pytest.raises(UnknownDescription):
        await keeper.similar("nobody")
    with pytest.raises(Invalid):
        await keeper.groups(distance=5)


async def test_files_that_look_alike_are_grouped_largest_group_first(
    database: Database, keeper: DescriptionKeeper, clock: FakeClock
) -> None:
    pairs = {"a": BASE, "b": BASE ^ 1, "c": BASE ^ 3 ^ 4, "alone": 0, "d": 0xAAAA << 40, "e": (0xAAAA << 40) ^ 1 << 63}
    for path, spots in pairs.items():
        await describe(database, path, spots)
        await describe(database, path, spots, way=SMOL)

    first = await keeper.groups(limit=1)
    size, _, number = (first.next or "").partition(".")
    rest = await keeper.groups(limit=1, after=(int(size), int(number)))
    await describe(database, "f", 0)
    early = await keeper.groups()
    await clock.advance(GROUPS_SECONDS)
    late = await keeper.groups()

    assert [(group.count, [item.path for item in group.items]) for group in first.items] == [(3, ["a", "b", "c"])]
    assert [([item.path for item in group.items], rest.next) for group in rest.items] == [(["d", "e"], None)]
    assert (len(early.items), len(late.items)) == (2, 3)


HASHES = st.lists(
    st.integers(0, 2**64 - 1) | st.builds(lambda a, b: BASE ^ (1 << a) ^ (1 << b), *[st.integers(0, 63)] * 2)
)


@settings(deadline=None)
@given(spots=HASHES, distance=st.integers(0, 4))
def test_groups_are_the_chains_of_all_pairs_that_are_alike(spots: list[int], distance: int) -> None:
    chains = [{at} for at in range(len(spots))]
    for one in range(len(spots)):
        for other in range(one):
            if (spots[one] ^ spots[other]).bit_count() <= distance:
                joined = chains[one] | chains[other]
                for at in joined:
                    chains[at] = joined
    expected = {frozenset(chain) for chain in chains if len(chain) > 1}

    assert {frozenset(chain) for chain in groups(spots, distance)} == expected


@given(spots=HASHES, wanted=st.integers(0, 2**64 - 1))
def test_the_nearest_are_those_with_the_fewest_other_bits(spots: list[int], wanted: int) -> None:
    found = nearest(spots, wanted, 30)

    assert found == sorted(found, key=lambda one: (one[0], -one[1]))
    assert {at for _, at in found} == {at for at, one in enumerate(spots) if (one ^ wanted).bit_count() <= 30}


def test_a_crowd_of_images_that_are_nearly_blank_takes_no_minutes() -> None:
    spots = [1 << a | 1 << b | 1 << c for a in range(30) for b in range(a) for c in range(b)]

    assert [len(chain) for chain in groups(spots, 4)] == [len(spots)]


async def test_of_one_folder_those_in_it_can_be_chosen(database: Database, keeper: DescriptionKeeper) -> None:
    for path in ("1.jpg", "2019 Alps/2.jpg", "2019 Alps/day 1/3.jpg", "2021/4.jpg"):
        await describe(database, path, 1)

    folders = (await keeper.facets.get()).folders

    assert folders == [Facet("/photos/2019 Alps", 2), Facet("/photos/2021", 1)]


async def test_what_can_be_chosen_is_told_with_how_many(
    database: Database, keeper: DescriptionKeeper, clock: FakeClock
) -> None:
    for path in ("1.jpg", "2/2.jpg", "2/b/3.jpg"):
        await describe(database, path, 1)
    await describe(database, "2/2.jpg", 1, way=SMOL, colour="red")
    await describe(database, "4.jpg", None, way=Way(b"/photos/2/c", "basic"))

    all = await keeper.facets.get()
    inside = await keeper.facets.get("/photos")
    below = await keeper.facets.get("/photos/2/")
    everything = await keeper.facets.get("/")

    assert (all.total, all.states) == (5, [Facet("done", 4), Facet("failed", 1)])
    assert all.describers == [Facet("basic", 4), Facet("vision", 1)]
    assert all.models == [Facet("", 4), Facet("smol", 1)]
    assert all.colours == [Facet("teal", 3), Facet("red", 1)]
    assert all.codes == [Facet("ERR_IMAGE_EMPTY", 1)]
    assert all.folders == [Facet("/photos", 4), Facet("/photos/2/c", 1)]
    assert (inside.total, inside.folders) == (5, [Facet("/photos/2", 4)])
    assert (below.total, below.folders) == (4, [Facet("/photos/2/b", 1), Facet("/photos/2/c", 1)])
    assert everything.folders == [Facet("/photos", 5)]
    await describe(database, "photos/2/d/5.jpg", 1, way=Way(b"/", "basic"))
    assert (await keeper.facets.get()).total == 5
    await clock.advance(FACETS_SECONDS)
    assert (await keeper.facets.get()).total == 6
    below = await keeper.facets.get("/photos/2")
    assert (below.total, below.folders) == (5, [Facet(f"/photos/2/{name}", 1) for name in "bcd"])
    assert below.codes == [Facet("ERR_IMAGE_EMPTY", 1)]
    assert (await keeper.facets.get("/")).folders == [Facet("/photos", 6)]
