"""The list of jobs as a page."""

import httpx2

from daemons.service import Service


async def test_a_wrong_question_stands_above_the_box_that_keeps_it(browser: httpx2.AsyncClient) -> None:
    hostile = 'state:"><script>alert(1)</script> \u202e\U0001f600'

    answer = await browser.get("/jobs", params={"q": hostile})

    assert answer.status_code == 422
    assert "(character 1): there is no job state" in answer.text
    assert 'value="state:&#34;&gt;&lt;script&gt;' in answer.text
    assert "<script>alert" not in answer.text
    assert (await browser.get("/jobs", params={"q": "x" * 10_000})).status_code == 422


async def test_older_links_are_questions_too_and_chips_lead_on(browser: httpx2.AsyncClient, service: Service) -> None:
    await service.orders.create("wait")

    page = (await browser.get("/jobs?type=wait&state=running&daemon=talker")).text

    assert 'value="state:running type:wait daemon:talker"' in page
    assert 'href="/jobs?q=state%3Arunning+daemon%3Atalker"' in page
    assert 'href="/jobs?q=state%3Afailed+type%3Await+daemon%3Atalker"' in page
