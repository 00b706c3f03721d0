"""The session that all calls share, and every way in which a FileMaker Server fails."""

import asyncio

import pytest

from daemons.clients.errors import BadAnswer, ServerAway, ServerBusy, ServerRefuses
from daemons.clients.filemaker.errors import AccountRefused, DatabaseClosed, HostFull, QuotaUsed, SessionRefused
from daemons.clients.filemaker.session import IDLE_SECONDS, REFUSED_SECONDS
from daemons.errors import DaemonError
from tests.clients.filemaker.bench import CODE, STATUS, Bench, open_bench, until
from tests.fake_clock import FakeClock
from tests.fakes.filemaker import PASSWORD
from tests.fakes.filemaker_wire import fails
from tests.fakes.openai_server import Step, answers, breaks_off, closes, falls_silent, floods, hangs

PAGE = b"<!doctype html><html><head><title>Claris FileMaker Server</title></head><body>x</body></html>"
FAULTS: dict[str, tuple[Step, type[DaemonError], str]] = {
    "802": (fails("802"), DatabaseClosed, "ERR_FILEMAKER_CLOSED"),
    "812": (fails("812"), HostFull, "ERR_FILEMAKER_FULL"),
    "953": (fails("953"), QuotaUsed, "ERR_FILEMAKER_QUOTA"),
    "952": (fails("952"), SessionRefused, "ERR_FILEMAKER_SESSION"),
    "958": (fails("958"), BadAnswer, "ERR_FILEMAKER_PARAMETER"),
    "960": (fails("960"), BadAnswer, "ERR_FILEMAKER_PARAMETER"),
    "1708": (fails("1708"), BadAnswer, "ERR_FILEMAKER_PARAMETER"),
    "an unknown code": (fails("1234", text="Something new"), BadAnswer, "ERR_FILEMAKER"),
    "a page": (answers(200, PAGE), ServerAway, "ERR_BAD_ANSWER"),
    "a gateway's page": (answers(502, PAGE), ServerBusy, "ERR_SERVER_BUSY"),
    "too many requests": (answers(429, PAGE, "Retry-After: 2\r\n"), ServerBusy, "ERR_SERVER_BUSY"),
    "no such address": (answers(404, PAGE), ServerRefuses, "ERR_NO_SUCH_CALL"),
    "elsewhere": (answers(302, b"", "Location: http://169.254.169.254/\r\n"), ServerRefuses, "ERR_SERVER_REDIRECTS"),
    "nothing": (answers(200), ServerAway, "ERR_BAD_ANSWER"),
    "cut off": (answers(200, b'{"messages": [{"code": "0"'), ServerAway, "ERR_BAD_ANSWER"),
    "no messages": (answers(200, {"response": {}}), ServerAway, "ERR_BAD_ANSWER"),
    "another kind of code": (answers(200, {"messages": [{"code": {}}]}), ServerAway, "ERR_BAD_ANSWER"),
    "too deep": (answers(200, b"[" * 200_000), ServerAway, "ERR_BAD_ANSWER"),
    "no list": (answers(200, {"messages": [{"code": "0"}], "response": {"data": 3}}), BadAnswer, "ERR_BAD_ANSWER"),
    "closed": (closes, ServerAway, "ERR_ANSWER_BROKEN_OFF"),
    "closed in the middle": (breaks_off, ServerAway, "ERR_ANSWER_BROKEN_OFF"),
    "endless": (floods(None), BadAnswer, "ERR_ANSWER_TOO_LARGE"),
    "packed": (answers(200, b"\x1f\x8b", "Content-Encoding: gzip\r\n"), BadAnswer, "ERR_ANSWER_PACKED"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_each_fault_is_told_apart(fault: str, clock: FakeClock) -> None:
    step, kind, code = FAULTS[fault]
    async with open_bench(clock, timeout=3600) as bench:
        await bench.client.connection.log_in()
        bench.server.then(*[step] * 6)

        with pytest.raises(DaemonError) as failed:
            await bench.resting(bench.client.get("Stills", "1"))

        error = failed.value
        assert (type(error), error.error_code) == (kind, code) and error.remedy
        assert PASSWORD not in error.message and "token" not in error.message.replace("token (*)", "").lower()
        assert bool(bench.client.findings()) is isinstance(error, ServerAway)


@pytest.mark.parametrize("step", [hangs, falls_silent])
async def test_a_slow_server_is_left_after_its_time(step: Step, clock: FakeClock) -> None:
    async with open_bench(clock, timeout=30) as bench:
        await bench.client.connection.log_in()
        bench.server.then(step)
        asking = asyncio.create_task(bench.client.get("Stills", "1"))
        await until(lambda: bench.server.at_work == 1)

        await clock.advance(30)

        with pytest.raises(ServerAway, match="30 seconds"):
            await asking


async def test_a_fault_that_passes_is_not_noticed(clock: FakeClock) -> None:
    async with open_bench(clock) as bench:
        bench.stills.add(**{CODE: "ST0001"})
        await bench.client.connection.log_in()
        bench.server.then(closes, fails("812"), answers(503, PAGE))

        assert await bench.resting(bench.codes()) == ["ST0001"]
        assert bench.client.findings() == []


async def test_what_must_not_be_done_twice_is_not_when_its_answer_is_lost(clock: FakeClock) -> None:
    async with open_bench(clock) as bench:
        await bench.client.connection.log_in()
        bench.server.then(closes)

        with pytest.raises(ServerAway):
            await bench.resting(bench.client.create("Stills", {CODE: "ST0001"}))

        assert len(bench.server.calls("POST", "/records")) == 1
        bench.server.then(fails("812"))
        await bench.resting(bench.client.create("Stills", {CODE: "ST0001"}))
        assert len(bench.stills.records) == 1


async def test_a_server_that_is_away_costs_one_try(clock: FakeClock) -> None:
    async with open_bench(clock, url="http://127.0.0.1:1") as bench:
        with pytest.raises(ServerAway, match="cannot be reached"):
            await bench.client.get("Stills", "1")
        assert clock.sleepers == [] and bench.client.findings()[0].subject == "FileMaker"


async def test_all_calls_share_one_session_and_end_it(clock: FakeClock) -> None:
    async with open_bench(clock, concurrency=20) as bench:
        bench.stills.add()
        await asyncio.gather(*(bench.client.get("Stills", "1") for _ in range(20)))

        assert (bench.server.logins, len(bench.server.sessions)) == (1, 1)
    assert bench.server.sessions == {}


async def test_a_session_that_ended_is_renewed_once_for_all(clock: FakeClock) -> None:
    async with open_bench(clock, concurrency=20) as bench:
        bench.stills.add()
        await bench.client.get("Stills", "1")
        bench.server.sessions.clear()

        await asyncio.gather(*(bench.client.get("Stills", "1") for _ in range(20)))

        assert bench.server.logins == 2


async def test_a_session_is_used_as_long_as_it_lives(clock: FakeClock) -> None:
    async with open_bench(clock) as bench:
        bench.stills.add()
        for _ in range(4):
            await bench.client.get("Stills", "1")
            await clock.advance(IDLE_SECONDS - 1)
        assert bench.server.logins == 1

        await clock.advance(IDLE_SECONDS)
        await bench.client.get("Stills", "1")
        # No call was spent on finding out that it was over.
        assert bench.server.logins == 2 and len(bench.server.calls("GET", "/1")) == 5


async def test_an_account_that_is_refused_is_not_tried_again_and_again(clock: FakeClock) -> None:
    async with open_bench(clock, concurrency=20) as bench:
        bench.stills.add()
        bench.server.password = "changed"
        many = await asyncio.gather(*(bench.client.get("Stills", "1") for _ in range(20)), return_exceptions=True)
        assert {type(one) for one in many} == {AccountRefused}
        with pytest.raises(AccountRefused):
            await bench.client.get("Stills", "1")
        assert bench.server.logins == 1

        bench.server.password = PASSWORD
        await clock.advance(REFUSED_SECONDS)
        await bench.client.get("Stills", "1")


async def test_a_server_without_room_is_told_once_to_all_who_waited(clock: FakeClock) -> None:
    async with open_bench(clock, concurrency=20) as bench:
        bench.stills.add()
        bench.server.capacity = 0
        asking = asyncio.gather(*(bench.client.get("Stills", "1") for _ in range(20)), return_exceptions=True)
        many = await bench.resting(asking)

        assert {type(one) for one in many} == {HostFull} and bench.server.logins == 1
        # Nor is a login tried again at once.
        asking = asyncio.create_task(bench.client.get("Stills", "1"))
        await clock.advance(1.5)
        assert bench.server.logins == 1
        bench.server.capacity = 1
        await bench.resting(asking)


async def test_a_used_up_quota_stops_all_calls_for_a_while(clock: FakeClock) -> None:
    async with open_bench(clock) as bench:
        bench.stills.add()
        await bench.client.connection.log_in()
        bench.server.quota = 0
        with pytest.raises(QuotaUsed):
            await bench.client.get("Stills", "1")
        count = len(bench.server.requests)
        with pytest.raises(ServerBusy):
            await bench.client.get("Stills", "1")
        assert len(bench.server.requests) == count

        bench.server.quota = None
        await clock.advance(3600)
        await bench.client.get("Stills", "1")


async def test_calls_keep_within_what_a_minute_allows(clock: FakeClock) -> None:
    async with open_bench(clock, requests_per_minute=5, timeout=3600) as bench:
        bench.stills.add()
        asking = asyncio.gather(*(bench.client.get("Stills", "1") for _ in range(9)))
        await until(lambda: len(bench.server.requests) == 5)
        await clock.advance(59)
        assert len(bench.server.requests) == 5

        await clock.advance(1)
        await asking
        assert len(bench.server.requests) == 10


# A test of the connection.


async def report_of(bench: Bench) -> tuple[bool, str | None]:
    report = await bench.resting(bench.client.check())
    assert bench.client.last_report is report and report.as_dict()["works"] is report.works
    return report.works, report.problem.code if report.problem else None


async def test_a_check_says_which_fields_are_missing(clock: FakeClock) -> None:
    async with open_bench(clock, footage={"layout": ""}) as bench:
        assert await report_of(bench) == (True, None)
        report = bench.client.last_report
        assert report is not None and report.version == "21.0.1.51" and report.layouts[0].fields == 12

    other = {"code": "", "file": "", "console": "", "fields": {"caption": "Nowhere"}}
    async with open_bench(clock, footage={"layout": ""}, stills=other) as bench:
        bench.server.table("Stills", STATUS)
        assert await report_of(bench) == (True, None)
        report = bench.client.last_report
        assert report is not None and [one.name for one in report.layouts[0].missing] == ["Nowhere"]
        bench.server.table("Stills", "Something else")
        assert await report_of(bench) == (False, "ERR_FILEMAKER_FIELD_MISSING")


async def test_a_check_says_what_to_mend(clock: FakeClock) -> None:
    async with open_bench(clock) as bench:
        assert await report_of(bench) == (False, "ERR_FILEMAKER_LAYOUT_MISSING")
        bench.server.then(answers(404, PAGE))
        assert await report_of(bench) == (False, "ERR_NO_SUCH_CALL")
    async with open_bench(clock, password="wrong") as bench:
        assert await report_of(bench) == (False, "ERR_FILEMAKER_ACCOUNT")
    async with open_bench(clock, database="Elsewhere") as bench:
        assert await report_of(bench) == (False, "ERR_FILEMAKER_CLOSED")
    async with open_bench(clock, url="http://127.0.0.1:1") as bench:
        assert await report_of(bench) == (False, "ERR_SERVER_AWAY")
