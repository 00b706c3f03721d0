"""What a job's own page tells and offers."""

import asyncio
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import update

from daemons.jobs.rows import JOBS
from daemons.service import Service
from daemons.settings import MASK
from daemons.states import JobState, LogLevel
from daemons.values import Attempt, JobDetail
from tests.web.drawn import a_job
from web.pages.job_story import lanes_of, slowness_of

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


def test_attempts_are_drawn_to_one_scale() -> None:
    def attempt(number: int, start: int, end: int | None, outcome: str | None) -> Attempt:
        ended = None if end is None else NOON + timedelta(seconds=end)
        return Attempt(number, "w", NOON + timedelta(seconds=start), ended, outcome, None)

    job = replace(a_job(), state=JobState.RUNNING, created_at=NOON, finished_at=None)
    tries = [attempt(1, 10, 20, "failed"), attempt(2, 50, 50, "lost"), attempt(3, 60, None, None)]
    lanes = lanes_of(JobDetail(job, tries, [], []), NOON + timedelta(seconds=100))

    assert [(lane.x, lane.width, lane.tone) for lane in lanes] == [
        (100, 100, "bad"),
        (500, 1, "warn"),
        (600, 400, "busy"),
    ]
    assert [lane.waited.total_seconds() for lane in lanes] == [10, 30, 10]
    assert [lane.is_under_way for lane in lanes] == [False, False, True]
    # Clocks are set back now and then.
    backwards = lanes_of(JobDetail(job, [attempt(1, -5, -9, "failed")], [], []), NOON - timedelta(hours=1))
    assert [(lane.x, lane.width, lane.waited) for lane in backwards] == [(444, 1, timedelta(0))]


async def test_values_are_trees_in_which_secrets_are_masked(browser: httpx2.AsyncClient, service: Service) -> None:
    hostile = "<script>alert(1)</script>\u202e\U0001f600"
    job_id = await done(service, {"text": hostile})
    row = {"api_token": "swordfish", hostile: [1, {"deep": True}]}
    await service.database.write(
        lambda tx: tx.execute(update(JOBS).where(JOBS.c.id == job_id).values(result=row)).rowcount
    )

    page = (await browser.get(f"/jobs/{job_id}")).text

    assert '<details class="tree" open><summary>' in page
    assert ("swordfish" in page, "<script>alert" in page) == (False, False)
    assert f">&#34;{MASK}&#34;</bdi>" in page
    assert f'id="job-id" class="code faint">{job_id}<' in page
    assert '<button type="button" data-copy="job-id" hidden>' in page


async def test_the_log_of_a_job_can_be_filtered(browser: httpx2.AsyncClient, service: Service) -> None:
    job_id = await done(service, {"text": "hello"})
    for level, message in (
        (LogLevel.INFO, "all is well"),
        (LogLevel.ERROR, "the shelf broke"),
        (LogLevel.ERROR, "why"),
    ):
        service.journal.log(level, message, job_id=job_id)
    await service.journal.flush()

    async def shown(**query: str) -> list[bool]:
        page = (await browser.get(f"/jobs/{job_id}", params=query)).text
        return [message in page for message in ("all is well", "the shelf broke", ">why<")]

    assert await shown() == [True, True, True]
    assert await shown(level="error", q="") == [False, True, True]
    assert await shown(q="shelf") == [False, True, False]
    assert (await browser.get(f"/jobs/{job_id}", params={"level": "loud"})).status_code == 422
    page = (await browser.get(f"/jobs/{job_id}", params={"q": "shelf"})).text
    assert f"/api/jobs/{job_id}/logs/download?q=shelf" in page
    assert "data-job=" not in page
