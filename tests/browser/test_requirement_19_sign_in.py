"""Requirement 19: no GET changes state; a viewer sees no buttons and gets 403; reset works on the host.

The last is in acceptance/test_requirement_19_reset_on_the_host.py: it needs no browser.
"""

import httpx2
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import open_live, opened, row_of
from tests.browser.deck import BASE_PATH, Deck
from tests.chaos.deck_process import TOKEN

GOOD = "rain on a tin roof"
OTHER = "nine quiet herons"
SECTIONS = ("daemons", "jobs", "inbox", "descriptions", "people")


def sign_in(page: Page, deck: Deck, name: str, password: str) -> None:
    """Type name and password, and press Enter."""
    page.goto(deck.url("/signin?next=/daemons"))
    page.get_by_label("User").fill(name)
    page.get_by_label("Password").fill(password)
    page.keyboard.press("Enter")


def test_no_get_changes_state(page: Page, deck: Deck) -> None:
    name = deck.add("puppet", says="Not to be changed by looking")
    before = {kind: deck.call("GET", f"/api/{kind}") for kind in ("users", "tokens", "jobs", "types")}
    paths = [path for path, calls in deck.call("GET", "/api/openapi.json")["paths"].items() if "post" in calls]
    with httpx2.Client(headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False) as program:
        for path in paths:
            for place in (path, path.removeprefix("/api")):
                answer = program.get(deck.origin + BASE_PATH + place.replace("{name}", name).replace("{id}", "x"))
                assert answer.status_code < 500, place

    open_live(page, deck)
    expect(row_of(page, name)).to_contain_text("Not to be changed by looking")
    assert {kind: deck.call("GET", f"/api/{kind}") for kind in before} == before


def test_a_viewer_sees_no_buttons_and_gets_403(browser: Browser, deck: Deck) -> None:
    name = deck.add("puppet", says="Looked at by a viewer")
    deck.call("POST", "/api/users", {"name": "vera", "role": "viewer", "password": GOOD})
    with opened(browser) as context:
        page = context.new_page()
        sign_in(page, deck, "Vera", GOOD)
        expect(page.locator("#chip")).to_have_text("Live")
        for path in [*(f"/{section}" for section in SECTIONS), f"/daemons/{name}"]:
            page.goto(deck.url(path))
            buttons = page.locator("main form[method=post] button:visible").all_inner_texts()
            assert set(buttons) <= {"Change my password", "End", "Sign out everywhere else"}, (path, buttons)

        for path in (f"/daemons/{name}/stop", f"/api/daemons/{name}/stop", "/people/users/add", "/api/users"):
            answer = context.request.post(deck.url(path), headers={"Origin": deck.origin})
            assert answer.status == 403, path


def test_a_browser_is_told_when_its_session_ended(browser: Browser, deck: Deck) -> None:
    deck.call("POST", "/api/users", {"name": "otto", "role": "viewer", "password": GOOD})
    with opened(browser) as context:
        page = context.new_page()
        sign_in(page, deck, "otto", GOOD)
        expect(page.locator("#chip")).to_have_text("Live")

        deck.call("POST", "/api/users/otto/password", {"password": OTHER})

        expect(page.locator("#banner-link")).to_be_visible()
        page.locator("#banner-link").click()
        expect(page.locator("#ended")).to_contain_text("Your session ended at")
