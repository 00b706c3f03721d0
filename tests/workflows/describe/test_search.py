"""Finding descriptions by what people type and by what is known of them, on both kinds of database."""

from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from daemons.database import Database
from daemons.database.transaction import Transaction
from daemons.errors import ErrorInfo, Invalid, UnknownName
from daemons.workflows.describe.keeper import (
    DescriptionFilter,
    DescriptionKeeper,
    FileStamp,
    Finding,
    Way,
    record,
)
from daemons.workflows.describe.tables import DescriptionTable
from tests.engine_deck import keeper_tools
from tests.fake_clock import FakeClock

WAY = Way(b"/photos", "basic")

_D = DescriptionTable.__table__.c


@pytest.fixture
def keeper(database: Database, clock: FakeClock) -> DescriptionKeeper:
    return DescriptionKeeper(keeper_tools(database, clock))


async def describe(
    database: Database,
    path: str,
    text: str | None = "A picture.",
    *,
    way: Way = WAY,
    facts: dict[str, Any] | None = None,
    **values: Any,
) -> None:
    """Have a file described, then set columns that describing does not set."""
    error = None if text is not None else ErrorInfo(values.pop("code"), "It is broken.", None, None)
    finding = Finding(FileStamp(path.encode(), 1, 2), 0.1, facts=facts, description=text, error=error)

    def unit(tx: Transaction) -> None:
        record(tx, way, finding, None)
        if values:
            tx.execute(update(DescriptionTable).where(_D.digest == way.digest(path.encode())).values(**values))

    await database.write(unit)


async def found(keeper: DescriptionKeeper, **chosen: Any) -> list[str]:
    return [item.path for item in (await keeper.list(DescriptionFilter(**chosen))).items]


WORDS = {
    "bea": ["Café/IMG_1234.jpg"],
    "BEACH dog": ["Café/IMG_1234.jpg"],
    "beach cat": [],
    "cafe": ["Café/IMG_1234.jpg"],
    "CAFÉ": ["Café/IMG_1234.jpg"],
    "img_12": ["Café/IMG_1234.jpg"],
    "1234.jpg": ["Café/IMG_1234.jpg"],
    '"red car"': ["b/2.png"],
    '"car red"': [],
    '"red ca"': [],
    "a -dog": ["b/2.png"],
    "-dog": ["空/3.gif", "b/2.png"],
    '-"red car" -空': ["Café/IMG_1234.jpg"],
    "dont": [],
    "don't": ["b/2.png"],
    "한국": ["空/3.gif"],
    "wet-look": ["b/2.png"],
    "   ": ["空/3.gif", "b/2.png", "Café/IMG_1234.jpg"],
    "*": [],
    "🎉": [],
}


async def test_words_are_looked_for_as_people_mean_them(database: Database, keeper: DescriptionKeeper) -> None:
    await describe(database, "Café/IMG_1234.jpg", "A dog at the beach.")
    await describe(database, "b/2.png", "A red car, wet-look. Don't touch!")
    await describe(database, "空/3.gif", "한국어 <b>50 %</b>")

    assert {q: await found(keeper, q=q) for q in WORDS} == WORDS


async def test_what_is_written_anew_is_found_by_its_new_words_alone(
    database: Database, keeper: DescriptionKeeper
) -> None:
    await describe(database, "a.jpg", "A dog.")
    await describe(database, "a.jpg", "A cat.")

    assert await found(keeper, q="cat") == ["a.jpg"]
    assert await found(keeper, q="dog") == []


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    q=st.text(max_size=30)
    | st.lists(
        st.sampled_from(["NEAR(", "AND", "OR", "NOT", "*", '"', "'", "\\", ":", "^", "{a}", "-", "--", "\0", "&", "a"])
    ).map(" ".join)
)
async def test_whatever_is_typed_finds_something_or_nothing(
    database: Database, keeper: DescriptionKeeper, q: str
) -> None:
    await keeper.list(DescriptionFilter(q=q))


async def test_too_many_words_are_refused(keeper: DescriptionKeeper) -> None:
    with pytest.raises(Invalid, match="50 words"):
        await keeper.list(DescriptionFilter(q="a " * 51))


async def test_every_condition_narrows_the_list(database: Database, keeper: DescriptionKeeper) -> None:
    teal = {"palette": [{"name": "teal", "hex": "#0f7f80", "share": 0.9}], "taken_at": "2021-05-01T23:30:00"}
    await describe(database, "a.jpg", facts=teal)
    await describe(database, "b.jpg", None, code="ERR_IMAGE_TRUNCATED")
    await describe(database, "c.jpg", way=Way(b"/photos", "vision", "smol"), finish="length")
    await describe(database, "d.jpg", origin="hand")

    assert await found(keeper, states=["failed"]) == ["b.jpg"]
    assert await found(keeper, describers=["vision", "local"]) == ["c.jpg"]
    assert await found(keeper, models=["smol"]) == ["c.jpg"]
    assert await found(keeper, colours=["teal", "red"]) == ["a.jpg"]
    assert await found(keeper, codes=["ERR_IMAGE_TRUNCATED"]) == ["b.jpg"]
    assert await found(keeper, codes=["ERR_OTHER"]) == []
    assert await found(keeper, finishes=["length"]) == ["c.jpg"]
    assert await found(keeper, edited=True) == ["d.jpg"]
    assert await found(keeper, edited=False, states=["done"], describers=["basic"]) == ["a.jpg"]
    assert await found(keeper, taken_after=date(2021, 5, 1), taken_before=date(2021, 5, 2)) == ["a.jpg"]
    assert await found(keeper, taken_after=date(2021, 5, 2)) == []


async def test_files_that_are_gone_are_shown_on_request(
    database: Database, keeper: DescriptionKeeper, clock: FakeClock
) -> None:
    await describe(database, "here.jpg")
    await describe(database, "gone.jpg", gone_at=clock.now())

    assert await found(keeper) == ["here.jpg"]
    assert await found(keeper, gone="yes") == ["gone.jpg"]
    assert await found(keeper, gone="all") == ["gone.jpg", "here.jpg"]


FOLDERS = {
    "/photos": ["2/b/3.jpg", "2/2.jpg", "1.jpg"],
    "/photos/": ["2/b/3.jpg", "2/2.jpg", "1.jpg"],
    "/photos/2": ["2/b/3.jpg", "2/2.jpg"],
    "/photos/2/b": ["2/b/3.jpg"],
    "/photos/2/b/3.jpg": [],
    "/photos/2/": ["2/b/3.jpg", "2/2.jpg"],
    "/pho": [],
    "/": ["4.jpg", "2/b/3.jpg", "2/2.jpg", "1.jpg"],
    "/photos%": [],
    "photos": [],
    "": ["4.jpg", "2/b/3.jpg", "2/2.jpg", "1.jpg"],
}


async def test_a_folder_means_all_below_whoever_describes_it(database: Database, keeper: DescriptionKeeper) -> None:
    for path in ("1.jpg", "2/2.jpg", "2/b/3.jpg"):
        await describe(database, path)
    await describe(database, "4.jpg", way=Way(b"/photos 2", "basic"))

    assert {folder: await found(keeper, folder=folder) for folder in FOLDERS} == FOLDERS


async def test_what_there_is_not_is_refused_by_name(keeper: DescriptionKeeper) -> None:
    wrong: dict[str, dict[str, Any]] = {
        "lost": {"states": ["lost"]},
        "blurple": {"colours": ["blurple"]},
        "never": {"finishes": ["never"]},
        "maybe": {"gone": "maybe"},
    }
    for named, chosen in wrong.items():
        with pytest.raises(UnknownName, match=named):
            await found(keeper, **chosen)
