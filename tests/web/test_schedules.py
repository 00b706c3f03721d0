"""Schedules by call, by page and by command: the same words, the same refusals."""

from typing import Any

import httpx2
import pytest

from daemons.service import Service
from web.api.schedules import RunPage, SchedulePage, ScheduleShape, TimesShape

NIGHTLY: dict[str, Any] = {"name": "nightly", "expression": "0 3 * * *", "zone": "Europe/Berlin", "job_type": "echo"}
HOSTILE = '"><script>alert(1)</script>\u202e{{7*7}}'


async def test_a_schedule_is_made_seen_changed_run_and_deleted(program: httpx2.AsyncClient, service: Service) -> None:
    made = await program.post("/api/schedules", json=NIGHTLY)
    assert (made.status_code, made.headers["location"]) == (201, "/api/schedules/nightly")
    ScheduleShape.model_validate(made.json())
    SchedulePage.model_validate((await program.get("/api/schedules")).json())

    changed = await program.patch("/api/schedules/nightly", json={"expression": "15 4 * * *", "revision": 1})
    times = (await program.get("/api/schedules/nightly/next?limit=3")).json()
    started = await program.post("/api/schedules/nightly/run")
    job = await service.orders.wait(started.json()["job_id"])
    runs = (await program.get("/api/schedules/nightly/runs")).json()

    assert changed.json()["in_words"] == "At 04:15 every day"
    assert len(TimesShape.model_validate(times).items) == 3
    assert job.type == "echo"
    assert [run["outcome"] for run in RunPage.model_validate(runs).model_dump()["items"]] == ["ran"]
    assert (await program.delete("/api/schedules/nightly")).status_code == 204
    assert (await program.get("/api/schedules/nightly")).status_code == 404


async def test_a_preview_saves_nothing(program: httpx2.AsyncClient) -> None:
    seen = await program.post("/api/schedules/preview", json={"expression": "*/5 * * * *", "zone": "UTC", "limit": 2})

    assert (seen.status_code, seen.json()["in_words"]) == (200, "Every fifth minute of every hour")
    assert (await program.get("/api/schedules")).json()["items"] == []


@pytest.mark.parametrize(
    "change",
    [
        {"expression": "soon"}, {"expression": "0 0 30 2 *"}, {"zone": "Mars"}, {"job_type": "nothing"},
        {"job_type": None},
        {"name": "No"}, {"name": HOSTILE}, {"missed": "maybe"}, {"kind": "interval"}, {"action": "wake"}, {"colour": 1},
        {"args": {"size": -1}}, {"expression": HOSTILE}, {"expression": "x" * 10_000}, {"zone": "../../etc/passwd"},
    ],
)  # fmt: skip
async def test_what_cannot_work_is_refused_by_name(program: httpx2.AsyncClient, change: dict[str, Any]) -> None:
    refused = await program.post("/api/schedules", json={**NIGHTLY, **change})

    assert refused.status_code == 422
    assert refused.json()["error"]["message"]


async def test_a_stale_edit_names_both_revisions(program: httpx2.AsyncClient) -> None:
    await program.post("/api/schedules", json=NIGHTLY)
    await program.patch("/api/schedules/nightly", json={"enabled": False})

    refused = await program.patch("/api/schedules/nightly", json={"enabled": True, "revision": 1})

    assert refused.status_code == 409
    assert (refused.json()["error"]["expected"], refused.json()["error"]["actual"]) == (1, 2)
    assert (await program.post("/api/schedules", json=NIGHTLY)).status_code == 409


FORM = {
    "name": "nightly", "kind": "cron", "expression": "0 3 * * *", "zone": "Europe/Berlin", "action": "create_job",
    "job_type": "echo", "args": '{"text": "<b>"}', "daemon_name": "", "pause": "", "missed": "once",
}  # fmt: skip


async def test_a_saved_form_leaves_a_schedule_switched_off(browser: httpx2.AsyncClient, service: Service) -> None:
    rest = {**FORM, "action": "pause", "job_type": "", "args": "", "daemon_name": "talker", "pause": "07:00"}
    assert (await browser.post("/schedules", data=rest)).status_code == 303
    assert "until 07:00" in (await browser.get("/schedules")).text
    await browser.post("/schedules/nightly/switch", data={"enabled": "no"})

    saved = await browser.post("/schedules/nightly", data={**_edit(rest), "pause": "8h", "revision": "2"})

    changed = await service.schedules.get("nightly")
    assert saved.status_code == 303
    assert (changed.enabled, changed.action, changed.pause) == (False, "pause", "8h")


async def test_the_pages_do_the_same_without_scripts(browser: httpx2.AsyncClient, service: Service) -> None:
    assert "Nothing is scheduled" in (await browser.get("/schedules")).text
    made = await browser.post("/schedules", data=FORM)
    assert (made.status_code, made.headers["location"]) == (303, "/schedules/nightly")

    page = (await browser.get("/schedules/nightly")).text
    assert "At 03:00 every day" in page
    assert "CE" in page  # CET or CEST, as clocks there show it
    assert (await browser.post("/schedules/nightly/switch", data={"enabled": "no"})).status_code == 303
    stale = await browser.post("/schedules/nightly", data={**_edit(FORM), "expression": "9 9 * * *", "revision": "1"})
    assert stale.status_code == 409
    assert "0 3 * * *, Europe/Berlin" in stale.text and 'value="9 9 * * *"' in stale.text
    assert (await browser.post("/schedules/nightly", data={**_edit(FORM), "revision": "2"})).status_code == 303
    assert (await browser.post("/schedules/nightly/run")).status_code == 303
    assert "ran" in (await browser.get("/schedules/nightly")).text
    assert (await browser.post("/schedules/nightly/remove")).status_code == 303


@pytest.mark.parametrize(
    "wrong", [{"expression": HOSTILE}, {"args": "{"}, {"kind": "moon"}, {"zone": ""}, {"name": "new"}]
)
async def test_a_refused_form_keeps_what_was_typed(browser: httpx2.AsyncClient, wrong: dict[str, str]) -> None:
    page = await browser.post("/schedules", data={**FORM, **wrong})

    assert page.status_code == 422
    assert 'id="problem"' in page.text
    assert "<script>alert" not in page.text
    assert "&lt;b&gt;" in page.text or "args" in wrong


async def test_an_onlooker_changes_nothing(onlooker: httpx2.AsyncClient, service: Service) -> None:
    await service.scheduler.add("nightly", {**_values(), "args": None})

    assert "Change it" not in (await onlooker.get("/schedules/nightly")).text
    assert (await onlooker.post("/schedules", data=FORM)).status_code == 403
    assert (await onlooker.post("/api/schedules/nightly/run")).status_code == 403


def _edit(form: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in form.items() if name != "name"}


def _values() -> dict[str, Any]:
    return {
        **{name: FORM[name] for name in ("kind", "expression", "zone", "action", "job_type", "missed")},
        "enabled": True,
    }
