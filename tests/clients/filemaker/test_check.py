"""The test of the connection tells what is wrong, layout by layout and field by field, and what to do about it."""

import asyncio

import pytest

from daemons.clients.filemaker.report import FileMakerReport, LayoutReport
from tests.clients.filemaker.bench import STATUS, Bench, open_bench, until
from tests.fake_clock import FakeClock
from tests.fakes.filemaker import CERTIFICATE, PASSWORD
from tests.fakes.filemaker_wire import fails, messages
from tests.fakes.openai_server import answers, hangs

ALONE = {"footage": {"layout": ""}}
HOSTILE = "AI_\u202eConsole\x07\ud800"


async def report_of(bench: Bench) -> FileMakerReport:
    """Return what a test says, which never holds the password."""
    report: FileMakerReport = await bench.resting(bench.client.check())
    assert PASSWORD not in str(report)
    return report


async def stills_of(bench: Bench) -> LayoutReport:
    report = await report_of(bench)
    return next(one for one in report.layouts if one.ladder == "stills")


async def test_each_missing_field_is_named_with_its_setting_and_what_is_like_it(clock: FakeClock) -> None:
    async with open_bench(clock, **ALONE) as bench:
        there = [name for name in bench.settings.stills.named() if name not in ("INFO_Copyright", "SPECS_URL")]
        bench.server.table("Stills", *there, "info_copyrights")

        stills = await stills_of(bench)
        findings = bench.client.findings()

    assert stills.problem is None
    assert {one.name: (one.setting, one.remedy) for one in stills.missing}["INFO_Copyright"] == (
        "filemaker.stills.fields.copyright",
        "Put it on the layout in FileMaker, or correct filemaker.stills.fields.copyright. "
        "The layout has info_copyrights.",
    )
    assert [one.name for one in stills.missing] == ["SPECS_URL", "INFO_Copyright"]
    assert [(one.code, one.severity, one.subject) for one in findings] == [
        ("NOTE_FILEMAKER_FIELDS", "info", "FileMaker, stills")
    ]
    assert "SPECS_URL, INFO_Copyright" in findings[0].message


async def test_without_the_status_no_record_climbs_and_the_others_are_looked_at_all_the_same(clock: FakeClock) -> None:
    async with open_bench(clock) as bench:
        bench.server.table("Stills", "AutoLog_State")
        bench.server.table("FOOTAGE", *bench.settings.footage.named())

        report = await report_of(bench)
        findings = bench.client.findings()

    stills, footage = report.layouts
    assert STATUS not in [one.name for one in stills.missing]
    assert (report.works, report.problem, footage.problem, footage.missing) == (False, stills.problem, None, ())
    assert stills.problem is not None and stills.problem.code == "ERR_FILEMAKER_FIELD_MISSING"
    assert stills.problem.remedy == (
        "Put it on the layout in FileMaker, or correct filemaker.stills.status. The layout has AutoLog_State."
    )
    assert [(one.code, one.severity, one.link) for one in findings] == [
        ("ERR_FILEMAKER_FIELD_MISSING", "warning", "/system#filemaker")
    ]


async def test_of_a_missing_layout_those_that_there_are_are_named(clock: FakeClock) -> None:
    async with open_bench(clock, stills={"layout": "stils"}, footage={"layout": "Nothing like it"}) as bench:
        report = await report_of(bench)

    stills, footage = (one.problem for one in report.layouts)
    assert stills is not None and footage is not None
    assert (stills.code, stills.message) == (
        "ERR_FILEMAKER_LAYOUT_MISSING",
        "FileMaker has no layout stils, or does not show it to the account.",
    )
    assert (stills.remedy or "").startswith("Correct filemaker.stills.layout, or empty it")
    assert (stills.remedy or "").endswith("There are: Stills.")
    assert (footage.remedy or "").endswith("There are: Stills.")


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        ("212", "ERR_FILEMAKER_ACCOUNT", "filemaker.user and filemaker.password"),
        ("9", "ERR_FILEMAKER_PRIVILEGE", "fmrest"),
        ("802", "ERR_FILEMAKER_CLOSED", "fmrest"),
    ],
)
async def test_an_account_that_may_not_is_told_with_what_to_give_it(
    clock: FakeClock, number: str, code: str, words: str
) -> None:
    async with open_bench(clock, **ALONE) as bench:
        bench.server.then(answers(200, messages("0", {"productInfo": {}})), fails(number))

        report = await report_of(bench)
        findings = bench.client.findings()
        again = await report_of(bench)

    assert report.problem is not None and (report.problem.code, report.layouts) == (code, ())
    assert words in (report.problem.remedy or "")
    assert [(one.code, one.severity) for one in findings] == [(code, "warning")]
    # An account that was refused is not tried again so soon: FileMaker may lock it.
    assert again.works is (number != "212")


async def test_a_layout_that_the_account_may_not_see_is_told_of_alone(clock: FakeClock) -> None:
    async with open_bench(clock) as bench:
        bench.server.table("FOOTAGE", *bench.settings.footage.named())
        signed_in = answers(200, messages("0", {"token": "0001token"}))
        bench.server.then(answers(200, messages("0", {"productInfo": {}})), signed_in, fails("9", 401))
        bench.server.sessions["0001token"] = clock.monotonic()

        report = await report_of(bench)

    stills, footage = report.layouts
    assert stills.problem is not None and stills.problem.code == "ERR_FILEMAKER_PRIVILEGE"
    assert footage.problem is None


async def test_a_certificate_that_nobody_knows_is_told_with_where_to_name_it(clock: FakeClock) -> None:
    async with open_bench(clock, with_tls=True, **ALONE) as bench:
        unknown = await report_of(bench)
    async with open_bench(clock, with_tls=True, certificate="/nowhere/files.pem", **ALONE) as bench:
        unread = await report_of(bench)
    async with open_bench(clock, with_tls=True, certificate=CERTIFICATE, **ALONE) as bench:
        known = await report_of(bench)

    assert unknown.problem is not None and unknown.problem.code == "ERR_SERVER_TLS"
    assert "filemaker.certificate" in (unknown.problem.remedy or "")
    assert unread.problem is not None and unread.problem.code == "ERR_CERTIFICATE_FILE"
    assert known.works


async def test_what_never_ends_is_given_up_and_what_was_known_is_told(clock: FakeClock) -> None:
    async with open_bench(clock, timeout=3600, **ALONE) as bench:
        bench.server.then(hangs)
        checking = asyncio.ensure_future(bench.client.check())
        await until(lambda: bench.server.at_work)
        await clock.advance(60)
        late = await checking

        bench.server.no_more()
        well = await report_of(bench)

    assert late.problem is not None and (late.problem.code, late.works) == ("ERR_ANSWER_LATE", False)
    assert (well.works, bench.client.findings()) == (True, [])


async def test_names_that_a_server_makes_up_do_no_harm(clock: FakeClock) -> None:
    async with open_bench(clock, **ALONE) as bench:
        names = [HOSTILE, *(f"AI_DevConsole{number}" * 50 for number in range(2_000))]
        fields = [{"name": name, "result": "text"} for name in (*names, STATUS)]
        layouts = [{"folderLayoutNames": [{"name": HOSTILE}, 7, {"name": None}]}, None, {"name": "Stills"}]
        bench.server.then(
            answers(200, messages("0", {"productInfo": {"version": HOSTILE}})),
            answers(200, messages("0", {"token": "0001token"})),
            answers(200, messages("0", {"fieldMetaData": fields})),
        )
        report = await report_of(bench)
        bench.server.then(
            answers(200, messages("0", {"productInfo": []})),
            fails("105"),
            answers(200, messages("0", {"layouts": layouts})),
        )
        missing = await report_of(bench)

    for text in (str(report.as_dict()), str(missing.as_dict())):
        text.encode()
        assert not {"\u202e", "\x07"} & set(text)
    assert report.works and report.layouts[0].fields == 2_002
    assert "Stills" in (missing.problem.remedy or "") if missing.problem else False


async def test_without_a_layout_nothing_works_and_it_says_what_to_name(clock: FakeClock) -> None:
    async with open_bench(clock, stills={"layout": ""}, **ALONE) as bench:
        report = await report_of(bench)

    assert report.problem is not None and not report.works
    assert "filemaker.stills.layout" in (report.problem.remedy or "")
