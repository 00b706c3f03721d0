"""Many jobs at once, as a program and as a page ask for it; and what is done to one: run next, remove."""

import asyncio

import httpx2
import pytest

from daemons.events import ItemChanged
from daemons.service import Service
from web.api import operations as shapes


async def ended(service: Service, count: int = 3) -> list[str]:
    """Return the ids of jobs that were cancelled."""
    jobs = [(await service.orders.create("wait")).job for _ in range(count)]
    for job in jobs:
        await service.orders.cancel(job.id)
    async with asyncio.timeout(10):
        return [(await service.orders.wait(job.id)).id for job in jobs]


async def until_over(service: Service, operation_id: str) -> None:
    def is_over(event: object) -> bool:
        return isinstance(event, ItemChanged) and event.data.get("finished_at") is not None

    with service.bus.subscribe(is_over) as mailbox:
        async with asyncio.timeout(10):
            while not (await service.operations.get(operation_id)).is_finished:
                await mailbox.take()


async def test_all_that_match_are_retried_as_an_operation(program: httpx2.AsyncClient, service: Service) -> None:
    await ended(service)

    preview = await program.post("/api/jobs/bulk", json={"action": "retry", "q": "type:wait", "dry_run": True})
    begun = await program.post("/api/jobs/bulk", json={"action": "retry", "q": "type:wait"})
    await until_over(service, begun.json()["id"])
    shown = (await program.get(f"/api/operations/{begun.json()['id']}")).json()
    listed = (await program.get("/api/operations")).json()

    assert (preview.status_code, preview.json()["count"]) == (200, 3)
    shapes.BulkPreview.model_validate(preview.json())
    assert begun.status_code == 202
    assert shown["description"] == "Retry 3 cancelled jobs of type wait"
    assert (shown["state"], shown["done"], shown["refusals"]) == ("completed", 3, [])
    shapes.OperationDetailShape.model_validate(shown)
    shapes.OperationPage.model_validate(listed)
    assert [one["id"] for one in listed["items"]] == [shown["id"]]
    over = await program.post(f"/api/operations/{shown['id']}/cancel")
    assert (over.status_code, over.json()["error"]["code"]) == (409, "ERR_OPERATION_OVER")


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"action": "paint", "q": ""}, "action"),
        ({"action": "retry"}, "q or ids"),
        ({"action": "retry", "q": "", "ids": ["x"]}, "q or ids"),
        ({"action": "retry", "q": "state:sleeping"}, "sleeping"),
        ({"action": "cancel", "ids": ["nobody"]}, "cancel"),
    ],
)
async def test_a_wrong_command_for_many_is_refused(
    program: httpx2.AsyncClient, body: dict[str, object], named: str
) -> None:
    answer = await program.post("/api/jobs/bulk", json=body)

    assert answer.status_code == 422
    assert named in answer.json()["error"]["message"]


async def test_ticked_jobs_are_frozen_asked_about_and_done(browser: httpx2.AsyncClient, service: Service) -> None:
    ids = await ended(service)

    asked = await browser.post("/jobs/bulk", data={"command": "retry", "q": "", "id": ids[:2]})
    page = await browser.get(asked.headers["location"])
    hidden = (await browser.get("/api/operations")).json()["items"]
    started = await browser.post(f"{asked.headers['location']}/start")
    await until_over(service, asked.headers["location"].rsplit("/", 1)[1])

    assert asked.status_code == 303
    assert "Retry 2 cancelled jobs of type wait?" in page.text
    assert hidden == []
    assert started.headers["location"] == asked.headers["location"]
    assert "completed" in (await browser.get(started.headers["location"])).text
    assert (await service.jobs.get(ids[2])).state == "cancelled"
    assert not (await service.jobs.get(ids[0])).is_finished


@pytest.mark.parametrize(
    "form", [{"command": "retry", "q": ""}, {"command": "paint"}, {"command": "retry all"}, {"colour": "red"}]
)
async def test_a_wrong_form_is_refused_on_a_page(browser: httpx2.AsyncClient, form: dict[str, str]) -> None:
    answer = await browser.post("/jobs/bulk", data=form)

    assert (answer.status_code, 'id="problem"' in answer.text) == (422, True)


async def test_only_a_queued_job_runs_next_and_only_an_ended_one_is_removed(
    program: httpx2.AsyncClient, service: Service
) -> None:
    [job_id] = await ended(service, 1)
    running = (await program.post("/api/jobs", json={"type": "wait"})).json()["id"]

    refused = [await program.post(f"/api/jobs/{job_id}/next"), await program.delete(f"/api/jobs/{running}")]
    removed = await program.delete(f"/api/jobs/{job_id}")

    assert [(one.status_code, one.json()["error"]["code"]) for one in refused] == [
        (409, "ERR_JOB_NOT_QUEUED"),
        (409, "ERR_JOB_UNFINISHED"),
    ]
    assert removed.status_code == 204
    assert (await program.get(f"/api/jobs/{job_id}")).status_code == 404
    assert (await service.jobs.ended_counts())["wait", "cancelled"] == 1
