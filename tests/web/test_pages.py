"""Pages and their buttons, as a browser without scripts uses them."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from daemons.service import Service
from daemons.states import LogLevel, OnStop
from web.pages.daemons import pause_end


async def test_the_first_page_lists_every_daemon(browser: httpx2.AsyncClient, service: Service) -> None:
    for path in ("/", "/daemons"):
        page = await browser.get(path)

        assert page.status_code == 200
        for daemon in service.board.all():
            assert f'id="d-{daemon.id}"' in page.text


async def test_a_daemons_page_shows_its_log_history_and_options(browser: httpx2.AsyncClient, service: Service) -> None:
    daemon = service.board.get("talker")
    service.journal.log(LogLevel.INFO, "A line <b>with markup</b>", daemon=daemon.row)
    await service.journal.flush()
    await service.roster.start("talker")
    await service.roster.pause("talker", None, reason="Guests")

    page = (await browser.get("/daemons/talker")).text

    assert "A line &lt;b&gt;with markup&lt;/b&gt;" in page
    assert "Guests" in page
    assert "What it says." in (await browser.get("/daemons/talker/settings")).text


async def test_a_page_of_a_daemon_whose_type_is_gone_still_opens(browser: httpx2.AsyncClient, service: Service) -> None:
    await service.roster.add("vanished", "orphan", {"colour": "red"})

    for tab in ("", "/jobs", "/log", "/errors", "/api"):
        assert (await browser.get(f"/daemons/orphan{tab}")).status_code == 200, tab
    page = await browser.get("/daemons/orphan/settings")

    assert page.status_code == 200
    assert "colour" in page.text


@pytest.mark.parametrize(
    ("command", "form", "desired"),
    [
        ("start", {}, "on"),
        ("stop", {}, "off"),
        ("stop", {"mode": "drain"}, "off"),
        ("restart", {}, "on"),
        ("resume", {}, "off"),
        ("wake", {}, "off"),
        ("reset", {}, "off"),
    ],
)
async def test_a_button_does_its_work_and_leads_back(
    browser: httpx2.AsyncClient, service: Service, command: str, form: dict[str, str], desired: str
) -> None:
    answer = await browser.post(f"/daemons/talker/{command}", data=form)

    daemon = service.board.get("talker")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/daemons#d-{daemon.id}")
    assert daemon.row.desired == desired


async def test_the_pause_button_pauses_what_was_started(browser: httpx2.AsyncClient, service: Service) -> None:
    await service.roster.start("talker")

    answer = await browser.post("/daemons/talker/pause", data={"minutes": "60"})

    assert answer.status_code == 303
    assert service.board.get("talker").row.desired == "paused"


@pytest.mark.parametrize(
    ("command", "form"),
    [
        ("stop", {"mode": "gently"}),
        ("pause", {}),
        ("pause", {"minutes": "0"}),
        ("pause", {"minutes": "10081"}),
        ("pause", {"minutes": "9" * 5000}),
        ("pause", {"minutes": "\u0663"}),
        ("pause", {"minutes": "5", "colour": "red"}),
    ],
)
async def test_a_bad_form_is_refused_on_a_page(
    browser: httpx2.AsyncClient, service: Service, command: str, form: dict[str, str]
) -> None:
    answer = await browser.post(f"/daemons/talker/{command}", data=form)

    assert answer.status_code == 422
    assert 'id="problem"' in answer.text
    assert service.board.get("talker").row.desired == "off"


async def test_a_refused_command_says_why(browser: httpx2.AsyncClient) -> None:
    await browser.patch("/api/daemons/talker", json={"enabled": False})

    answer = await browser.post("/daemons/talker/start")

    assert answer.status_code == 409
    assert 'id="problem"' in answer.text
    assert "ERR_DAEMON_DISABLED" in answer.text


async def test_jobs_are_listed_filtered_and_opened(browser: httpx2.AsyncClient, service: Service) -> None:
    job = (await service.orders.create("wait")).job

    listed = (await browser.get("/jobs?type=wait")).text
    opened = await browser.get(f"/jobs/{job.id}")

    assert f'id="j-{job.id}"' in listed
    assert opened.status_code == 200
    assert f'id="jh-{job.id}"' in opened.text


async def test_a_jobs_buttons_work(browser: httpx2.AsyncClient, service: Service) -> None:
    job = (await service.orders.create("wait")).job

    cancelled = await browser.post(f"/jobs/{job.id}/cancel")
    async with asyncio.timeout(10):
        ended = await service.orders.wait(job.id)
    retried = await browser.post(f"/jobs/{job.id}/retry")

    assert (cancelled.status_code, cancelled.headers["location"]) == (303, f"/jobs/{job.id}")
    assert ended.state == "cancelled"
    assert ended.error is not None and "owner" in ended.error.message
    assert retried.status_code == 303


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nothing", 404),
        ("/daemons/nobody", 404),
        ("/jobs/nothing", 404),
        ("/jobs?state=sleeping", 422),
        ("/jobs?colour=red", 422),
        ("/jobs?cursor=nonsense", 422),
    ],
)
async def test_what_is_not_there_is_said_on_a_page(browser: httpx2.AsyncClient, path: str, status: int) -> None:
    answer = await browser.get(path)

    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert 'id="problem"' in answer.text


async def test_the_stop_page_shows_what_each_way_touches(browser: httpx2.AsyncClient, service: Service) -> None:
    row = service.board.get("talker").row
    for on_stop in (OnStop.CONTINUE, OnStop.CANCEL):
        await service.orders.create("wait", daemon=row, on_stop=on_stop)

    page = (await browser.get("/daemons/talker/stop")).text
    preview = (await browser.get("/api/daemons/talker/stop-preview")).json()

    assert "It has 2 unfinished jobs" in page
    assert "1 job is cancelled, 1 go on" in " ".join(page.split())
    assert preview["modes"] == {
        "now": {"cancels": 1, "keeps": 1},
        "drain": {"cancels": 0, "keeps": 2},
        "cancel_jobs": {"cancels": 2, "keeps": 0},
    }


async def test_a_vital_daemon_is_ended_only_by_its_name(browser: httpx2.AsyncClient, service: Service) -> None:
    await browser.patch("/api/daemons/talker", json={"vital": True})
    await browser.post("/daemons/talker/start")

    refused = await browser.post("/daemons/talker/stop", data={"mode": "now"})
    wrong = await browser.post("/api/daemons/talker/pause", json={"for": 60, "confirm": "stroller"})
    of_all = (await browser.post("/api/daemons/stop-all", json={})).json()["items"]
    page = (await browser.get("/stop-all")).text
    done = await browser.post("/daemons/talker/stop", data={"mode": "now", "confirm": "talker"})

    assert (refused.status_code, "write its name" in refused.text) == (409, True)
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (409, "ERR_VITAL")
    assert [item["error"]["code"] for item in of_all if item["error"]] == ["ERR_VITAL"]
    assert "Left out, because they are vital: talker" in " ".join(page.split())
    assert done.status_code == 303
    assert service.board.get("talker").row.desired == "off"


async def test_all_are_paused_until_a_time_and_go_on(browser: httpx2.AsyncClient, service: Service) -> None:
    await browser.post("/daemons/talker/start")

    answer = await browser.post("/pause-all", data={"minutes": "90", "until": "", "reason": "quiet hours"})
    paused = service.board.get("talker").row
    resumed = await browser.post("/resume-all")

    assert (answer.status_code, resumed.status_code) == (303, 303)
    assert paused.paused_until is not None and paused.desired_reason == "quiet hours"
    assert service.board.get("talker").row.desired == "on"


@pytest.mark.parametrize("until", ["25:00", "soon", "7", "<script>"])
async def test_a_time_that_is_none_pauses_nothing(browser: httpx2.AsyncClient, until: str) -> None:
    assert (await browser.post("/daemons/talker/pause", data={"until": until})).status_code == 422


def test_a_pause_ends_at_the_next_such_time_of_the_decks_clock() -> None:
    now = datetime.now(UTC)

    ends = [pause_end({"until": f"{hour:02}:30"}, now) for hour in range(24)]

    assert all(timedelta(0) < end - now <= timedelta(days=1, hours=1) for end in ends)
    assert all(end.astimezone().minute == 30 for end in ends)
