"""Descriptions by hand: they stay, nothing is lost, and whoever wants them made anew says so."""

import pytest

from daemons.database import Database
from daemons.errors import Conflict, ErrorInfo, Invalid, NotFound
from daemons.events import ItemChanged
from daemons.workflows.describe.keeper import (
    Again,
    DescriptionFilter,
    DescriptionKeeper,
    FileStamp,
    Finding,
    StaleDescription,
    UnknownDescription,
    Way,
    record,
)
from tests.engine_deck import keeper_tools
from tests.fake_clock import FakeClock
from tests.recorder import Recorder

WAY = Way(b"/photos", "basic")
SMOL = Way(b"/photos", "vision", "smol")


@pytest.fixture
def keeper(database: Database, clock: FakeClock) -> DescriptionKeeper:
    return DescriptionKeeper(keeper_tools(database, clock))


async def describe(
    database: Database, path: bytes, text: str | None, *, way: Way = WAY, size: int = 1, asked: bool = False
) -> None:
    error = None if text else ErrorInfo("ERR_IMAGE_EMPTY", "It is empty.", None, None)
    finding = Finding(FileStamp(path, size, 2), 0.1, facts={"width": size}, description=text, error=error)
    await database.write(lambda tx: record(tx, way, finding, "job", asked=asked))


async def only_id(keeper: DescriptionKeeper) -> str:
    [item] = (await keeper.list()).items
    return str(item.id)


async def test_words_by_hand_stay_when_the_file_is_described_anew_until_somebody_asks(
    database: Database, keeper: DescriptionKeeper
) -> None:
    await describe(database, b"a.jpg", "A dog.")
    id = await only_id(keeper)
    edited = await keeper.edit(id, "  Rex, my dog.\nIn 2019. ", who="ana", revision=1)

    await describe(database, b"a.jpg", "A dog, larger.", size=5)
    kept = await keeper.get(id)
    await describe(database, b"a.jpg", None, size=6)
    unharmed = await keeper.get(id)
    await describe(database, b"a.jpg", "A dog again.", size=5, asked=True)
    detail = await keeper.detail(id)

    assert (edited.description, edited.origin, edited.edited_by) == ("Rex, my dog.\nIn 2019.", "hand", "ana")
    assert (kept.description, kept.edited_by, kept.facts) == ("Rex, my dog.\nIn 2019.", "ana", {"width": 5})
    assert (unharmed.state, unharmed.description, unharmed.facts) == ("done", kept.description, kept.facts)
    assert (detail.description.description, detail.description.origin) == ("A dog again.", "describer")
    assert [(one.description, one.origin, one.by) for one in detail.history] == [
        ("Rex, my dog.\nIn 2019.", "hand", "ana"),
        ("A dog.", "describer", None),
    ]


async def test_a_failure_can_be_described_by_hand_and_is_none_then(
    database: Database, keeper: DescriptionKeeper, events: Recorder
) -> None:
    await describe(database, b"a.jpg", None)
    id = await only_id(keeper)
    await events.next(ItemChanged)

    await keeper.edit(id, "A blank page. <b>ב</b>\u202e\0", who="ana")
    told = await events.next(ItemChanged)

    assert (told.data["state"], told.data["error"]) == ("done", None)
    assert "\u202e" not in told.data["description"]
    assert (await keeper.list(DescriptionFilter(["failed"]))).items == []
    with pytest.raises(Conflict, match="had failed"):
        await keeper.restore(id, 1, who="ana")


async def test_an_edit_of_what_is_no_more_is_refused_with_both_revisions(
    database: Database, keeper: DescriptionKeeper
) -> None:
    await describe(database, b"a.jpg", "A dog.")
    id = await only_id(keeper)
    await keeper.edit(id, "Rex.", who="ana", revision=1)

    with pytest.raises(StaleDescription) as refused:
        await keeper.edit(id, "Max.", who="ben", revision=1)

    assert (refused.value.expected, refused.value.actual) == (1, 2)
    assert (await keeper.edit(id, "Rex.", who="ben", revision=2)).edited_by == "ana"
    with pytest.raises(Invalid):
        await keeper.edit(id, " \n ", who="ana")
    with pytest.raises(UnknownDescription):
        await keeper.edit("nobody", "Rex.", who="ana")


async def test_earlier_words_can_be_said_again(database: Database, keeper: DescriptionKeeper) -> None:
    await describe(database, b"a.jpg", "A dog.")
    id = await only_id(keeper)
    await keeper.edit(id, "Rex.", who="ana")

    restored = await keeper.restore(id, 1, who="ben", revision=2)

    assert (restored.description, restored.edited_by, restored.revision) == ("A dog.", "ben", 3)
    with pytest.raises(NotFound, match="revision 9"):
        await keeper.restore(id, 9, who="ben")
    with pytest.raises(UnknownDescription):
        await keeper.restore("nobody", 1, who="ben")


async def test_others_are_those_of_the_same_file(database: Database, keeper: DescriptionKeeper) -> None:
    await describe(database, b"a.jpg", "A dog.")
    await describe(database, b"a.jpg", "A happy dog.", way=SMOL)
    await describe(database, b"b.jpg", "A cat.")
    [dog, *_] = (await keeper.list(DescriptionFilter(describers=["basic"], q="dog"))).items

    assert [other.description for other in (await keeper.detail(dog.id)).others] == ["A happy dog."]


async def test_files_are_described_again_in_jobs_of_one_way_each(database: Database, keeper: DescriptionKeeper) -> None:
    for number in range(3):
        await describe(database, f"{number}.jpg".encode(), "A dog.")
    await describe(database, b"0.jpg", "A dog.", way=SMOL)

    as_before = [redo async for redo in keeper.redo(Again(), chosen=DescriptionFilter(q="dog"))]
    by_another = [redo async for redo in keeper.redo(Again("local", "tiny", {"prompt": "What?"}))]
    [one] = (await keeper.list(DescriptionFilter(describers=["vision"]))).items
    single = [redo async for redo in keeper.redo(Again(), ids=[one.id, one.id, "nobody"])]

    assert [(redo.files, redo.order.args["describer"], redo.order.args["model"]) for redo in as_before] == [
        (1, "vision", "smol"),
        (3, "basic", ""),
    ]
    [redo] = by_another
    assert (redo.files, redo.order.args["prompt"], redo.order.args["again"]) == (3, "What?", True)
    assert [redo.files for redo in single] == [1]
