"""The feed of all daemons by call and on its page: narrowed, paged, refused by name, drawn live, safe to look at."""

import httpx2
import pytest

from daemons.service import Service
from daemons.values import Lease
from web.api.activity import ActivityPage

HOSTILE = '<script>alert(1)</script> \u202egnp.exe " onload=x'


@pytest.fixture
async def busy(service: Service) -> Service:
    """Have the talker started, and stopped, and an error reported of it."""
    lease = await service.leases.take(service.board.get("talker").id)
    assert isinstance(lease, Lease)
    service.readings.report(lease, "ERR_AWAY", HOSTILE)
    await service.readings.flush()
    await service.leases.release(lease)
    await service.roster.stop("talker")
    await service.roster.start("talker")
    await service.activity.look()
    return service


async def test_pages_follow_each_other_without_a_gap(program: httpx2.AsyncClient, busy: Service) -> None:
    whole = (await program.get("/api/activity?limit=500")).json()
    ActivityPage.model_validate(whole)
    ids, cursor = [], ""
    while cursor is not None:
        page = (await program.get(f"/api/activity?limit=1{cursor and '&cursor='}{cursor}")).json()
        ids += [item["id"] for item in page["items"]]
        cursor = page["next"]

    assert whole["next"] is None
    # More may have come between; what was there is there in the same order.
    known = [item["id"] for item in whole["items"]]
    assert [one for one in ids if one in known] == known
    assert {item["kind"] for item in whole["items"]} >= {"desired", "error"}


async def test_it_is_narrowed(program: httpx2.AsyncClient, busy: Service) -> None:
    errors = (await program.get("/api/activity?kind=error&daemon=talker")).json()["items"]

    assert [(item["daemon_name"], item["code"], item["reason"], item["count"]) for item in errors] == [
        ("talker", "ERR_AWAY", errors[0]["reason"], 1)
    ]


@pytest.mark.parametrize(
    "query", ["kind=gossip", "daemon=nobody", "cursor=bm9uc2Vuc2U=", "cursor=*", "limit=501", "colour=red"]
)
@pytest.mark.parametrize("path", ["/api/activity", "/activity"])
async def test_a_wrong_question_is_refused(browser: httpx2.AsyncClient, path: str, query: str) -> None:
    assert (await browser.get(f"{path}?{query}")).status_code == 422


async def test_the_page_and_home_show_it_and_run_nothing_of_it(browser: httpx2.AsyncClient, busy: Service) -> None:
    home, page = (await browser.get("/")).text, (await browser.get("/activity?kind=error,desired&daemon=")).text

    for text in (home, page):
        assert "&lt;script&gt;alert(1)" in text
        assert "<script>alert" not in text
    assert '<ol id="activity"' in home
    # The piece that is told is not on the page itself: that is how it knows that there is more.
    assert 'id="activity"' not in page and 'data-rows="activity"' in page
    assert 'aria-current="true">Errors' in page
    empty = (await browser.get("/activity?kind=refused")).text
    assert "Nothing like that has happened." in empty
