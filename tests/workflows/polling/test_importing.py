"""Records that a file brings: added once, whoever else adds them; codes are kept where they are free."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from daemons.bus import Bus
from daemons.database import Database
from daemons.errors import Invalid
from daemons.events import ItemChanged
from daemons.workflows.polling.keeper import Brought, NewRecord, Record, RecordFilter, RecordKeeper, Row, brought_of
from daemons.workflows.polling.ladder import Ladder
from tests.engine_deck import keeper_tools
from tests.fake_clock import FakeClock
from tests.recorder import Recorder

NEW, TOP = "new", "top"
LADDERS = {
    name: Ladder(name, name, prefix, steps=(), statuses=(NEW, TOP), final=frozenset({TOP}))
    for name, prefix in (("things", "TH"), ("others", "OT"))
}


@pytest.fixture
def keeper(database: Database, clock: FakeClock, bus: Bus) -> RecordKeeper:
    return RecordKeeper(keeper_tools(database, clock, bus=bus), LADDERS)


def as_they_are(_ladder: Ladder, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    return fields


def brought(*rows: dict[str, Any]) -> list[Brought]:
    return [brought_of(LADDERS, Row(line, row), "things", as_they_are) for line, row in enumerate(rows, 2)]


async def bring(keeper: RecordKeeper, *rows: dict[str, Any], dry_run: bool = False) -> tuple[int, int, Sequence[Any]]:
    imported = await keeper.bring_in(brought(*rows), by="Ana", dry_run=dry_run)
    told = imported.as_dict()
    assert told["refused_total"] == len(told["refused"])
    return told["added"], told["known"], [(one["line"], one["code"]) for one in told["refused"]]


async def records(keeper: RecordKeeper) -> dict[str, Record]:
    page = await keeper.list(RecordFilter(), limit=500)
    return {record.source: record for record in reversed(page.items)}


async def test_what_a_file_brings_is_there_once_however_often_it_is_imported(
    keeper: RecordKeeper, events: Recorder
) -> None:
    rows = [
        {"source": "/a.jpg", "place": "Kiel", "year": 1907},
        {"file": "/photos//b/../c.jpg", "title": "Barn", "status": TOP, "code": "B-7"},
        {"source": "/a.jpg", "ladder": "others", "place": ""},
        {"source": "/a.jpg", "place": "Bremen"},
    ]

    first = await bring(keeper, *rows)
    made = await records(keeper)
    again = await bring(keeper, *rows)

    assert (first, again) == ((3, 1, []), (0, 4, []))
    assert made == await records(keeper)
    assert made["/photos/c.jpg"].code == "B-7"
    assert (made["/photos/c.jpg"].title, made["/photos/c.jpg"].status) == ("Barn", TOP)
    [mine] = [one for one in (await keeper.list(RecordFilter("things"))).items if one.source == "/a.jpg"]
    assert (mine.fields, mine.title, mine.status) == ({"place": "Kiel", "year": 1907}, "a.jpg", NEW)
    assert mine.provenance["place"]["by"] == "Ana"
    assert len(events.seen(ItemChanged)) == 3


async def test_a_dry_run_tells_the_same_and_writes_nothing(keeper: RecordKeeper) -> None:
    await bring(keeper, {"source": "/known.jpg", "code": "K"})
    rows: list[dict[str, Any]] = [{"source": f"/{at}.jpg"} for at in range(450)]
    rows += [{"source": "/known.jpg"}, {"source": "/x.jpg", "code": "K"}, {"source": "/y.jpg", "code": "Y"}]
    rows += [{"source": f"/{at}.jpg"} for at in range(450)]
    rows += [{"source": "/z.jpg", "code": "Y"}]
    before = await records(keeper)

    looked = await bring(keeper, *rows, dry_run=True)
    untouched = await records(keeper)
    done = await bring(keeper, *rows)

    assert looked == done == (451, 451, [(453, "ERR_CODE_TAKEN"), (905, "ERR_CODE_TAKEN")])
    assert untouched == before
    [next_one] = await keeper.add([NewRecord("things", NEW, "/next.jpg")], by="Ben")
    assert next_one.code == "TH0451"


async def test_a_code_that_the_file_gives_is_given_to_none_of_its_other_rows(keeper: RecordKeeper) -> None:
    rows: list[dict[str, Any]] = [{"source": f"/{at}.jpg"} for at in range(300)]
    rows += [{"source": "/first.jpg", "code": "TH0001"}, {"source": "/seventh.jpg", "code": "TH0007"}]
    rows += [{"source": "/foreign.jpg", "code": "OT0003"}]

    assert await bring(keeper, *rows) == (303, 0, [])

    [other] = await keeper.add([NewRecord("others", NEW, "/other.jpg")], by="Ben")
    [more] = await keeper.add([NewRecord("things", NEW, "/more.jpg")], by="Ben")
    assert ((await records(keeper))["/0.jpg"].code, more.code, other.code) == ("TH0008", "TH0308", "OT0004")
    assert (await keeper.get("TH0001")).source == "/first.jpg"


async def test_a_file_that_is_known_does_not_move_the_codes_on(keeper: RecordKeeper) -> None:
    await keeper.add([NewRecord("things", NEW, "/a.jpg")], by="Ben")

    assert await bring(keeper, {"source": "/a.jpg", "code": "TH5000"}) == (0, 1, [])

    [more] = await keeper.add([NewRecord("things", NEW, "/b.jpg")], by="Ben")
    assert more.code == "TH0002"


async def test_a_code_of_another_ladder_is_not_free(keeper: RecordKeeper) -> None:
    assert await bring(keeper, {"source": "/a.jpg", "code": "X", "ladder": "others"}) == (1, 0, [])

    assert await bring(keeper, {"source": "/b.jpg", "code": "X"}) == (0, 0, [(2, "ERR_CODE_TAKEN")])


async def test_whoever_else_adds_the_same_at_the_same_moment_breaks_nothing(keeper: RecordKeeper) -> None:
    sources = [f"/{at}.jpg" for at in range(400)]
    rows = brought(*({"source": source} for source in sources))
    coded = [Brought(one.line, replace(one.new, code=f"C{one.line}")) for one in reversed(rows)]

    results = await asyncio.gather(
        keeper.bring_in(rows, by="Ana"), keeper.bring_in(coded, by="Ben"), keeper.bring_in(rows, by="Cleo")
    )

    assert sum(one.added for one in results) == 400
    assert [one.added + one.known + len(one.refused) for one in results] == [400, 400, 400]
    assert {*(await records(keeper))} == {*sources}


REFUSED = [
    ({"place": "Kiel"}, "ERR_NO_SOURCE"),
    ({"source": " \t"}, "ERR_NO_SOURCE"),
    ({"source": None}, "ERR_NO_SOURCE"),
    ({"source": "/a.jpg", "file": "/b.jpg"}, "ERR_TWO_SOURCES"),
    ({"file": "a.jpg"}, "ERR_RELATIVE_PATH"),
    ({"file": "~/a.jpg"}, "ERR_RELATIVE_PATH"),
    ({"source": 7}, "ERR_BAD_TEXT"),
    ({"source": "/a.jpg", "title": ["x"]}, "ERR_BAD_TEXT"),
    ({"source": "x" * 4097}, "ERR_TOO_LARGE"),
    ({"source": "/a.jpg", "title": "x" * 256}, "ERR_TOO_LARGE"),
    ({"source": "/a.jpg", "place": "x" * 1_050_000}, "ERR_TOO_LARGE"),
    ({"source": "/a.jpg", "status": "9 - Nowhere"}, "ERR_UNKNOWN_STATUS"),
    ({"source": "/a.jpg", "ladder": "nowhere\u202e"}, "ERR_UNKNOWN_LADDER"),
    ({"source": "/a.jpg", "code": "../etc"}, "ERR_BAD_CODE"),
    ({"source": "/a.jpg", "code": ".."}, "ERR_BAD_CODE"),
    ({"source": "/a.jpg", "code": "x" * 33}, "ERR_BAD_CODE"),
    ({"source": "/a.jpg", "code": "a\u202eb"}, "ERR_BAD_CODE"),
    ({"source": "/a.jpg", "code": "TH1234567890"}, "ERR_BAD_CODE"),
    ({"source": "/a.jpg", "place": "a\0b"}, "ERR_BAD_TEXT"),
]


@pytest.mark.parametrize(("row", "code"), REFUSED, ids=list(map(str, range(len(REFUSED)))))
def test_what_can_be_no_record_says_why(row: dict[str, Any], code: str) -> None:
    with pytest.raises(Invalid) as error:
        brought(row)

    assert error.value.error_code == code


def test_without_a_ladder_there_is_no_record() -> None:
    with pytest.raises(Invalid, match=r"names no ladder"):
        brought_of(
            LADDERS,
            Row(
                2,
                {"source": "/a.jpg"},
            ),
            None,
            as_they_are,
        )


def test_a_file_is_called_what_a_drop_folder_calls_it() -> None:
    [one] = brought({"file": "//photos/./a\\b ü.jpg"})

    assert (one.new.source, one.new.title) == ("/photos/a\\\\b ü.jpg", "a\\\\b ü.jpg")
