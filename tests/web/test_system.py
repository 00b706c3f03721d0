"""The System page and its calls: health, backups, the log level, the record, diagnostics without secrets."""

import io
import json
import logging
import sqlite3
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from daemons.access import Role
from daemons.events import ItemChanged
from daemons.findings import Finding
from daemons.keep_awake import TOOLS
from daemons.service import Service, open_service
from daemons.settings import Settings
from daemons.states import LogLevel
from tests.wakeful_tool import Tool, until
from tests.web.conftest import sign_in
from web.api import health as health_calls
from web.api import shapes, system
from web.fragments import fragments_of
from web.templating import Templates

HOSTILE = "<script>alert(1)</script>‮"


@pytest.fixture(autouse=True)
def usual_level() -> Iterator[None]:
    """Put back what a test did to the log of this process."""
    level = logging.getLogger().level
    yield
    logging.getLogger().setLevel(level)


async def test_the_page_tells_what_is_wrong_first_and_the_same_as_the_api(
    browser: httpx2.AsyncClient, service: Service
) -> None:
    service.health.picture.at_start = (Finding("ERR_ODD", "error", f"Odd {HOSTILE}", "Mend it.", link="/jobs"),)
    service.health.look()

    page = (await browser.get("/system")).text
    told = (await browser.get("/api/health")).json()
    figures = (await browser.get("/api/system")).json()

    assert "<script>alert" not in page and "Odd &lt;script&gt;" in page and "Mend it." in page
    assert page.index("Odd") < page.index("Back up now")
    shapes.HealthShape.model_validate(told)
    assert told["items"][0]["code"] == "ERR_ODD" and told["items"][0]["since"]
    system.SystemShape.model_validate(figures)
    assert figures["disks"][0]["path"] == str(service.settings.data_dir)
    badge = page[page.index('data-signal="system"') :]
    assert badge.startswith('data-signal="system">1<')


async def test_it_says_by_what_and_for_what_the_machine_is_kept_awake(
    browser: httpx2.AsyncClient, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    tool = TOOLS[sys.platform][0]
    Tool(tmp_path, tool)

    with service.keep_awake.during("describe_batch"):
        await until(service.keep_awake, lambda says: says.startswith("yes"))
        page = (await browser.get("/system")).text
        figures = (await browser.get("/api/system")).json()

    assert f"by {tool}" in page and "for describe_batch" in page
    assert (figures["keeps_awake"], figures["keeps_awake_by"], figures["keeps_awake_for"]) == (
        True,
        tool,
        ["describe_batch"],
    )
    assert figures["stays_awake"] == f"yes, by {tool}, for describe_batch"


async def test_what_changes_is_drawn_as_on_the_first_load(app: object, service: Service) -> None:
    templates: Templates = app.state.context.templates  # type: ignore[attr-defined]
    finding = Finding("ERR_ODD", "warning", "Odd", since=service.clock.now(), dismissable=True)

    [fragment] = fragments_of(templates, ItemChanged("health", "findings", {"items": [finding.as_dict()]}))

    assert fragment.target_id == "health"
    assert fragment.html == templates.render("partials/health.html", findings=[finding]).strip()


async def test_only_what_does_not_clear_by_itself_is_dismissed(program: httpx2.AsyncClient, service: Service) -> None:
    service.health.picture.at_start = (
        Finding("ERR_DAMAGED", "error", "It was damaged.", dismissable=True),
        Finding("ERR_LASTING", "error", "It lasts."),
    )
    service.health.look()

    answers = [
        await program.post(f"/api/health/{code}/dismiss", json={})
        for code in ("ERR_DAMAGED", "ERR_LASTING", "ERR_NONE")
    ]

    assert [answer.status_code for answer in answers] == [200, 409, 404]
    assert [item["code"] for item in answers[0].json()["items"] if item["severity"] == "error"] == ["ERR_LASTING"]
    assert health_calls.CALLS[-1].command == "daemondeck doctor --dismiss {code}"


async def test_a_backup_is_made_while_the_deck_runs(browser: httpx2.AsyncClient, service: Service) -> None:
    pressed = await browser.post("/system/backup")
    made = await browser.post("/api/system/backup", json={})

    assert (pressed.status_code, pressed.headers["location"]) == (303, "/system#backup")
    copy = Path(made.json()["backup"])
    with sqlite3.connect(copy) as connection:
        [(verdict,)] = connection.execute("PRAGMA integrity_check")
    connection.close()
    assert (made.status_code, verdict) == (201, "ok")
    assert str(copy) in (await browser.get("/system")).text


async def test_the_log_level_goes_back_by_itself_and_at_will(browser: httpx2.AsyncClient, service: Service) -> None:
    changed = await browser.post("/api/system/log-level", json={"level": "debug", "for": 600})
    level = logging.getLogger().level
    shown = (await browser.get("/system")).text
    back = await browser.post("/api/system/log-level", json={"level": "info"})
    refused = [
        await browser.post("/api/system/log-level", json={"level": "loud"}),
        await browser.post("/api/system/log-level", json={"level": "debug", "for": 10_000_000}),
        await browser.post("/system/log-level", data={"level": HOSTILE, "for": "600"}),
    ]

    assert (changed.json()["log_level"], level) == ("debug", logging.DEBUG)
    assert changed.json()["log_level_until"] and "back to usual" in shown
    assert back.json() == {"log_level": "info", "log_level_until": None}
    assert [answer.status_code for answer in refused] == [422, 422, 422]


async def test_the_record_is_read_a_page_at_a_time_and_by_who_and_what(
    browser: httpx2.AsyncClient, service: Service
) -> None:
    for number in range(5):
        await service.access.record("ana", "10.0.0.1", "daemon stop", f"talker-{number}", "done")
    await service.access.record(HOSTILE, "10.0.0.2", "job add", "50% of_all", "refused")

    first = (await browser.get("/api/audit?who=ANA&limit=3")).json()
    rest = (await browser.get("/api/audit", params={"who": "ana", "limit": 3, "cursor": first["next"]})).json()
    by_action = (await browser.get("/api/audit?action=job")).json()
    literal = (await browser.get("/api/audit", params={"action": "%"})).json()
    page = (await browser.get("/system/audit")).text
    strange = await browser.get("/api/audit?cursor=x")

    targets = [entry["target"] for entry in first["items"] + rest["items"]]
    assert targets == [f"talker-{number}" for number in (4, 3, 2, 1, 0)] and rest["next"] is None
    assert [entry["who"] for entry in by_action["items"]] == [HOSTILE]
    assert literal["items"] == []
    assert "<script>alert" not in page and "talker-4" in page
    assert strange.status_code == 422


async def test_a_viewer_sees_health_and_nothing_for_admins(onlooker: httpx2.AsyncClient) -> None:
    page = await onlooker.get("/system")
    refused = [
        await onlooker.get(path)
        for path in ("/system/audit", "/system/diagnostics", "/api/audit", "/api/system/diagnostics")
    ]
    refused.append(await onlooker.post("/system/backup"))

    assert page.status_code == 200 and "/system/audit" not in page.text
    assert [answer.status_code for answer in refused] == [403] * 5


async def test_no_secret_is_in_the_diagnostics(settings: Settings) -> None:
    canaries = {name: f"canary-{name}-7f3a" for name in ("password", "token", "option", "logged", "argument")}
    given = Settings(
        data_dir=settings.data_dir, plugins=settings.plugins, password=canaries["password"], token=canaries["token"]
    )
    async with open_service(given) as service:
        await service.roster.edit("talker", configuration={"password": canaries["option"], "sentence": "Hello"})
        row = service.board.get("talker").row
        service.journal.log(LogLevel.ERROR, f"sent password={canaries['logged']} and {canaries['option']}", daemon=row)
        await service.journal.flush()
        await service.orders.create("echo", {"text": canaries["argument"]})
        file_token = (service.settings.data_dir / "token").read_text().strip()
        files = await service.diagnostics({"version": service.version})
        packed = service.packed(files)

    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    everything = "".join(texts.values())
    assert [canary for canary in [*canaries.values(), file_token] if canary in everything] == []
    assert "Hello" in everything and "talker" in everything
    for name, text in texts.items():
        if name.endswith(".json"):
            json.loads(text)


async def test_the_preview_shows_what_the_zip_holds(guest: httpx2.AsyncClient, service: Service) -> None:

    browser = await sign_in(guest, service, Role.ADMIN)
    service.journal.log(LogLevel.INFO, HOSTILE)
    await service.journal.flush()

    page = (await browser.get("/system/diagnostics")).text
    answer = await browser.get("/api/system/diagnostics")

    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        names = [name.rpartition("/")[2] for name in archive.namelist()]
    assert all(f"<summary>{name}" in page for name in names) and "log.jsonl" in names
    assert "<script>alert" not in page
    assert answer.headers["content-type"] == "application/zip"
