"""A daemon's settings form, as a browser without scripts uses it."""

import html
import re

import httpx2
import pytest

from daemons.service import Service
from daemons.settings import Settings

PATH = "/daemons/talker/settings"
HOSTILE = '"><script>alert(1)</script>\u202e😀'


def form(service: Service, step: str = "review", **typed: str) -> dict[str, str]:
    """Return what a browser posts of the form."""
    revision = service.board.get("talker").row.configuration_revision
    told = {"field.silent_after": "90", "field.sentence": "Looking around", "field.password": ""}
    return {"step": step, "revision": str(revision), **told, **{f"field.{name}": text for name, text in typed.items()}}


async def test_a_change_is_reviewed_and_then_saved(browser: httpx2.AsyncClient, service: Service) -> None:
    page = (await browser.get(PATH)).text
    assert 'name="field.sentence"' in page
    assert "Now: default." in page

    review = await browser.post(PATH, data=form(service, sentence=HOSTILE))
    assert (review.status_code, "<script>alert" in review.text) == (200, False)
    assert f"<ins>{html.escape(HOSTILE)}</ins>".replace("&quot;", "&#34;") in review.text
    assert service.board.get("talker").row.configuration == {}
    again = dict(re.findall(r'type="hidden" name="(field[^"]+|revision)" value="([^"]*)"', review.text))
    saved = await browser.post(
        PATH, data={name: html.unescape(text) for name, text in again.items()} | {"step": "save"}
    )

    assert (saved.status_code, saved.headers["location"]) == (303, PATH)
    assert service.board.get("talker").row.configuration == {"sentence": HOSTILE}
    assert "Now: set here." in (await browser.get(PATH)).text


async def test_what_is_the_default_again_is_not_set_any_more(browser: httpx2.AsyncClient, service: Service) -> None:
    await browser.post(PATH, data=form(service, "save", sentence="Hello", silent_after="30"))
    await browser.post(PATH, data=form(service, "save", silent_after="30"))

    assert service.board.get("talker").row.configuration == {"silent_after": 30.0}


@pytest.mark.parametrize("typed", [{"silent_after": "-1"}, {"silent_after": "soon"}, {"silent_after": "nan"}])
async def test_what_is_wrong_is_said_beside_its_field(
    browser: httpx2.AsyncClient, service: Service, typed: dict[str, str]
) -> None:
    for step in ("review", "save"):
        refused = await browser.post(PATH, data=form(service, step, sentence=HOSTILE + "x" * 10_000, **typed))

        assert refused.status_code == 422
        assert 'id="option-silent_after"' in refused.text
        wrong = refused.text.split('<div class="field wrong">')[1].split("</div>")[0]
        assert f'value="{typed["silent_after"]}"' in wrong
        assert "<strong" in wrong
        assert "<script>alert" not in refused.text
    assert service.board.get("talker").row.configuration == {}


@pytest.mark.parametrize("wrong", [{"step": "leap"}, {"revision": ""}, {"revision": "١"}, {"colour": "red"}])
async def test_a_form_that_is_not_ours_is_refused(
    browser: httpx2.AsyncClient, service: Service, wrong: dict[str, str]
) -> None:
    assert (await browser.post(PATH, data=form(service) | wrong)).status_code == 422


async def test_a_stale_edit_shows_both_values_and_keeps_what_was_typed(
    browser: httpx2.AsyncClient, service: Service
) -> None:
    mine = form(service, "save", sentence="What I typed")
    await browser.post(PATH, data=form(service, "save", sentence="What you saved"))

    refused = await browser.post(PATH, data=mine)

    assert refused.status_code == 409
    assert "<del>What you saved</del>" in refused.text
    assert "<ins>What I typed</ins>" in refused.text
    assert 'value="What I typed"' in refused.text
    assert service.board.get("talker").row.configuration == {"sentence": "What you saved"}
    assert (await browser.post(PATH, data=form(service, "save", sentence="What I typed"))).status_code == 303


async def test_a_secret_never_comes_back(browser: httpx2.AsyncClient, service: Service) -> None:
    review = await browser.post(PATH, data=form(service, password="swordfish"))
    assert "swordfish" not in review.text
    assert 'type="password"' in review.text
    await browser.post(PATH, data=form(service, "save", password="swordfish"))
    assert service.board.get("talker").row.configuration == {"password": "swordfish"}

    page = (await browser.get(PATH)).text
    await browser.post(PATH, data=form(service, "save", sentence="Hello"))

    assert "swordfish" not in page
    assert "Now: set." in page
    assert service.board.get("talker").row.configuration == {"password": "swordfish", "sentence": "Hello"}


async def test_what_the_environment_fixes_is_shown_and_cannot_be_changed(
    browser: httpx2.AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAEMONDECK_DAEMONS__TALKER__SENTENCE", "As the machine says")
    service.settings = Settings(data_dir=service.settings.data_dir)

    page = (await browser.get(PATH)).text
    posted = form(service, "save", silent_after="30")
    refused = await browser.post(PATH, data=posted)
    del posted["field.sentence"]
    saved = await browser.post(PATH, data=posted)

    assert "Fixed by DAEMONDECK_DAEMONS__TALKER__SENTENCE" in page
    assert re.search(r'value="As the machine says"[^>]* disabled', page)
    assert refused.status_code == 422
    assert saved.status_code == 303
    assert service.board.get("talker").row.configuration == {"silent_after": 30.0}


async def test_switches_are_switched(browser: httpx2.AsyncClient, service: Service) -> None:
    answer = await browser.post("/daemons/talker/switches", data={"auto_start": "true", "vital": "true"})

    row = service.board.get("talker").row
    assert (answer.status_code, answer.headers["location"]) == (303, PATH)
    assert (row.enabled, row.auto_start, row.vital) == (False, True, True)


async def test_an_onlooker_changes_nothing(onlooker: httpx2.AsyncClient, service: Service) -> None:
    assert (await onlooker.get(PATH)).status_code == 200
    assert (await onlooker.post(PATH, data=form(service, "save", sentence="Mine"))).status_code == 403
    assert (await onlooker.post("/daemons/talker/switches", data={})).status_code == 403
