"""The calls about jobs, as a program makes them."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from daemons.service import Service
from web.api import shapes


async def make(program: httpx2.AsyncClient, type: str = "wait", **more: object) -> dict[str, Any]:
    """Return a new job."""
    answer = await program.post("/api/jobs", json={"type": type, **more})
    assert answer.status_code == 201
    job: dict[str, Any] = answer.json()
    return job


async def test_a_job_is_made_and_found(program: httpx2.AsyncClient) -> None:
    answer = await program.post("/api/jobs", json={"type": "wait", "priority": 7})
    job = answer.json()

    found = (await program.get(answer.headers["location"])).json()

    assert answer.status_code == 201
    assert (found["id"], found["type"], found["priority"]) == (job["id"], "wait", 7)
    shapes.JobShape.model_validate(job)
    shapes.JobDetailShape.model_validate(found)


async def test_an_ended_job_is_shown_whole(program: httpx2.AsyncClient, service: Service) -> None:
    job = await make(program, "echo", args={"text": "hello"})
    async with asyncio.timeout(10):
        await service.orders.wait(job["id"])

    found = (await program.get(f"/api/jobs/{job['id']}")).json()

    assert (found["state"], found["result"]) == ("completed", {"text": "hello"})
    assert [attempt["outcome"] for attempt in found["attempts"]] == ["completed"]
    shapes.JobDetailShape.model_validate(found)


async def test_one_key_makes_one_job(program: httpx2.AsyncClient) -> None:
    key = {"Idempotency-Key": "order 1"}
    orders = [program.post("/api/jobs", json={"type": "wait"}, headers=key) for _ in range(50)]

    answers = await asyncio.gather(*orders)

    assert sorted(answer.status_code for answer in answers) == [200] * 49 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_another_body_under_a_key_is_refused(program: httpx2.AsyncClient) -> None:
    key = {"Idempotency-Key": "order 1"}
    await program.post("/api/jobs", json={"type": "echo", "args": {"text": "a"}}, headers=key)

    answer = await program.post("/api/jobs", json={"type": "echo", "args": {"text": "b"}}, headers=key)

    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "ERR_KEY_REUSED")


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there"])
async def test_a_bad_key_is_refused(program: httpx2.AsyncClient, key: str) -> None:
    answer = await program.post("/api/jobs", json={"type": "wait"}, headers={"Idempotency-Key": key})

    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"type": "nonsense"}, "nonsense"),
        ({"type": "echo", "args": {"text": 5}}, "text"),
        ({"type": "echo", "args": {"size": -1}}, "size"),
        ({"type": "echo", "priority": "high"}, "priority"),
        ({"type": "echo", "lane": "io"}, "lane"),
        ({"args": {}}, "type"),
    ],
)
async def test_a_bad_job_is_refused_naming_what_is_wrong(
    program: httpx2.AsyncClient, body: dict[str, object], named: str
) -> None:
    answer = await program.post("/api/jobs", json=body)

    assert answer.status_code == 422
    assert named in answer.json()["error"]["message"]


async def test_a_queued_or_running_job_is_cancelled(program: httpx2.AsyncClient, service: Service) -> None:
    job = await make(program)

    answer = await program.post(f"/api/jobs/{job['id']}/cancel", json={"reason": "Not needed"})

    assert answer.status_code == 202
    async with asyncio.timeout(10):
        assert (await service.orders.wait(job["id"])).state == "cancelled"
    assert (await program.post(f"/api/jobs/{job['id']}/cancel")).status_code == 202


async def test_only_an_ended_job_is_tried_again(program: httpx2.AsyncClient, service: Service) -> None:
    job = await make(program)

    too_early = await program.post(f"/api/jobs/{job['id']}/retry")
    await program.post(f"/api/jobs/{job['id']}/cancel")
    async with asyncio.timeout(10):
        await service.orders.wait(job["id"])
    again = await program.post(f"/api/jobs/{job['id']}/retry")

    assert too_early.status_code == 409
    assert (again.status_code, again.json()["state"]) == (202, "queued")


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("GET", "/logs"), ("POST", "/cancel"), ("POST", "/retry")])
async def test_an_unknown_job_is_404(program: httpx2.AsyncClient, method: str, path: str) -> None:
    assert (await program.request(method, f"/api/jobs/{uuid4()}{path}")).status_code == 404


async def test_the_list_is_filtered_and_comes_in_pages(program: httpx2.AsyncClient) -> None:
    made = [(await make(program, "echo", args={"text": str(n)}))["id"] for n in range(5)]
    await make(program)
    ids: list[str] = []
    query: dict[str, Any] = {"type": "echo", "limit": 2, "sort": "created_at"}
    while True:
        page = (await program.get("/api/jobs", params=query)).json()
        shapes.JobPage.model_validate(page)
        ids += [job["id"] for job in page["items"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]

    assert ids == made


async def test_states_are_a_comma_list(program: httpx2.AsyncClient) -> None:
    job = await make(program)

    found = (await program.get("/api/jobs?state=queued,running")).json()["items"]
    others = (await program.get("/api/jobs?state=completed,failed")).json()["items"]

    assert [one["id"] for one in found] == [job["id"]]
    assert others == []


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("state=sleeping", "sleeping"),
        ("sort=colour", "colour"),
        ("colour=red", "colour"),
        ("cursor=nonsense", "cursor"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=many", "limit"),
        ("limit=1&limit=2", "limit"),
    ],
)
async def test_a_wrong_question_is_refused_naming_it(program: httpx2.AsyncClient, query: str, named: str) -> None:
    answer = await program.get(f"/api/jobs?{query}")

    assert answer.status_code == 422
    assert named in answer.json()["error"]["message"]
