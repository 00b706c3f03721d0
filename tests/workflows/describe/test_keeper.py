"""The keeper of descriptions: one row a file and way, found by any bytes, listed page by page."""

import pytest
from sqlalchemy import select

from daemons.database import Database
from daemons.errors import ErrorInfo, Invalid, UnknownName
from daemons.events import ItemChanged
from daemons.values import JsonValue
from daemons.workflows.describe.keeper import (
    DescriptionFilter,
    DescriptionKeeper,
    FileStamp,
    Finding,
    UnknownDescription,
    Way,
    record,
)
from daemons.workflows.describe.tables import DescriptionTable, DescriptionVersionTable
from tests.engine_deck import keeper_tools
from tests.fake_clock import FakeClock
from tests.recorder import Recorder

WAY = Way(b"/pictures", "basic")


@pytest.fixture
def keeper(database: Database, clock: FakeClock) -> DescriptionKeeper:
    return DescriptionKeeper(keeper_tools(database, clock))


async def describe(database: Database, stamp: FileStamp, way: Way = WAY, text: str = "A picture.") -> None:
    finding = Finding(stamp, 0.1, "0" * 64, {"format": "JPEG"}, text)
    await database.write(lambda tx: record(tx, way, finding, "job-1"))


async def test_a_described_file_is_not_described_again(database: Database, keeper: DescriptionKeeper) -> None:
    stamp = FileStamp(b"a.jpg", 10, 20)
    await describe(database, stamp)

    assert await keeper.folder(WAY).not_yet_described([stamp, FileStamp(b"b.jpg", 10, 20)]) == [
        FileStamp(b"b.jpg", 10, 20)
    ]


@pytest.mark.parametrize("changed", [FileStamp(b"a.jpg", 11, 20), FileStamp(b"a.jpg", 10, 21)])
async def test_a_changed_file_is_described_again_in_the_same_row(
    database: Database, keeper: DescriptionKeeper, changed: FileStamp
) -> None:
    await describe(database, FileStamp(b"a.jpg", 10, 20))

    assert await keeper.folder(WAY).not_yet_described([changed]) == [changed]
    await describe(database, changed, text="Another picture.")

    assert [item.description for item in (await keeper.list()).items] == ["Another picture."]


async def test_another_describer_is_another_description(database: Database, keeper: DescriptionKeeper) -> None:
    stamp = FileStamp(b"a.jpg", 10, 20)
    await describe(database, stamp)

    assert await keeper.folder(Way(b"/pictures", "vision", "tiny")).not_yet_described([stamp]) == [stamp]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (b"new\nline.jpg", "new⏎line.jpg"),
        (b"-rf", "-rf"),
        (b"bad\xff.jpg", "bad\\xff.jpg"),
        (b"x" * 4000 + b".jpg", "x" * 4000 + ".jpg"),
    ],
)
async def test_any_name_is_kept_and_shown(
    database: Database, keeper: DescriptionKeeper, path: bytes, shown: str
) -> None:
    stamp = FileStamp(path, 1, 2)
    await describe(database, stamp)

    assert await keeper.folder(WAY).not_yet_described([stamp]) == []
    assert [item.path for item in (await keeper.list()).items] == [shown]


async def test_a_failure_is_told_with_its_code(database: Database, keeper: DescriptionKeeper, events: Recorder) -> None:
    error = ErrorInfo("ERR_IMAGE_TRUNCATED", "It is cut off.", None, "Copy it again.")
    finding = Finding(FileStamp(b"a.jpg", 1, 2), 0.1, error=error)
    await database.write(lambda tx: record(tx, WAY, finding, "job-1"))

    told = await events.next(ItemChanged)

    assert (told.data["state"], told.data["error"]) == ("failed", error.as_dict())
    assert (await keeper.get(told.id)).error == error


async def test_a_list_is_paged_newest_first_and_filtered(database: Database, keeper: DescriptionKeeper) -> None:
    for number in range(5):
        await describe(database, FileStamp(f"{number}.jpg".encode(), 1, 2), text=f"Number {number} of 100%.")

    first = await keeper.list(limit=3)
    rest = await keeper.list(limit=3, before=int(first.next or 0))

    assert [item.path for item in first.items] == ["4.jpg", "3.jpg", "2.jpg"]
    assert ([item.path for item in rest.items], rest.next) == (["1.jpg", "0.jpg"], None)
    assert (await keeper.list(DescriptionFilter(["failed"]))).items == []


async def test_what_does_not_exist_is_refused_by_name(keeper: DescriptionKeeper) -> None:
    with pytest.raises(UnknownName, match="lost"):
        await keeper.list(DescriptionFilter(["lost"]))
    with pytest.raises(Invalid):
        await keeper.list(limit=0)
    with pytest.raises(UnknownDescription):
        await keeper.get("nobody")


async def test_what_a_description_said_before_is_kept_as_a_version(database: Database) -> None:
    stamp = FileStamp(b"a.jpg", 10, 20)
    await describe(database, stamp, text="First.")
    await describe(database, stamp, text="Second.")
    await describe(database, stamp, text="Third.")

    versions = DescriptionVersionTable.__table__.c
    rows = await database.fetch(select(versions.revision, versions.description).order_by(versions.id))

    assert [tuple(row) for row in rows] == [(1, "First."), (2, "Second.")]


async def test_facts_can_be_searched_by(database: Database) -> None:
    facts: dict[str, JsonValue] = {
        "taken_at": "2021-05-01T10:00:00",
        "perceptual_hash": "ffffffffffffffff",
        "palette": [{"name": "teal", "hex": "#008080", "share": 0.6}, {"name": "grey", "hex": "#808080", "share": 0.2}],
    }
    finding = Finding(FileStamp(b"a.jpg", 10, 20), 0.1, "0" * 64, facts, "A picture.")
    await database.write(lambda tx: record(tx, WAY, finding, None))

    known = DescriptionTable.__table__.c
    [row] = await database.fetch(select(known.taken_at, known.colour, known.perceptual_hash, known.file_digest))

    assert tuple(row) == ("2021-05-01T10:00:00", "teal", -1, WAY.file_digest(b"a.jpg"))
