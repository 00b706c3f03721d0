"""What a job's own page tells and offers."""

import asyncio
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from daemons.service import Service
from daemons.settings import MASK
from daemons.values import JobDetail
from tests.web.drawn import a_job
from web.pages.job_story import slowness_of

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def done(service: Service, args: Any) -> str:
    job = (await service.orders.create("echo", args)).job
    async with asyncio.timeout(10):
        return (await service.orders.wait(job.id)).id


async def test_the_page_tells_what_happened_and_where(browser: httpx2.AsyncClient, service: Service) -> None:
    job_id = await done(service, {"text": "hello"})

    page = " ".join((await browser.get(f"/jobs/{job_id}")).text.split())

    assert "attempt 1 claimed by " in page
    assert f":{os.getpid()}" in page
    assert "attempt 1 completed" in page
    assert "last heard of" in page
    assert "Why is it slow?" not in page


async def test_a_duplicate_takes_changed_arguments(browser: httpx2.AsyncClient, service: Service) -> None:
    job_id = await done(service, {"text": "hello"})
    form = (await browser.get(f"/jobs/{job_id}/duplicate")).text

    made = await browser.post(f"/jobs/{job_id}/duplicate", data={"args": '{"text": "again"}', "priority": "-3"})
    copy = await service.jobs.get(made.headers["location"].rsplit("/", 1)[1])

    assert "&#34;text&#34;: &#34;hello&#34;" in form
    assert (made.status_code, copy.type, copy.priority) == (303, "echo", -3)
    assert copy.args == {"text": "again", "size": 0}


@pytest.mark.parametrize(
    ("args", "priority"),
    [
        ("{text}", "0"),
        ('{"text": 5}', "0"),
        ("{}", "high"),
        ("{}", "1001"),
        ("[" * 500, "0"),
        ('{"text": "\\ud800"}', "0"),
    ],
)
async def test_a_wrong_duplicate_is_refused_with_what_was_typed(
    browser: httpx2.AsyncClient, service: Service, args: str, priority: str
) -> None:
    job_id = await done(service, {"text": "hello"})

    answer = await browser.post(f"/jobs/{job_id}/duplicate", data={"args": args, "priority": priority})

    assert (answer.status_code, 'id="problem"' in answer.text) == (422, True)
    assert args.replace('"', "&#34;") in answer.text


async def test_an_ended_job_is_removed_from_its_page(browser: httpx2.AsyncClient, service: Service) -> None:
    job_id = await done(service, {"text": MASK})

    removed = await browser.post(f"/jobs/{job_id}/remove")

    assert (removed.status_code, removed.headers["location"]) == (303, "/jobs?q=")
    assert (await browser.get(f"/jobs/{job_id}")).status_code == 404


@pytest.mark.parametrize(("seconds", "middle", "is_slow"), [(10, 4.0, True), (10, 6.0, False), (10, None, False)])
def test_a_job_is_slow_beside_the_others_of_its_type(seconds: int, middle: float | None, is_slow: bool) -> None:
    job = replace(a_job(), started_at=NOON, finished_at=NOON + timedelta(seconds=seconds))

    told = slowness_of(JobDetail(job), middle, NOON)

    assert (told is not None) is is_slow
