"""Records of a FileMaker Server over a real socket: found whole, written without overwriting anybody."""

import asyncio
from typing import Any

import pytest

from daemons.clients.errors import NotConfigured, ServerRefuses
from daemons.clients.filemaker import FileMakerClient, FileMakerRecord
from daemons.clients.filemaker.errors import (
    FieldMissing,
    LayoutMissing,
    RecordChanged,
    RecordInUse,
    RecordMissing,
    ScriptMissing,
    ValueRefused,
)
from daemons.clients.filemaker.finding import as_field, exact
from daemons.clients.registry import Clients
from daemons.clock import SystemClock
from daemons.errors import Invalid
from daemons.settings import Settings
from daemons.settings.filemaker import FileMakerSettings
from tests.clients.filemaker.bench import CODE, CONSOLE, STATUS, open_bench
from tests.fake_clock import FakeClock
from tests.fakes.filemaker import CERTIFICATE
from tests.fakes.filemaker_find import fits_criterion
from tests.fakes.filemaker_wire import fails


async def test_a_status_is_found_letter_for_letter(clock: FakeClock) -> None:
    async with open_bench(clock) as bench:
        for code, status in (
            ("ST0001", "1 - File Info Complete"),
            ("ST0002", "11 - File Info Complete"),
            ("ST0003", "1 - File Info Completed"),
            ("ST0004", "1 - file info complete"),
            ("ST0005", ""),
        ):
            bench.stills.add(**{CODE: code, STATUS: status})

        assert await bench.codes("1 - File Info Complete") == ["ST0001"]
        empty = bench.client.find_exact("Stills", STATUS, "")
        assert [record.text(CODE) async for record in empty] == ["ST0005"]
        assert await bench.codes("no such status") == []


@pytest.mark.parametrize(
    "character", [*"\\@#?!=<>≤≥\"*~/…{}.-_()[]&|^$+,;:'% \n", "//", "...", "==", 'a"b*c', "ä", "東京"]
)
def test_no_character_of_a_value_is_an_operator(character: str, clock: FakeClock) -> None:
    for value in (f"a{character}b", character + "a", "a" + character):
        criterion = exact(value)
        assert fits_criterion(value, criterion, clock.now())
        assert not fits_criterion(value + "x", criterion, clock.now())
        assert not fits_criterion("aXb", criterion, clock.now())


@pytest.mark.parametrize("none_found", [500, 404])
async def test_pages_are_read_to_the_end(clock: FakeClock, none_found: int) -> None:
    async with open_bench(clock) as bench:
        bench.server.none_found_status = none_found
        assert await bench.codes() == []

        for number in range(30):
            bench.stills.add(**{CODE: f"ST{number:04}"})

        assert await bench.codes() == [f"ST{number:04}" for number in range(30)]
        assert [asked.body["offset"] for asked in bench.server.calls("POST", "_find")] == ["1", "1", "11", "21"]


async def test_records_that_leave_while_pages_are_read_hide_no_others(clock: FakeClock) -> None:
    async with open_bench(clock) as bench:
        for number in range(40):
            bench.stills.add(**{CODE: f"ST{number:04}", STATUS: "new"})
        found = []

        async for record in bench.client.find_exact("Stills", STATUS, "new"):
            found.append(record.text(CODE))
            # Each that is read moves on at once, so that those behind it move forward.
            bench.stills.write(int(record.record_id), **{STATUS: "seen"})
            if len(found) == 12:
                bench.stills.add(**{CODE: "late", STATUS: "new"})

        assert sorted(found) == [*(f"ST{number:04}" for number in range(40)), "late"]


async def test_a_page_too_large_to_read_is_asked_for_in_smaller_ones(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemons.clients.filemaker.connection.ANSWER_MEBIBYTES", 0.01)
    async with open_bench(clock) as bench:
        for number in range(12):
            bench.stills.add(**{CODE: f"ST{number:04}", CONSOLE: "x" * 2000})

        assert len(await bench.codes()) == 12
        assert [asked.body["limit"] for asked in bench.server.calls("POST", "_find")][:2] == ["10", "2"]


async def test_pages_are_sorted_by_the_field_that_is_asked_for(clock: FakeClock) -> None:
    async with open_bench(clock) as bench:
        for number in (3, 1, 2, 1):
            bench.stills.add(**{CODE: f"ST{number:04}"})

        found = [record async for record in bench.client.find("Stills", {CODE: "*"}, sort=CODE)]

        assert [(one.text(CODE), one.record_id) for one in found] == [
            ("ST0001", "2"),
            ("ST0001", "4"),
            ("ST0002", "3"),
            ("ST0003", "1"),
        ]


async def test_records_are_made_read_written_and_deleted(clock: FakeClock) -> None:
    async with open_bench(clock) as bench:
        record_id, mod_id = await bench.client.create("Stills", {CODE: "ST0001", CONSOLE: "one\ntwo"})
        assert bench.stills.records[1].fields[CONSOLE] == "one\rtwo"
        assert await bench.client.edit("Stills", record_id, {STATUS: ["a", "b"]}, mod_id=mod_id) == "1"
        assert (
            await bench.client.upload("Stills", record_id, "Picture", 'a "b"/c.jpg', b"\xff\xd8", "image/jpeg") == "2"
        )

        record = await bench.client.get("Stills", record_id)
        assert (record.text(CONSOLE), record.text(STATUS), record.mod_id) == ("one\ntwo", "a\nb", "2")
        assert "bytes=2" in record.text("Picture")

        await bench.client.delete("Stills", record_id)
        with pytest.raises(RecordMissing):
            await bench.client.get("Stills", record_id)
        with pytest.raises(Invalid):
            await bench.client.get("Stills", "../../sessions")
        assert (await bench.client.fields("Stills"))["Picture"] == "container"


async def test_who_writes_with_an_old_mod_id_writes_nothing(clock: FakeClock) -> None:
    async with open_bench(clock) as bench:
        bench.stills.add(**{STATUS: "theirs"})
        bench.stills.write(1, **{STATUS: "theirs, later"})

        with pytest.raises(RecordChanged):
            await bench.client.edit("Stills", "1", {STATUS: "ours"}, mod_id="0")

        assert bench.stills.records[1].fields[STATUS] == "theirs, later"


async def test_two_writers_of_one_record_lose_nothing(clock: FakeClock) -> None:
    async with open_bench(clock) as bench:
        bench.stills.add()

        def adding(line: str) -> Any:
            return lambda record: {CONSOLE: record.text(CONSOLE) + line}

        await asyncio.gather(*(bench.client.merge("Stills", "1", adding(f"<{n}>")) for n in range(4)))

        assert all(f"<{n}>" in bench.stills.records[1].fields[CONSOLE] for n in range(4))
        assert bench.stills.records[1].mod_id == 4


async def test_a_merge_is_asked_again_with_what_the_other_wrote(clock: FakeClock) -> None:
    async with open_bench(clock) as bench:
        bench.stills.add(**{STATUS: "0"})
        stale = FileMakerRecord("1", "0", {STATUS: "0"})
        bench.stills.write(1, **{STATUS: "moved by a person"})
        seen: list[str] = []

        def change(record: FileMakerRecord) -> dict[str, str]:
            seen.append(record.text(STATUS))
            return {STATUS: "1"} if record.text(STATUS) == "0" else {}

        merged = await bench.client.merge("Stills", "1", change, known=stale)

        assert seen == ["0", "moved by a person"] and merged.text(STATUS) == "moved by a person"
        assert (bench.stills.records[1].mod_id, merged.mod_id) == (1, "1")


async def test_who_is_never_the_first_gives_up(clock: FakeClock) -> None:
    async with open_bench(clock) as bench:
        bench.stills.add()

        def outrun(record: FileMakerRecord) -> dict[str, str]:
            bench.stills.write(1, **{STATUS: "theirs"})
            return {CONSOLE: "ours"}

        with pytest.raises(RecordChanged, match="each time"):
            await bench.client.merge("Stills", "1", outrun)


async def test_a_record_in_use_is_waited_for_a_while(clock: FakeClock) -> None:
    async with open_bench(clock) as bench:
        bench.stills.add()
        await bench.client.connection.log_in()
        bench.server.then(*[fails("301")] * 3)
        await bench.resting(bench.client.edit("Stills", "1", {STATUS: "x"}))
        assert bench.stills.records[1].fields[STATUS] == "x"

        bench.server.in_use.add(1)
        with pytest.raises(RecordInUse):
            await bench.resting(bench.client.edit("Stills", "1", {STATUS: "y"}))


async def test_a_script_tells_its_result_and_its_error(clock: FakeClock) -> None:
    async with open_bench(clock) as bench:
        bench.server.scripts["Name it / now"] = lambda given: (given.upper(), 0)
        bench.server.scripts["Fail"] = lambda given: ("half", 401)

        named = await bench.client.run_script("Stills", "Name it / now", "ä & b?")
        failed = await bench.client.run_script("Stills", "Fail")

        assert (named.result, named.error, named.succeeded) == ("Ä & B?", 0, True)
        assert (failed.result, failed.error, failed.succeeded) == ("half", 401, False)
        with pytest.raises(ScriptMissing):
            await bench.client.run_script("Stills", "Nothing")
        with pytest.raises(Invalid):
            await bench.client.run_script("Stills", "Fail", "x" * 2000)


async def test_what_is_not_there_says_what_to_correct(clock: FakeClock) -> None:
    async with open_bench(clock) as bench:
        bench.stills.add()
        for work, kind in (
            (bench.client.get("Nowhere", "1"), LayoutMissing),
            (bench.client.edit("Stills", "1", {"Nowhere": "x"}), FieldMissing),
            (bench.client.edit("Stills", "9", {STATUS: "x"}), RecordMissing),
        ):
            with pytest.raises(kind) as wrong:
                await work
            assert wrong.value.remedy and "FileMaker says" in wrong.value.message
        bench.server.then(fails("504"))
        with pytest.raises(ValueRefused):
            await bench.client.edit("Stills", "1", {STATUS: "x"})


async def test_the_server_has_to_prove_who_it_is(clock: FakeClock) -> None:
    async with open_bench(clock, with_tls=True) as bench:
        with pytest.raises(ServerRefuses, match="cannot be trusted"):
            await bench.codes()
        assert bench.server.requests == []
    for settings in ({"certificate": CERTIFICATE}, {"verify_tls": False}):
        async with open_bench(clock, with_tls=True, **settings) as bench:
            assert await bench.codes() == []


def test_what_a_field_takes() -> None:
    given = [None, True, 3, 2.5, "a\r\nb\nc", ["a", 2]]

    assert [as_field(value) for value in given] == ["", 1, 3, 2.5, "a\rb\rc", "a\r2"]
    with pytest.raises(Invalid):
        as_field({"a": 1})


@pytest.mark.parametrize("missing", ["url", "database", "user", "password"])
def test_a_client_says_which_setting_is_missing(missing: str, clock: FakeClock) -> None:
    given = {"url": "https://fm.example.org", "database": "A", "user": "u", "password": "p"}

    with pytest.raises(NotConfigured, match=f"filemaker.{missing}"):
        FileMakerClient(FileMakerSettings(**{name: value for name, value in given.items() if name != missing}), clock)


async def test_the_client_is_one_of_those_of_the_deck() -> None:
    given = {"url": "https://fm.example.org", "database": "A", "user": "u", "password": "p"}
    async with Clients(Settings(filemaker=given), SystemClock()) as clients:
        assert clients.get(FileMakerClient).settings.database == "A"
