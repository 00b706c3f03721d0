"""The stand-in for FileMaker keeps to the protocol: a client of others works with it, and fails where it should."""

import asyncio
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import fmrest
import pytest
from fmrest.exceptions import BadGatewayError, BadJSON, FileMakerError

from tests.fake_clock import FakeClock
from tests.fakes.filemaker import CERTIFICATE, DATABASE, IDLE_SECONDS, PASSWORD, USER, FileMakerServer, serving
from tests.fakes.filemaker_find import fits_criterion
from tests.fakes.filemaker_wire import fails
from tests.fakes.openai_server import answers

STATUS = "AutoLog_Status"


@pytest.fixture
async def server(clock: FakeClock) -> AsyncIterator[FileMakerServer]:
    """Serve an archive of stills over TLS."""
    async with serving(clock, with_tls=True) as server:
        server.table("Stills", "INFO_STILLS_ID", STATUS, "AI_DevConsole", Picture="Container", Year="Number")
        server.scripts["Echo"] = lambda given: (f"<{given}>", 0)
        server.scripts["Fail"] = lambda given: ("", 3)
        yield server


def independent(server: FileMakerServer, **settings: Any) -> fmrest.Server:
    """Return the client that is not ours."""
    given = {"user": USER, "password": PASSWORD, "database": DATABASE, "layout": "Stills", "api_version": "vLatest"}
    return fmrest.Server(server.url, **{**given, "verify_ssl": str(CERTIFICATE), **settings})


async def code_of(work: Any) -> int:
    """Return the code that a call of the independent client fails with."""
    with pytest.raises(FileMakerError) as failed:
        await asyncio.to_thread(work)
    return int(str(failed.value).partition("returned error ")[2].partition(",")[0])


async def test_an_independent_client_reads_and_writes(server: FileMakerServer) -> None:
    theirs = independent(server)

    def work() -> dict[str, Any]:
        with theirs:
            theirs.login()
            made = [
                theirs.create_record({"INFO_STILLS_ID": f"ST{n:04}", STATUS: "1 - Done", "Year": n}) for n in range(5)
            ]
            theirs.edit_record(made[0], {STATUS: "11 - Done"}, mod_id=0)
            theirs.upload_container(made[1], "Picture", BytesIO(b"a picture"))
            sort = [{"fieldName": "Year", "sortOrder": "descend"}]
            page = theirs.find([{STATUS: "==1 - Done"}], sort=sort, offset=2, limit=2)
            loose = theirs.find([{STATUS: "1 - Done"}])
            omitted = theirs.find([{"INFO_STILLS_ID": "*"}, {STATUS: "==11 - Done", "omit": "true"}])
            theirs.delete_record(made[4])
            return {
                "page": ([record.INFO_STILLS_ID for record in page], page.info["foundCount"]),
                "loose": len(list(loose)),
                "omitted": len(list(omitted)),
                "left": len(list(theirs.get_records())),
                "first": theirs.get_record(made[0]).to_dict(),
                "picture": theirs.get_record(made[1]).Picture,
                "script": theirs.perform_script("Echo", "word"),
                "failed": theirs.perform_script("Fail", "word"),
                "scripts": theirs.get_scripts(),
                "fields": [given["name"] for given in theirs.get_layout()],
            }

    told = await asyncio.to_thread(work)

    assert told["page"] == (["ST0003", "ST0002"], 4)
    assert (told["loose"], told["omitted"], told["left"]) == (5, 4, 4)
    assert (told["first"][STATUS], told["first"]["modId"]) == ("11 - Done", "1")
    assert "bytes=9" in told["picture"]
    assert (told["script"], told["failed"]) == ((0, "<word>"), (3, ""))
    assert told["scripts"][0]["name"] == "Echo" and told["fields"][0] == "INFO_STILLS_ID"
    assert server.sessions == {}


async def test_an_independent_client_fails_with_the_code_of_each_fault(server: FileMakerServer) -> None:
    theirs = independent(server)
    still = server.layouts["Stills"].table.add(INFO_STILLS_ID="ST0001")
    open_one = server.layouts["Stills"].table.add(INFO_STILLS_ID="ST0002")
    server.in_use.add(open_one.record_id)
    await asyncio.to_thread(theirs.login)

    faults = {
        101: lambda: theirs.get_record(77),
        102: lambda: theirs.edit_record(still.record_id, {"Nowhere": "x"}),
        104: lambda: theirs.perform_script("Nothing", "x"),
        105: lambda: theirs.get_records(request_layout="Nowhere"),
        301: lambda: theirs.edit_record(open_one.record_id, {STATUS: "x"}),
        306: lambda: theirs.edit_record(still.record_id, {STATUS: "x"}, mod_id=9),
        401: lambda: theirs.find([{STATUS: "==nothing"}]),
        960: lambda: theirs.find([{STATUS: "=="}], limit=0),
    }
    assert {code: await code_of(work) for code, work in faults.items()} == {code: code for code in faults}
    assert still.mod_id == 0

    server.none_found_status = 404
    assert await code_of(faults[401]) == 401
    server.quota = 10
    assert await code_of(theirs.get_records) == 953
    server.quota, server.capacity = None, 1
    assert await code_of(independent(server).login) == 812
    server.then(fails("802"))
    assert await code_of(theirs.get_records) == 802
    server.then(answers(502, b"<html>Bad Gateway</html>"), answers(200, b"<html>Claris</html>"))
    with pytest.raises(BadGatewayError):
        await asyncio.to_thread(theirs.get_records)
    with pytest.raises(BadJSON):
        await asyncio.to_thread(theirs.get_records)
    assert await code_of(independent(server, password="wrong").login) == 212


async def test_a_session_ends_so_long_after_its_last_use(server: FileMakerServer, clock: FakeClock) -> None:
    theirs = independent(server)
    server.layouts["Stills"].table.add()
    await asyncio.to_thread(theirs.login)
    for _ in range(3):
        await clock.advance(IDLE_SECONDS - 1)
        await asyncio.to_thread(theirs.get_records)

    await clock.advance(IDLE_SECONDS)

    assert await code_of(theirs.get_records) == 952


@pytest.mark.parametrize(
    ("value", "criterion", "fits"),
    [
        ("1 - File Info Complete", "==1 - File Info Complete", True),
        ("1 - File Info Complete", "==1 - FILE info complete", True),
        ("11 - File Info Completed", "==1 - File Info Complete", False),
        ("11 - File Info Completed", "1 - File Info Complete", True),
        ("Complete File", "file comp", True),
        ("Complete File", "=comp", False),
        ("Complete File", "=complete", True),
        ("", "=", True),
        ("", "*", False),
        ("x", "=", False),
        ("x", "*", True),
        ("a*b", r"==a\*b", True),
        ("aXb", r"==a\*b", False),
        ("aXb", "==a*b", True),
        ("aXb", "==a@b", True),
        ("a1b", "==a#b", True),
        ("b", "a...c", True),
        (1990, ">=1980", True),
        (7, "==7", True),
        ("one two", '"e t"', True),
    ],
)
def test_what_is_found_by_which_criterion(value: Any, criterion: str, fits: bool, clock: FakeClock) -> None:
    assert fits_criterion(value, criterion, clock.now()) is fits
