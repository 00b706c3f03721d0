"""The System page in a browser: the test of the socket, and health that changes while somebody looks."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import opened, violations
from tests.browser.deck import MISCONFIGURED, Deck


def test_it_says_that_the_socket_works_and_tells_what_fails(page: Page, deck: Deck) -> None:
    page.goto(deck.url("/system"))
    expect(page.locator("#socket-test .works")).to_be_visible()
    expect(page.locator("#health .all-well")).to_be_visible()

    deck.add("puppet", MISCONFIGURED)

    expect(page.locator("#health")).to_contain_text(f"{MISCONFIGURED} has failed")
    expect(page.locator("nav [data-signal=system]")).to_have_text("1")
    deck.command(MISCONFIGURED, "stop")
    expect(page.locator("#health .all-well")).to_be_visible()


def test_a_blocked_socket_is_said_with_the_headers_to_add(page: Page, deck: Deck) -> None:
    page.add_init_script("WebSocket = class extends EventTarget { constructor() { super(); } close() {} send() {} }")
    page.clock.install()
    page.goto(deck.url("/system"))
    page.clock.run_for(6_000)

    expect(page.locator("#socket-test .fails")).to_contain_text("proxy_set_header Upgrade")


@pytest.mark.parametrize("path", ["/system", "/system/audit", "/system/diagnostics"])
@pytest.mark.parametrize("width", [1280, 390])
def test_its_pages_fit_and_are_accessible(page: Page, deck: Deck, path: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(deck.url(path))
    if path == "/system/diagnostics":
        page.locator("summary", has_text="about.json").click()

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(page) == []


def test_a_backup_is_made_without_scripts(browser: Browser, deck: Deck) -> None:
    with opened(browser, java_script_enabled=False) as context:
        context.add_cookies([deck.session()])
        page = context.new_page()
        page.goto(deck.url("/system"))
        expect(page.locator("#socket-test .untested")).to_be_visible()

        page.get_by_role("button", name="Back up now").click()

        expect(page.locator("main")).to_contain_text("backups/daemondeck-")
