"""What holds for each page: fits a phone, has no accessibility fault, works without scripts."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import button, open_live, opened, row_of
from tests.browser.deck import Deck
from tests.browser.showcase import open_showcase

WIDTHS = (1280, 390)
PAGES = {
    "daemons": "/daemons",
    "working-daemon": "/daemons/night-watch",
    "crashing-daemon": "/daemons/crashing",
    "daemons-jobs": "/daemons/describe_images/jobs",
    "daemons-log": "/daemons/night-watch/log",
    "daemons-errors": "/daemons/describe_images/errors",
    "daemons-settings": "/daemons/night-watch/settings",
    "daemons-api": "/daemons/night-watch/api",
    "silent-daemon": "/daemons/asking",
    "hostile-daemon": "/daemons/evil",
    "plug-in": "/daemons/plugin-tests_browser_no_such_plugin",
    "jobs": "/jobs",
    "no-jobs": "/jobs?q=nothing-is-called-this",
    "failed-job": "/jobs/{parent}",
    "running-job": "/jobs/{gated}",
    "descriptions": "/descriptions",
    "people": "/people",
    "welcome": "/welcome",
    "welcome-folder": "/welcome?step=2",
    "welcome-demo": "/welcome?step=3",
    "not-found": "/daemons/nobody",
}
OUTSIDE = {"signin": "/signin", "signin-by-link": "/signin?code=abc"}


@pytest.fixture(scope="module")
def deck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deck]:
    with open_showcase(tmp_path_factory.mktemp("showcase")) as running:
        yield running


@pytest.fixture(scope="module")
def job_ids(deck: Deck) -> dict[str, str]:
    """The oldest job of each type."""
    return {job["type"]: job["id"] for job in deck.call("GET", "/api/jobs")["items"]}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_it_fits_and_is_accessible(
    page: Page, deck: Deck, job_ids: dict[str, str], name: str, scheme: Literal["light", "dark"]
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto(deck.url(PAGES[name].format_map(job_ids)))
    if name != "not-found":
        expect(page.locator("#chip")).to_have_text("Live")

    check(page, f"{name}-{scheme}")


@pytest.mark.parametrize("name", OUTSIDE)
def test_the_way_in_fits_and_is_accessible(browser: Browser, deck: Deck, name: str) -> None:
    with opened(browser) as newcomer:
        page = newcomer.new_page()
        page.goto(deck.url(OUTSIDE[name]))

        check(page, name)


def test_every_daemon_says_what_it_does_or_why_it_does_not(page: Page, deck: Deck) -> None:
    open_live(page, deck)

    expect(row_of(page, "night-watch")).to_contain_text("5 430 / 31 841 17 %", use_inner_text=True)
    expect(row_of(page, "sleeper").locator(".mark")).to_contain_text("sleeping")
    expect(row_of(page, "importer")).to_contain_text("backup tonight")
    expect(row_of(page, "asking").locator(".mark")).to_contain_text("silent")
    expect(row_of(page, "puppet")).to_contain_text("disabled")
    expect(row_of(page, "crashing")).to_contain_text("The library does not answer on port 9999.")
    expect(row_of(page, "plugin-tests_browser_no_such_plugin")).to_contain_text("No module named", timeout=1000)
    expect(row_of(page, "stubborn").locator(".mark")).to_contain_text("stuck", timeout=15_000)
    for row in page.locator(".daemon").all():
        sentences = [text for text in row.locator("p, .clip").all_inner_texts() if text]
        assert len(sentences) == len(set(sentences)), sentences


def test_everything_works_without_scripts(browser: Browser, deck: Deck, job_ids: dict[str, str]) -> None:
    with opened(browser, java_script_enabled=False) as context:
        context.add_cookies([deck.session()])
        page = context.new_page()
        page.goto(deck.url())
        expect(page.locator("#chip")).to_contain_text("As of")
        expect(page.locator("#banner")).to_be_hidden()

        for command, wanted in (("Start", "wanted on"), ("Stop", "wanted off")):
            button(row_of(page, "quiet"), command).click()
            expect(row_of(page, "quiet")).to_contain_text(wanted)
        for name, path in PAGES.items():
            answer = page.goto(deck.url(path.format_map(job_ids)))
            assert answer is not None
            assert answer.status == (404 if name == "not-found" else 200)


# Last of all: it ends the deck.


def test_it_is_accessible_while_offline(page: Page, deck: Deck) -> None:
    open_live(page, deck)

    deck.kill()
    expect(page.locator("#chip")).to_have_text("Offline")

    check(page, "offline")


def check(page: Page, name: str) -> None:
    """Look at the page in both widths."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 844})
        keep_picture(page, f"{name}-{width}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = Axe().run(page).response["violations"]
        assert [(fault["id"], [node["target"] for node in fault["nodes"]]) for fault in found] == []


def keep_picture(page: Page, name: str) -> None:
    """Save what the page looks like, when asked to by DAEMONDECK_SCREENSHOTS=folder."""
    if folder := os.environ.get("DAEMONDECK_SCREENSHOTS"):
        width, height = page.evaluate("[innerWidth, document.documentElement.scrollHeight]")
        size = page.viewport_size
        page.set_viewport_size({"width": width, "height": height + 400})  # rows out of view are not drawn
        page.screenshot(path=Path(folder, f"{name}.png"), full_page=True)
        page.set_viewport_size(size or {"width": width, "height": height})
