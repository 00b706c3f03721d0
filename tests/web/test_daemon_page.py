"""A daemon's own pages, as a browser without scripts uses them."""

import html
import re
from datetime import timedelta

import httpx2
import pytest
from sqlalchemy import text

from daemons.database.transaction import Transaction
from daemons.errors import ErrorInfo
from daemons.service import Service
from daemons.values import Lease
from daemons.workflows.describe.keeper import FileStamp, Finding, Way, record
from tests.web.served import until
from web.api.figures import PointPage
from web.api.reported import ReportedPage
from web.api.statistics import StatisticsShape
from web.pages.daemon import TABS
from web.series import RANGES
from web.spoken import SLOTS

HOSTILE = "<script>alert(1)</script>\u202e😀" + "x" * 10_000


async def running_lease(service: Service) -> Lease:
    """Start the talker; return what its run writes under."""
    await service.roster.start("talker")
    await until(service, "talker", "running")
    daemon_id = service.board.get("talker").id
    row = await service.database.fetch_one(
        text("SELECT holder, epoch FROM leases WHERE daemon_id = :id").bindparams(id=daemon_id)
    )
    assert row is not None
    return Lease(daemon_id, row.holder, row.epoch)


@pytest.mark.parametrize("tab", TABS)
async def test_each_tab_is_a_page_that_names_the_others(browser: httpx2.AsyncClient, tab: str) -> None:
    answer = await browser.get(f"/daemons/talker/{tab}".rstrip("/"))

    assert answer.status_code == 200
    assert 'aria-current="page"' in answer.text
    for other in TABS:
        assert f'href="{f"/daemons/talker/{other}".rstrip("/")}"' in answer.text


@pytest.mark.parametrize("at", ["yesterday", "2026-13-01T00:00", "1" * 400, "<script>"])
async def test_a_moment_that_is_none_is_refused(browser: httpx2.AsyncClient, at: str) -> None:
    answer = await browser.get("/daemons/talker", params={"at": at})

    assert answer.status_code == 422
    assert "<script>" not in answer.text.replace("<script defer", "").replace("<script src", "")


async def test_what_it_said_at_a_time_can_be_asked(browser: httpx2.AsyncClient, service: Service) -> None:
    await running_lease(service)
    await service.journal.flush()
    await service.roster.stop("talker")
    await until(service, "talker", "stopped")
    [note] = await service.journal.timeline(service.board.get("talker").id)

    spoken = await browser.get("/daemons/talker", params={"at": note.at.isoformat()})
    silent = await browser.get("/daemons/talker", params={"at": (service.clock.now() + timedelta(days=1)).isoformat()})
    before = await browser.get("/daemons/talker?at=0001-01-01T00:00%2B14:00")

    assert "<strong>Looking around</strong>" in spoken.text
    assert "nothing: it was stopped" in silent.text.replace("\n    ", " ")
    assert "nothing is kept from then" in before.text


async def test_reported_errors_are_counted_and_resolved(browser: httpx2.AsyncClient, service: Service) -> None:
    lease = await running_lease(service)
    for _ in range(3):
        service.readings.report(lease, "ERR_AWAY", HOSTILE)
    await service.readings.flush()

    listed = (await browser.get("/api/daemons/talker/errors")).json()
    ReportedPage.model_validate(listed)
    page = (await browser.get("/daemons/talker/errors")).text
    number = listed["items"][0]["id"]
    pressed = await browser.post(f"/daemons/talker/errors/{number}/resolve")

    assert listed["items"][0]["count"] == 3
    assert "3 times" in page
    assert "<script>alert" not in page
    assert (pressed.status_code, pressed.headers["location"]) == (303, "/daemons/talker/errors")
    assert (await browser.get("/api/daemons/talker/errors")).json()["items"][0]["resolved_at"]
    assert (await browser.post(f"/api/daemons/talker/errors/{number}/resolve")).status_code == 404
    for nothing in ("0", "x", "9" * 40, "-1", "١"):
        assert (await browser.post(f"/daemons/talker/errors/{nothing}/resolve")).status_code == 404


async def test_an_onlooker_resolves_nothing(onlooker: httpx2.AsyncClient) -> None:
    assert (await onlooker.post("/daemons/talker/errors/1/resolve")).status_code == 403


async def test_every_call_of_a_daemon_can_be_copied(browser: httpx2.AsyncClient) -> None:
    page = (await browser.get("/daemons/talker/api")).text

    assert "daemondeck start talker" in page
    assert "curl -X POST" in page
    assert "http://127.0.0.1:8420/api/daemons/talker/stop" in page
    assert "{name}" not in page


async def test_what_it_measured_is_a_plot_a_table_and_a_list(browser: httpx2.AsyncClient, service: Service) -> None:
    lease = await running_lease(service)
    for name, value in (("memory", 40.0), ("memory", 60.0), (HOSTILE[:90], 1.0)):
        service.readings.metric(lease, name, value, "%")
    await service.readings.flush()
    job = await service.orders.create("echo", daemon=service.board.get("talker").row)
    await service.orders.wait(job.job.id)

    listed = (await browser.get("/api/daemons/talker/metrics?name=memory")).json()
    PointPage.model_validate(listed)
    newest = (await browser.get("/api/daemons/talker/metrics?limit=1")).json()["items"]
    pages = [(await browser.get(f"/daemons/talker/metrics?since={since}")).text for since in RANGES]

    assert [(point["count"], point["total"]) for point in listed["items"]] == [(2, 100.0)]
    assert len(newest) == 1
    for page in pages:
        assert page.count('data-plot="') == 4
        assert "1 completed" in page
        assert "<td>50</td>" in page
        assert "<script>alert" not in page
    assert (await browser.get("/daemons/talker/metrics?since=forever")).status_code == 422


async def test_what_it_said_is_a_drawing_that_leads_to_each_time(browser: httpx2.AsyncClient, service: Service) -> None:
    await running_lease(service)
    await service.journal.flush()
    await service.roster.stop("talker")
    await until(service, "talker", "stopped")

    page = (await browser.get("/daemons/talker")).text
    links = re.findall(r'href="(/daemons/talker\?at=[^"#]*)#timeline-title" tabindex', page)
    spoken = [await browser.get(html.unescape(links[place])) for place in (0, -1)]

    assert len(links) == SLOTS
    assert "Looking around</title>" in page
    assert 'class="said"' in page
    assert [answer.status_code for answer in spoken] == [200, 200]
    assert all('id="moment"' in answer.text and 'class="needle"' in answer.text for answer in spoken)
    assert "Gaps, in words" in page


async def test_the_things_it_works_on_are_told_and_drawn(browser: httpx2.AsyncClient, service: Service) -> None:
    await service.edit_daemon("describe_images", configuration={"directory": "/pictures"})
    way, cut = Way(b"/pictures", "basic"), ErrorInfo("ERR_IMAGE_TRUNCATED", HOSTILE)
    for number in range(3):
        finding = Finding(FileStamp(b"%d.jpg" % number, 1, 2), 2.0, description="A picture.", finish="length")
        await service.database.write(lambda tx, finding=finding: record(tx, way, finding, "job-1"))
    await service.database.write(lambda tx: record(tx, way, Finding(FileStamp(b"<b>.jpg", 1, 2), 1.0, error=cut), None))

    told = (await browser.get("/api/daemons/describe_images/statistics")).json()
    StatisticsShape.model_validate(told)
    page = (await browser.get("/daemons/describe_images/metrics?since=1h")).text

    assert [told["items"][name] for name in ("done", "failed", "success_rate")] == [3, 1, 0.75]
    assert [one["code"] for one in told["items"]["codes"]] == ["ERR_IMAGE_TRUNCATED"]
    assert (await browser.get("/api/daemons/talker/statistics")).json()["items"] is None
    assert 'class="warn"><a href="/daemons/describe_images/failures">1</a>' in page
    assert "&lt;b&gt;.jpg" in page
    assert page.count('data-plot="') == 2


async def test_many_things_that_fail_make_the_row_amber(browser: httpx2.AsyncClient, service: Service) -> None:
    await service.edit_daemon("describe_images", configuration={"directory": "/pictures"})
    way, cut = Way(b"/pictures", "basic"), ErrorInfo("ERR_IMAGE_TRUNCATED", "It is cut off.")

    def unit(tx: Transaction) -> None:
        for number in range(20):
            error = cut if number < 2 else None
            record(tx, way, Finding(FileStamp(b"%d.jpg" % number, 1, 2), 1.0, description="A.", error=error), None)

    await service.database.write(unit)
    await service.health.look_at_failures()
    service.health.look()
    page = (await browser.get("/daemons")).text
    [finding] = [one for one in service.health.findings() if one.code == "ERR_ITEMS_FAILING"]
    row = service.board.get("describe_images").row
    await service.failures.mute(row, "ERR_IMAGE_TRUNCATED", timedelta(hours=1), who="ada")
    await service.health.look_at_failures()

    assert '<a class="warn" href="/daemons/describe_images/failures">2 items failed</a>' in page
    assert finding.message == "10% of what describe_images worked on in the last hour failed: 2 of 20."
    assert not service.board.get("describe_images").live.fails_often
