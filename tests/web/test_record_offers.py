"""Suggestions in the form of a record: told by the API, put into a field by a button, and never saved by that."""

import html
import re
from typing import Any

import httpx2

from daemons.service import Service
from daemons.workflows.polling.keeper import NewRecord, Origin, Record, Suggestion
from tests.web.toy_ladder import ASKING, add_toys, keeper_of
from web.pages.record_offers import ORIGINS, offers_of

EVIL = '"><script>alert(1)</script>\u202e'


async def add_still(service: Service, name: str, **fields: Any) -> Record:
    """Have a still that waits for a person."""
    keeper = keeper_of(service)
    [record] = await keeper.add([NewRecord("stills", "3 - Metadata Parsed", name, fields=fields)], by="drop folder")
    return await keeper.move(record.id, ASKING, who="Ben")


def offers_in(page: str) -> list[tuple[str, str, str]]:
    """Return name, value and origin of every button of a suggestion."""
    found = re.findall(r'<button name="(use\.[^"]+)" value="([^"]*)".*?</span> <span class="faint">(.*?)</span>', page)
    return [(name, html.unescape(value), html.unescape(origin)) for name, value, origin in found]


async def test_a_record_tells_what_would_fill_its_form(program: httpx2.AsyncClient, service: Service) -> None:
    await add_still(service, "/photos/ice/1.jpg", place="Whitby", keywords=["ice"])
    still = await add_still(
        service, "/photos/ice/boats_in_the_harbour.jpg", caption="Boats.", description="Boats in ice."
    )
    [toy] = await add_toys(service, "harbour")

    told = (await program.get(f"/api/records/{still.code}")).json()["suggestions"]
    toys = (await program.get(f"/api/records/{toy.id}")).json()["suggestions"]

    assert {"field": "title", "value": "Boats", "origin": "from the caption"} in told
    assert {"field": "keywords", "value": ["ice"], "origin": "from 1 other in the same folder"} in told
    assert {"field": "place", "value": "Whitby", "origin": "from 1 other in the same folder"} in told
    assert not [one for one in told if one["field"] in ("caption", "description")], "one is filled, one not asked for"
    assert toys == [
        {"field": "title", "value": "Harbour", "origin": "from the file's name"},
        {"field": "keywords", "value": ["harbour"], "origin": "from the file's name"},
    ]
    assert (await keeper_of(service).get(still.id)).fields == still.fields


async def test_a_button_puts_a_suggestion_into_its_field_and_saves_nothing(
    browser: httpx2.AsyncClient, service: Service
) -> None:
    still = await add_still(service, "/photos/harbour_bridge.jpg")
    form = f"/records/{still.id}/form"

    page = (await browser.get(form)).text
    typed = {"revision": "2", "field.caption": "Mine", "field.keywords": "ice\r\nharbour"}
    title = await browser.post(form, data={**typed, "use.field.title": "Harbour bridge"})
    words = await browser.post(form, data={**typed, "use.field.keywords": "bridge"})
    again = await browser.post(form, data={**typed, "use.field.caption": "Harbour bridge"})

    assert offers_in(page) == [
        ("use.field.title", "Harbour bridge", "from the file's name"),
        ("use.field.keywords", "harbour", "from the file's name"),
        ("use.field.keywords", "bridge", "from the file's name"),
    ]
    assert {answer.status_code for answer in (title, words, again)} == {200}
    assert 'name="field.title" value="Harbour bridge"' in title.text and ">\nMine</textarea>" in title.text
    assert ">\nice\nharbour\nbridge</textarea>" in words.text
    assert ("use.field.caption", "Mine", "what you had written") in offers_in(again.text)
    assert (await keeper_of(service).get(still.id)).fields == {}
    assert (await keeper_of(service).get(still.id)).revision == 2


async def test_what_was_begun_before_a_change_is_still_told_of_it(
    browser: httpx2.AsyncClient, service: Service
) -> None:
    still = await add_still(service, "/photos/harbour.jpg")
    form = f"/records/{still.id}/form"
    await keeper_of(service).edit(still.id, {"title": "Theirs"}, who="Ana")

    chosen = (await browser.post(form, data={"revision": "2", "use.field.title": "Harbour"})).text
    strange = (await browser.post(form, data={"revision": "x", "use.field.title": "Harbour"})).text
    saved = await browser.post(form, data={"revision": "2", "field.title": "Harbour"})

    assert 'name="revision" value="2"' in chosen
    assert 'name="revision" value="3"' in strange
    assert (saved.status_code, "<dd>Theirs</dd>" in saved.text) == (409, True)


async def test_what_strangers_wrote_stays_text(browser: httpx2.AsyncClient, service: Service) -> None:
    await add_still(service, "/photos/a.jpg", place=EVIL)
    still = await add_still(
        service, f"/photos/{EVIL[2:]} harbour.jpg", credit=EVIL, url_title=EVIL, rights="x" * 100_000
    )

    page = (await browser.get(f"/records/{still.id}/form")).text
    posted = (await browser.post(f"/records/{still.id}/form", data={"use.field.title": EVIL})).text

    assert "<script>alert" not in page + posted
    assert EVIL[2:-1] in {name: value for name, value, _ in offers_in(page)}["use.field.creator"]
    assert not [value for _, value, _ in offers_in(page) if "\u202e" in value or len(value) > 2_000]
    for wrong in ({"use.field.sha256": "0"}, {"use.title": "x"}, {"use.": "x"}):
        assert (await browser.post(f"/records/{still.id}/form", data=wrong)).status_code == 422, wrong


async def test_enter_saves_and_who_may_only_look_is_offered_nothing(
    onlooker: httpx2.AsyncClient, service: Service
) -> None:
    [toy] = await add_toys(service, "harbour", status=ASKING)

    page = (await onlooker.get(f"/records/{toy.id}/form")).text
    chosen = await onlooker.post(f"/records/{toy.id}/form", data={"use.field.title": "Harbour"})

    assert not offers_in(page)
    assert chosen.status_code == 403


def test_every_origin_has_its_words() -> None:
    every = [Suggestion("place", "Hull", origin, 2) for origin in Origin]

    assert {one: message for one, message in ORIGINS.items() if one.value != message} == {}
    assert [offer.origin for offer in offers_of(every)["place"]] == [one.sentence for one in every]
