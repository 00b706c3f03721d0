"""Logs by call and by page: searched, around a line, as text with secrets masked."""

import httpx2
import pytest

from daemons.service import Service
from daemons.states import LogLevel

LOGS = "/api/daemons/talker/logs"


async def fill(service: Service, *messages: str, job_id: str | None = None) -> list[int]:
    """Log lines of the talker; return their ids."""
    row = service.board.get("talker").row
    for number, message in enumerate(messages):
        level = LogLevel.ERROR if number % 10 == 9 else LogLevel.INFO
        service.journal.log(level, message, daemon=row, job_id=job_id)
    await service.journal.flush()
    return [line.id for line in await service.journal.lines(daemon_id=row.id, limit=500)]


async def test_text_is_found_and_shown_with_what_stands_around_it(
    browser: httpx2.AsyncClient, service: Service
) -> None:
    ids = await fill(service, *(f"Line {number}: 100%_{number}" for number in range(100)))

    found = (await browser.get(LOGS, params={"q": "100%_5", "limit": 3})).json()
    around = (await browser.get(LOGS, params={"around": ids[50]})).json()
    edge = (await browser.get(LOGS, params={"around": ids[0]})).json()

    assert [line["message"][:7] for line in found["items"]] == ["Line 57", "Line 58", "Line 59"]
    older = (await browser.get(LOGS, params={"q": "100%_5", "before": found["next"], "limit": 50})).json()
    assert len(older["items"]) == 8
    assert [line["id"] for line in around["items"]] == ids[30:71]
    assert [line["id"] for line in edge["items"]] == ids[:21]


@pytest.mark.parametrize(
    "query", ["after=1&before=2", "around=1&after=0", "around=-1", f"around={2**63}", "q=" + "x" * 201]
)
async def test_a_wrong_question_is_refused(browser: httpx2.AsyncClient, query: str) -> None:
    for path in (LOGS, "/daemons/talker/log"):
        assert (await browser.get(f"{path}?{query}")).status_code == 422


async def test_the_page_filters_pages_and_links_to_lines(browser: httpx2.AsyncClient, service: Service) -> None:
    ids = await fill(service, *(f"Line {number:03} <b>" for number in range(300)))

    newest = (await browser.get("/daemons/talker/log")).text
    older = (await browser.get(f"/daemons/talker/log?before={ids[100]}")).text
    errors = (await browser.get("/daemons/talker/log?level=error")).text
    found = (await browser.get("/daemons/talker/log?q=Line+007")).text
    around = (await browser.get(f"/daemons/talker/log?around={ids[7]}")).text

    assert "Line 299 &lt;b&gt;" in newest
    assert f"before={ids[100]}" in newest
    assert 'data-daemon="' in newest
    assert "Line 099" in older
    assert "Line 100" not in older
    assert "Line 298" not in errors
    assert 'data-levels="error"' in errors
    assert found.count('<li id="l-') == 2  # one line, and the one that scripts copy
    assert f'href="/daemons/talker/log?around={ids[7]}#l-{ids[7]}"' in found
    assert "data-daemon=" not in found.split('<ol id="log"')[1].split(">")[0]
    assert "Line 027" in around
    assert "Line 028" not in around


async def test_the_whole_log_is_a_text_file_without_secrets(browser: httpx2.AsyncClient, service: Service) -> None:
    job = (await service.orders.create("wait")).job
    await browser.patch("/api/daemons/talker", json={"configuration": {"password": "swordfish"}})
    await fill(service, "It is swordfish", "password=hunter2 Bearer abcdef123456", "two\nlines", job_id=job.id)
    await fill(service, *(["filler"] * 2_000))

    whole = await browser.get(f"{LOGS}/download")
    part = await browser.get(f"/api/jobs/{job.id}/logs/download?q=LINES")

    assert whole.headers["content-type"] == "text/plain; charset=utf-8"
    assert whole.headers["content-disposition"] == 'attachment; filename="talker.log"'
    assert whole.text.count("filler") == 2_000
    for secret in ("swordfish", "hunter2", "abcdef123456"):
        assert secret not in whole.text
    assert part.text.splitlines()[1:] == ["    lines"]
    assert len(part.text.splitlines()) == 2
    assert (await browser.get("/api/jobs/nothing/logs/download")).status_code == 404


async def test_progress_bars_escapes_and_huge_lines_do_no_harm(browser: httpx2.AsyncClient, service: Service) -> None:
    bar = "".join(f"\rStep {number} of 1000" for number in range(1001))
    await fill(
        service, bar, "one\r\ntwo\r", "\x1b[31mred\x1b[0m \x1b]0;title\x07", "x" * 200_000, "\r" * 50_000 + "end"
    )

    bar_line, two, red, huge, end = [line["message"] for line in (await browser.get(LOGS)).json()["items"]]

    assert bar_line == "Step 1000 of 1000"
    assert two == "one\ntwo"
    assert "\x1b" not in red
    assert "\x07" not in red
    assert (len(huge), huge[-1]) == (8_000, "…")
    assert end == "end"
