"""What holds for each page: fits a phone, has no accessibility fault, works without scripts."""

import os
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Deck

JOB = "/jobs/00000003-0000-0000-0000-000000000001"
PAGES = {
    "daemons": "/daemons",
    "daemon": "/daemons/night_watch",
    "failed-daemon": "/daemons/stash_sync",
    "jobs": "/jobs",
    "job": JOB,
    "descriptions": "/descriptions",
    "signin": "/signin",
    "signin-code": "/signin?code=abc",
    "signin-password": "/signin?mode=password",
}


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_is_accessible(
    page: Page, deck: Deck, name: str, width: int, scheme: Literal["light", "dark"]
) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=scheme)

    page.goto(deck.url(PAGES[name]))
    if not name.startswith("signin"):
        expect(page.locator("#chip")).to_have_text("Live")
    keep_picture(page, f"{name}-{width}-{scheme}")

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = Axe().run(page).response["violations"]
    assert [(fault["id"], [node["target"] for node in fault["nodes"]]) for fault in found] == []


def test_it_is_accessible_while_offline(page: Page, deck: Deck) -> None:
    page.goto(deck.url())
    expect(page.locator("#chip")).to_have_text("Live")

    deck.kill()
    expect(page.locator("#chip")).to_have_text("Offline")
    keep_picture(page, "offline-1280")
    page.set_viewport_size({"width": 390, "height": 844})
    keep_picture(page, "offline-390")

    assert [fault["id"] for fault in Axe().run(page).response["violations"]] == []


def test_it_works_without_scripts(browser: Browser, deck: Deck) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(deck.url())

    page.locator(".daemon", has_text="Cleaner").get_by_role("button", name="Start", exact=True).click()

    expect(page.locator(".daemon", has_text="Cleaner")).to_contain_text("running")
    expect(page.locator("#chip")).to_contain_text("As of")
    context.close()


def keep_picture(page: Page, name: str) -> None:
    """Save what the page looks like, when asked to by DAEMONDECK_SCREENSHOTS=folder."""
    if folder := os.environ.get("DAEMONDECK_SCREENSHOTS"):
        width, height = page.evaluate("[innerWidth, document.documentElement.scrollHeight]")
        size = page.viewport_size
        page.set_viewport_size({"width": width, "height": height + 400})  # rows out of view are not drawn
        page.screenshot(path=Path(folder, f"{name}.png"), full_page=True)
        page.set_viewport_size(size or {"width": width, "height": height})
