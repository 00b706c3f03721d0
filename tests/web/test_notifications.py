"""Notifications by call and by page: for admins, with secrets that never come back."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from daemons.service import Service
from tests.fakes.receiver import Receiver, receiving
from web.api.notifications import DeliveryPage, DeliveryShape, IncidentPage, TargetPage

HOSTILE = '"><script>alert(1)</script>'


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def test_a_target_is_added_tested_changed_and_removed(program: httpx2.AsyncClient, receiver: Receiver) -> None:
    body = {"name": "hook", "kind": "webhook", "url": receiver.url, "secret": "a long secret", "zone": "UTC"}
    made = await program.post("/api/notifications/targets", json=body)
    assert made.status_code == 201, made.text

    sent = await program.post("/api/notifications/targets/hook/test")
    listed = await program.get("/api/notifications/targets")
    log = (await program.get("/api/notifications/deliveries")).json()
    changed = await program.patch("/api/notifications/targets/hook", json={"events": ["input"], "enabled": False})

    assert DeliveryShape.model_validate(sent.json()).outcome == "sent"
    TargetPage.model_validate(listed.json())
    DeliveryPage.model_validate(log)
    IncidentPage.model_validate((await program.get("/api/notifications/incidents")).json())
    assert changed.json()["events"] == ["input"]
    for answer in (made, listed, changed, sent):
        assert "s3cr3t-path" not in answer.text and "a long secret" not in answer.text
    assert (await program.delete("/api/notifications/targets/hook")).status_code == 204
    assert (await program.post("/api/notifications/targets/hook/test")).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "pigeon"},
        {"url": "x"},
        {"events": ["weather"]},
        {"quiet_from": "22:00"},
        {"secret": "short"},
        {"zone": "M"},
    ],
)
async def test_a_wrong_target_is_refused(program: httpx2.AsyncClient, wrong: dict[str, object]) -> None:
    body = {"name": "hook", "kind": "webhook", "url": "http://127.0.0.1:1/", "zone": "UTC", **wrong}

    assert (await program.post("/api/notifications/targets", json=body)).status_code == 422


async def test_the_page_adds_and_tests_without_scripts(browser: httpx2.AsyncClient, receiver: Receiver) -> None:
    assert "Nobody is told anything yet" in (await browser.get("/notifications")).text
    form = {"name": "hook", "kind": "webhook", "url": receiver.url, "zone": "UTC", "topic.input": "yes"}

    made = await browser.post("/notifications", data=form)
    tested = await browser.post("/notifications/hook/test")
    page = (await browser.get("/notifications")).text

    assert (made.status_code, tested.status_code) == (303, 303)
    assert "Daemondeck can reach you" in page
    assert "s3cr3t-path" not in page
    assert (await browser.post("/notifications/hook/switch", data={"enabled": "no"})).status_code == 303
    assert "is dropped" in (await browser.get("/notifications/hook/remove")).text
    assert (await browser.post("/notifications/hook/remove")).status_code == 303


async def test_a_target_is_changed_on_its_page_and_two_editors_hear_of_each_other(
    browser: httpx2.AsyncClient, service: Service, receiver: Receiver
) -> None:
    form = {"name": "hook", "kind": "webhook", "url": receiver.url, "secret": "a long secret", "zone": "UTC"}
    await browser.post("/notifications", data={**form, "topic.input": "yes", "errors_at_once": "yes"})
    page = await browser.get("/notifications/hook")
    assert 'name="topic.input" value="yes" checked' in page.text and "s3cr3t-path" not in page.text

    change = {"revision": "1", "zone": "UTC", "topic.storage": "yes", "quiet_from": "22:00", "quiet_until": "07:00"}
    saved = await browser.post("/notifications/hook", data=change)
    stale = await browser.post("/notifications/hook", data={**change, "quiet_until": "08:15"})

    target = await service.notices.target("hook")
    assert (saved.status_code, stale.status_code) == (303, 409)
    assert (target.events, target.errors_at_once, target.secret) == (["storage"], False, "a long secret")
    assert "22:00–07:00 UTC" in stale.text and 'value="08:15"' in stale.text
    refused = await browser.post("/notifications/hook", data={**change, "revision": "2", "zone": HOSTILE})
    assert refused.status_code == 422 and "<script>alert" not in refused.text
    assert (await browser.post("/notifications/nobody", data=change)).status_code == 404


async def test_a_stale_change_names_both_revisions(program: httpx2.AsyncClient, receiver: Receiver) -> None:
    body = {"name": "hook", "kind": "webhook", "url": receiver.url, "zone": "UTC"}
    assert (await program.post("/api/notifications/targets", json=body)).json()["errors_at_once"] is True
    await program.patch("/api/notifications/targets/hook", json={"errors_at_once": False, "revision": 1})

    refused = await program.patch("/api/notifications/targets/hook", json={"enabled": False, "revision": 1})

    assert refused.status_code == 409
    assert (refused.json()["error"]["expected"], refused.json()["error"]["actual"]) == (1, 2)


async def test_a_refused_form_keeps_what_was_typed_but_no_secret(browser: httpx2.AsyncClient) -> None:
    form = {
        "name": HOSTILE,
        "kind": "webhook",
        "url": "http://user:pass@127.0.0.1/",
        "secret": "a long secret",
        "zone": "UTC",
    }

    page = await browser.post("/notifications", data=form)

    assert page.status_code == 422
    assert "&lt;script&gt;" in page.text and "<script>alert" not in page.text
    assert "a long secret" not in page.text and "user:pass" not in page.text


async def test_only_admins_decide_who_is_told(onlooker: httpx2.AsyncClient, service: Service) -> None:
    body = {"name": "hook", "kind": "webhook", "url": "http://127.0.0.1:1/", "zone": "UTC"}

    assert (await onlooker.post("/api/notifications/targets", json=body)).status_code == 403
    assert (await onlooker.post("/notifications", data=body)).status_code == 403
    assert (await onlooker.get("/notifications")).status_code == 200
