"""Files of records come in by a call or a form: each row for itself, hostile ones are refused with line and code."""

import asyncio
import json
import re
from typing import Any

import httpx2
import pytest

from daemons.clock import SystemClock
from daemons.service import Service
from tests.web.toy_ladder import ASKING, NEW, keeper_of
from web.security import BODY_BYTES

CSV = "text/csv; charset=utf-8"
LINES = "application/x-ndjson"
IN_TOYS = "?ladder=toys"
EVIL = "<script>alert(1)</script>"


async def bring(
    program: httpx2.AsyncClient,
    content: str | bytes,
    kind: str = CSV,
    query: str = "?ladder=toys",
    *,
    status: int = 200,
) -> dict[str, Any]:
    answer = await program.post(
        f"/api/records/import{query}", content=content, headers={"Content-Type": kind}, timeout=60
    )
    assert answer.status_code == status, answer.text
    return dict(answer.json())


def codes(told: dict[str, Any]) -> list[tuple[int, str]]:
    return [(one["line"], one["code"]) for one in told["refused"]]


async def test_a_csv_makes_records_and_the_same_again_changes_nothing(
    program: httpx2.AsyncClient, service: Service
) -> None:
    file = (
        "Source;Title;Status;Code;Year;Keywords;Place\r\n"
        f"/toys/ship.jpg;A ship;{ASKING};S-1;1907;ice; boats\r\n"
        '/toys/barn.jpg;;;;;"ice, boats";=cmd|/c calc\r\n'
        '/toys/yard.jpg;;;;1920;"[""a;b"", ""c""]";\r\n'
    ).replace("ice; boats", '"ice; boats";Kiel')

    first = await bring(program, file)
    again = await bring(program, file)

    assert first == {"added": 3, "known": 0, "refused": [], "refused_total": 0}
    assert again == {"added": 0, "known": 3, "refused": [], "refused_total": 0}
    ship, barn, yard = [await keeper_of(service).get(code) for code in ("S-1", "TO0001", "TO0002")]
    assert (ship.title, ship.status) == ("A ship", ASKING)
    assert ship.fields == {"year": 1907, "keywords": ["ice", "boats"], "place": "Kiel"}
    assert (barn.title, barn.status) == ("barn.jpg", NEW)
    assert barn.fields == {"keywords": ["ice", "boats"], "place": "=cmd|/c calc"}
    assert yard.fields["keywords"] == ["a;b", "c"]
    assert ship.provenance["year"]["by"]


async def test_a_list_and_lines_of_json_keep_their_types(program: httpx2.AsyncClient, service: Service) -> None:
    rows = [{"source": f"/toys/{n}.jpg", "ladder": "toys", "year": 1900 + n, "keywords": ["a, b"]} for n in range(4)]

    listed = await bring(program, json.dumps(rows[:2]), "application/json", "")
    lines = await bring(program, "\n".join(map(json.dumps, rows[2:])), LINES, "")

    assert (listed["added"], lines["added"]) == (2, 2)
    assert (await keeper_of(service).get("TO0004")).fields == {"year": 1903, "keywords": ["a, b"]}


async def test_what_is_refused_stops_nothing(program: httpx2.AsyncClient, service: Service) -> None:
    rows = [
        "source,ladder,status,code,year,place,sha256",
        "/toys/1.jpg,,,A,,,",
        ",,,,,Kiel,",
        "/toys/2.jpg,nowhere,,,,,",
        "/toys/3.jpg,,9 - Nowhere,,,,",
        "/toys/4.jpg,,,A,,,",
        "/toys/5.jpg,,,,soon,,",
        f"/toys/6.jpg,,,,,{'x' * 300},",
        "/toys/7.jpg,,,,,,0",
        '/toys/8.jpg,"',
        "/toys/9.jpg,,,B,,,",
    ]

    looked = await bring(program, "\n".join(rows), query="?ladder=toys&dry_run=true")
    nothing = await program.get("/api/records")
    told = await bring(program, "\n".join(rows))
    without = await bring(program, "source\n/toys/x.jpg", query="")

    assert codes(told) == [
        (3, "ERR_NO_SOURCE"),
        (4, "ERR_UNKNOWN_LADDER"),
        (5, "ERR_UNKNOWN_STATUS"),
        (6, "ERR_CODE_TAKEN"),
        (7, "ERR_INVALID_FIELDS"),
        (8, "ERR_INVALID_FIELDS"),
        (9, "ERR_UNKNOWN_NAME"),
        (10, "ERR_BAD_QUOTES"),
    ]
    assert (told["added"], told["refused_total"]) == (2, 8)
    assert looked == told
    assert nothing.json()["items"] == []
    assert "year" in told["refused"][4]["message"]
    assert "A person may write" in told["refused"][6]["message"]
    assert codes(without) == [(2, "ERR_NO_LADDER")]
    await bring(program, "source\n/toys/x.jpg", query="?ladder=nowhere", status=422)
    await bring(program, "source\n/toys/x.jpg", query="?ladders=toys", status=422)


async def test_of_many_that_are_refused_the_first_hundred_are_told(program: httpx2.AsyncClient) -> None:
    file = "source,status\n" + "/toys/a.jpg,nowhere\n" * 150

    told = await bring(program, file)

    assert (told["refused_total"], [one["line"] for one in told["refused"]]) == (150, [*range(2, 102)])


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b"source\n/t\xf6ys.jpg\n", CSV, 422, "ERR_NOT_UTF8"),
        ("source\n/toys.jpg\n".encode("utf-16"), CSV, 422, "ERR_NOT_UTF8"),
        (b"", CSV, 422, "ERR_NO_ROWS"),
        (b"{}", "application/json", 422, "ERR_INVALID_JSON"),
        (b"[" * 100_000, "application/json", 422, "ERR_INVALID_JSON"),
        (b"source\n" + b"a\n" * 20_001, CSV, 422, "ERR_TOO_MANY_ROWS"),
        (b"source\n/toys.jpg\n", "text/plain", 415, "ERR_CONTENT_TYPE"),
        (b"source\n/toys.jpg\n", "", 415, "ERR_CONTENT_TYPE"),
        (b"a=b", "application/x-www-form-urlencoded", 415, "ERR_CONTENT_TYPE"),
        (b"x" * (BODY_BYTES + 1), CSV, 413, "ERR_BODY_TOO_LARGE"),
    ],
)
async def test_what_is_no_such_file_is_refused_whole(
    program: httpx2.AsyncClient, content: bytes, kind: str, status: int, code: str
) -> None:
    told = await bring(program, content, kind, status=status)

    assert told["error"]["code"] == code


async def test_a_step_finds_nothing_that_a_file_made_up(program: httpx2.AsyncClient) -> None:
    rows = [
        {"source": "/toys/a.jpg", name: "/etc/passwd"} for name in ("library_path", "thumbnail", "sha256", "parent")
    ]

    told = await bring(program, json.dumps(rows), "application/json")

    assert {one["code"] for one in told["refused"]} == {"ERR_UNKNOWN_NAME"}
    assert (told["added"], told["refused_total"]) == (0, 4)


async def test_texts_that_no_database_takes_are_refused_wherever_they_hide(program: httpx2.AsyncClient) -> None:
    told = await bring(program, 'source,keywords\n/toys/a.jpg,"[""a\\u0000b""]"\n/toys/b.jpg,"[""\\ud800""]"\n')

    assert told["refused_total"] == 2


async def test_ten_thousand_rows_come_in_while_others_are_answered(program: httpx2.AsyncClient) -> None:
    file = "source,title,year\n" + "".join(f"/toys/{at}.jpg,Toy {at},1907\n" for at in range(10_000))
    clock, longest = SystemClock(), 0.0

    importing = asyncio.create_task(bring(program, file))
    while not importing.done():
        begin = clock.monotonic()
        await asyncio.sleep(0)
        longest = max(longest, clock.monotonic() - begin)

    assert (await importing)["added"] == 10_000
    assert longest < 1, f"everybody waited {longest:.1f} s"


async def test_the_form_takes_a_file_without_scripts(browser: httpx2.AsyncClient, service: Service) -> None:
    page = (await browser.get("/records/import?ladder=toys")).text
    file = {"file": ("toys.csv", f"source,status\n/toys/1.jpg,\n/toys/2.jpg,{EVIL}\n".encode(), "text/csv")}

    looked = await browser.post("/records/import", files=file, data={"ladder": "toys", "command": "look"})
    nothing = await browser.get("/api/records")
    done = await browser.post("/records/import", files=file, data={"ladder": "toys", "command": "import"})

    assert 'enctype="multipart/form-data"' in page
    assert '<option value="toys" selected>' in page
    assert "keywords" in page
    assert '<a href="/records/import?ladder=toys">' in (await browser.get("/records?ladder=toys")).text
    assert (looked.status_code, done.status_code) == (200, 200)
    assert ("1 would be added" in looked.text, "1 added" in done.text, "1 refused" in done.text) == (True,) * 3
    assert "ERR_UNKNOWN_STATUS" in done.text
    assert EVIL not in done.text
    assert nothing.json()["items"] == []
    assert [one["source"] for one in (await browser.get("/api/records")).json()["items"]] == ["/toys/1.jpg"]


async def test_what_the_form_cannot_take_is_told_beside_it(browser: httpx2.AsyncClient) -> None:
    wrong = await browser.post(
        "/records/import", files={"file": ("a.csv", b"name\nx\n")}, data={"ladder": "toys", "command": "import"}
    )
    empty = await browser.post("/records/import", files={"file": ("", b"")}, data={"command": "import"})

    assert (wrong.status_code, empty.status_code) == (422, 422)
    assert re.search(r'role="alert">.*ERR_NO_SOURCE', wrong.text)
    assert 'name="file"' in wrong.text
    for given in ({"x": "1"}, {"command": "burn"}, {"file": "typed"}, {"ladder": "nowhere"}):
        answer = await browser.post("/records/import", files={"file": ("a.csv", b"source\nx\n")}, data=given)
        assert answer.status_code == 422, given
    assert (await browser.post("/records/import", data={"command": "import"})).status_code == 422
    two = [("file", ("a.csv", b"source\nx\n")), ("file", ("b.csv", b"source\ny\n"))]
    assert (await browser.post("/records/import", files=two)).status_code < 500


async def test_who_may_only_look_imports_nothing(onlooker: httpx2.AsyncClient) -> None:
    called = await onlooker.post("/api/records/import", content="source\nx\n", headers={"Content-Type": "text/csv"})
    posted = await onlooker.post("/records/import", files={"file": ("a.csv", b"source\nx\n")})

    assert (called.status_code, posted.status_code) == (403, 403)
    assert 'name="file"' not in (await onlooker.get("/records/import")).text
