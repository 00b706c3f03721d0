"""What failed of a daemon, by code, as a page and as calls: tried again, skipped, muted."""

import httpx2
from sqlalchemy import insert

from daemons.jobs.rows import JOBS
from daemons.service import Service
from tests.web.test_many_jobs import until_over
from web.api.failures import FailureMarkShape, FailurePage, RetriedShape

PAGE = "/daemons/talker/failures"


async def fail(service: Service, code: str, count: int) -> list[str]:
    """Store failed jobs of the talker; return their ids."""
    daemon, now = service.board.get("talker"), service.clock.now()
    row = {"type": "echo", "lane": "default", "state": "failed", "args": {}, "max_attempts": 1, "attempt": 1}
    row |= {"on_stop": "continue", "run_after": now, "created_at": now, "started_at": now, "finished_at": now}
    row |= {"daemon_id": daemon.id, "daemon_name": daemon.name, "error_code": code}
    rows = [
        {**row, "id": f"{code.lower()}-{n}", "error": {"code": code, "message": f"It went wrong: {code}."}}
        for n in range(count)
    ]
    await service.database.write(lambda tx: tx.execute(insert(JOBS), rows).rowcount)
    return [str(one["id"]) for one in rows]


async def test_a_group_is_tried_again_where_one_sees_how_far_it_is(
    browser: httpx2.AsyncClient, program: httpx2.AsyncClient, service: Service
) -> None:
    await fail(service, "ERR_AWAY", 3)
    await fail(service, "ERR_Full", 2)

    pressed = await browser.post(f"{PAGE}/retry", data={"code": "ERR_AWAY"})
    operation = pressed.headers["location"].rsplit("/", 1)[1]
    await until_over(service, operation)
    page = await browser.get(pressed.headers["location"])
    called = await program.post(f"/api{PAGE}/retry", json={"code": "ERR_Full"})
    again = await program.post(f"/api{PAGE}/retry", json={"code": "ERR_NOBODY"})

    assert pressed.status_code == 303
    assert "Retry 3 failed jobs of talker" in page.text
    RetriedShape.model_validate(called.json())
    assert (called.status_code, called.json()["jobs"]) == (202, 2)
    assert again.status_code == 404


async def test_a_group_is_set_aside_and_counted_again(
    browser: httpx2.AsyncClient, program: httpx2.AsyncClient, service: Service
) -> None:
    hostile = "<b>ERR_\u202e\U0001f600"
    for code in ("ERR_AWAY", "ERR_FULL", hostile):
        await fail(service, code, 2)
    await service.tallies.count()
    before = service.tallies.now.failed

    skipped = await browser.post(f"{PAGE}/skip", data={"code": hostile})
    muted = await browser.post(f"{PAGE}/mute", data={"code": "ERR_FULL", "for": "3600"})
    page = (await browser.get(PAGE)).text
    listed = (await program.get(f"/api{PAGE}")).json()
    await service.tallies.count()

    assert (skipped.status_code, muted.status_code) == (303, 303)
    assert page.index("ERR_AWAY") < page.index("2 groups set aside") < page.index("ERR_FULL")
    assert "<b>ERR_" not in page
    FailurePage.model_validate(listed)
    assert {one["code"]: one["is_set_aside"] for one in listed["items"]} == {
        "ERR_AWAY": False, "ERR_FULL": True, hostile: True
    }  # fmt: skip
    assert (before, service.tallies.now.failed) == (6, 2)

    counted = await browser.post(f"{PAGE}/count", data={"code": "ERR_FULL"})
    called = await program.post(f"/api{PAGE}/mute", json={"code": "ERR_AWAY", "for": 60})
    FailureMarkShape.model_validate(called.json())
    assert (counted.status_code, called.status_code) == (303, 200)
    for command, body, status in (
        ("mute", {"code": "ERR_AWAY", "for": 10**15}, 422),
        ("mute", {"code": "ERR_AWAY", "for": "P9999D"}, 422),
        ("mute", {"code": "ERR_AWAY"}, 422),
        ("skip", {"code": "x" * 10_000}, 422),
        ("skip", {"code": "ERR_NOBODY"}, 404),
        ("count", {"code": "ERR_FULL"}, 404),
    ):
        assert (await program.post(f"/api{PAGE}/{command}", json=body)).status_code == status, (command, body)
    assert (await browser.post(f"{PAGE}/mute", data={"code": "ERR_AWAY", "for": "forever"})).status_code == 422
