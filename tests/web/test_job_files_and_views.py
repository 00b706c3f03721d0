"""Jobs as files, saved views, and the secrets that neither shows."""

import csv
import io
import json

import httpx2
import pytest
from sqlalchemy import insert

from daemons.jobs.rows import JOBS
from daemons.service import Service
from daemons.settings import MASK
from web.masks import masked, unmasked

HOSTILE = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "<script>alert(1)</script>",
    "\u202e\U0001f600",
    'a "b", c\nd',
]


async def store(service: Service, keys: list[str], **details: object) -> None:
    now = service.clock.now()
    row = {"type": "echo", "lane": "default", "state": "completed", "args": {}, "max_attempts": 3, "attempt": 1}
    row |= {"on_stop": "continue", "run_after": now, "created_at": now, "finished_at": now, "worker": "w", **details}
    rows = [{**row, "id": f"stored-{n}", "key": key} for n, key in enumerate(keys)]
    await service.database.write(lambda tx: tx.execute(insert(JOBS), rows).rowcount)


async def test_no_cell_of_a_csv_is_a_formula_and_json_has_all_as_it_is(
    program: httpx2.AsyncClient, service: Service
) -> None:
    await store(service, HOSTILE, args={"text": "=2+2"}, result="=3+3")

    as_csv = await program.get("/api/jobs/export", params={"q": "type:echo"})
    as_json = (await program.get("/api/jobs/export", params={"format": "json", "q": "state:completed"})).json()
    rows = list(csv.DictReader(io.StringIO(as_csv.text, newline="")))

    assert as_csv.headers["content-disposition"] == 'attachment; filename="jobs.csv"'
    assert [row["key"].lstrip("'") for row in reversed(rows)] == HOSTILE
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert [job["key"] for job in reversed(as_json)] == HOSTILE
    assert rows[0]["result"] == "'=3+3"


async def test_a_file_has_all_pages_of_the_list_and_an_empty_one_is_whole(
    program: httpx2.AsyncClient, service: Service
) -> None:
    await store(service, [f"k{n}" for n in range(1_200)])

    found = (await program.get("/api/jobs/export?format=json&q=type:echo")).json()
    none = (await program.get("/api/jobs/export?format=json&q=type:nothing")).json()
    refused = await program.get("/api/jobs/export?q=state:sleeping")

    assert (len(found), len({job["id"] for job in found}), none) == (1_200, 1_200, [])
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "ERR_BAD_QUERY")


async def test_secrets_are_shown_nowhere(browser: httpx2.AsyncClient, service: Service) -> None:
    secret = {"url": "http://a.b", "api_key": "hush-1", "nested": [{"password": "hush-2", "tokens": 17}]}
    await store(service, ["one"], args=secret, result={"session_token": "hush-3"})

    shown = [
        (await browser.get(path)).text
        for path in (
            "/api/jobs",
            "/api/jobs/stored-0",
            "/api/jobs/export?format=csv",
            "/api/jobs/export?format=json",
            "/jobs",
            "/jobs/stored-0",
        )
    ]

    assert not [text for text in shown if "hush" in text]
    assert all(MASK in text for text in shown[:4])
    assert json.loads(shown[1])["args"]["nested"][0]["tokens"] == 17
    assert unmasked(masked(secret), secret) == secret


async def test_a_view_is_saved_replaced_shown_first_and_removed(browser: httpx2.AsyncClient) -> None:
    saved = await browser.post(
        "/jobs/views", data={"name": "Failed <b>today</b>", "q": "state:failed", "is_default": "yes"}
    )
    first = await browser.get("/jobs")
    page = (await browser.get("/jobs?q=")).text
    again = await browser.post("/api/views", json={"name": "Failed <b>today</b>", "query": "state:failed since:1h"})
    views = (await browser.get("/api/views")).json()["items"]
    removed = await browser.post(f"/jobs/views/{views[0]['id']}/remove")

    assert saved.headers["location"] == "/jobs?q=state%3Afailed"
    assert (first.status_code, first.headers["location"]) == (303, "/jobs?q=state%3Afailed")
    assert "Failed &lt;b&gt;today" in page
    assert again.status_code == 201
    assert [(view["query"], view["is_default"]) for view in views] == [("state:failed since:1h", False)]
    assert removed.status_code == 303
    assert (await browser.get("/api/views")).json()["items"] == []
    assert (await browser.delete("/api/views/nothing")).status_code == 404


@pytest.mark.parametrize(
    "form", [{"name": "x", "q": "state:sleeping"}, {"name": " ", "q": ""}, {"name": "x" * 101, "q": ""}]
)
async def test_a_wrong_view_is_refused_with_what_was_typed(browser: httpx2.AsyncClient, form: dict[str, str]) -> None:
    answer = await browser.post("/jobs/views", data=form)

    assert (answer.status_code, 'id="problem"' in answer.text) == (422, True)
    assert f'value="{form["q"]}"' in answer.text
