"""Daemons added and removed on the page, as a browser without scripts does it."""

import html
from typing import Any

import httpx2
import pytest

from daemons.service import Service
from daemons.states import Desired

PATH = "/types/talker"
HOSTILE = '"><script>alert(1)</script>\u202e😀'


def form(**typed: str) -> dict[str, str]:
    """Return what a browser posts of the form."""
    told = {"name": "second", "field.silent_after": "90", "field.sentence": "Looking around", "field.password": ""}
    return told | {name.replace("field_", "field."): text for name, text in typed.items()}


async def test_every_kind_can_be_added(browser: httpx2.AsyncClient, service: Service) -> None:
    page = (await browser.get("/types")).text

    for known in service.registry.types.values():
        assert f'href="/types/{known.name}"' in page
        assert (await browser.get(f"/types/{known.name}")).status_code == 200


async def test_a_daemon_is_added_with_what_differs_from_the_defaults(
    browser: httpx2.AsyncClient, service: Service
) -> None:
    added = await browser.post(PATH, data=form(field_sentence=HOSTILE))

    row = service.board.get("second").row
    assert (added.status_code, added.headers["location"]) == (303, "/daemons/second")
    assert (row.type, row.configuration, row.desired) == ("talker", {"sentence": HOSTILE}, Desired.OFF)


@pytest.mark.parametrize("ticked", ["start", "auto_start"])
async def test_it_is_started_at_once_if_that_is_ticked(
    browser: httpx2.AsyncClient, service: Service, ticked: str
) -> None:
    await browser.post(PATH, data=form(**{ticked: "true"}))

    row = service.board.get("second").row
    assert (row.desired, row.auto_start) == (Desired.ON, ticked == "auto_start")


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"name": "Second"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "talker"}, "name"),
        ({"name": "x" * 64}, "name"),
        ({"name": HOSTILE}, "name"),
        ({"field_silent_after": "-1"}, "silent_after"),
        ({"field_silent_after": "soon"}, "silent_after"),
    ],
)
async def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_added(
    browser: httpx2.AsyncClient, service: Service, typed: dict[str, str], field: str
) -> None:
    before = len(service.board.all())
    refused = await browser.post(PATH, data=form(field_sentence="kept", start="true", **typed))

    wrong = refused.text.split('<div class="field wrong">')[1].split("</div>")[0]
    value: Any = next(iter(typed.values()))
    assert refused.status_code == 422
    assert (field in wrong, html.escape(value).replace("&quot;", "&#34;") in wrong) == (True, True)
    assert 'value="kept"' in refused.text
    assert len(service.board.all()) == before


async def test_what_is_not_known_is_refused(browser: httpx2.AsyncClient) -> None:
    assert (await browser.get("/types/nothing")).status_code == 404
    assert (await browser.post("/types/nothing", data=form())).status_code == 404
    assert (await browser.post(PATH, data=form(colour="red"))).status_code == 422


async def test_a_stopped_daemon_is_removed_and_the_first_of_its_kind_stays(
    browser: httpx2.AsyncClient, service: Service
) -> None:
    await browser.post(PATH, data=form())
    pages = {name: (await browser.get(f"/daemons/{name}/remove")).text for name in ("second", "talker")}
    removed = await browser.post("/daemons/second/remove")
    refused = await browser.post("/daemons/talker/remove")

    assert {name: "<button>Remove" in page for name, page in pages.items()} == {"second": True, "talker": False}
    assert "The first instance of a type cannot be removed." in pages["talker"]
    assert (removed.status_code, removed.headers["location"]) == (303, "/daemons")
    assert (refused.status_code, refused.headers.get("location")) == (409, None)
    assert [one.row.type for one in service.board.all()].count("talker") == 1
