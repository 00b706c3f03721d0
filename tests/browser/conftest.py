"""A real Chromium, and a real deck to look at with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect, sync_playwright

from tests.browser.chromium import ARGUMENTS, CHROMIUM
from tests.browser.deck import Deck

EVERYTHING: dict[str, Any] = {"rules": {"label-content-name-mismatch": {"enabled": True}}}
"""Also that what is read out begins as what is seen, for people who speak to their machine."""
COLOURS: dict[str, Any] = {"runOnly": ["color-contrast"]}
"""What of axe's findings depends on the theme."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        # Playwright switches the back/forward cache off; people have it on.
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=ARGUMENTS, ignore_default_args=["--disable-back-forward-cache"]
        )
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def deck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deck]:
    """A deck for all tests of a module; each adds daemons of its own."""
    with Deck(tmp_path_factory.mktemp("deck")) as running:
        yield running


@pytest.fixture
def context(browser: Browser, deck: Deck) -> Iterator[BrowserContext]:
    """A browser that is signed in to the deck."""
    with opened(browser) as context:
        context.add_cookies([deck.session()])
        yield context


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


@contextmanager
def opened(browser: Browser, **settings: Any) -> Iterator[BrowserContext]:
    """Open a browser without cookies. No script may fail in it, and nothing break the Content-Security-Policy."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **settings})
    faults: list[str] = []
    context.on("weberror", lambda failure: faults.append(str(failure.error)))
    context.on("console", lambda message: faults.extend(_policy_breach(message)))
    yield context
    context.close()
    assert faults == []


def _policy_breach(message: ConsoleMessage) -> list[str]:
    return [message.text] if "Content Security Policy" in message.text else []


def open_live(page: Page, deck: Deck, path: str = "/daemons") -> None:
    """Open a page and return once it is live."""
    page.goto(deck.url(path))
    expect(page.locator("#chip")).to_have_text("Live")


@contextmanager
def read_again(page: Page) -> Iterator[None]:
    """Leave once the page has read itself again, and drawn what came, because of what happens within."""
    title = page.get_by_role("heading", level=1)
    words = title.inner_text()
    title.evaluate("title => { title.textContent = 'not read again yet' }")
    yield
    expect(title).to_have_text(words)


def row_of(page: Page, name: str) -> Locator:
    """Return the row of the daemon of that name."""
    return page.locator(".daemon", has=page.get_by_role("link", name=name, exact=True))


def button(row: Locator, name: str) -> Locator:
    return row.get_by_role("button", name=name, exact=True)


def commands_of(page: Page) -> list[str]:
    """Return the list in which each command that the page sends from now on appears: "start", "stop"."""
    sent: list[str] = []
    page.on("request", lambda asked: sent.extend([asked.url.rsplit("/", 1)[1]] * (asked.method == "POST")))
    return sent


def toasts_of(page: Page) -> list[str]:
    """Return the list in which all that the page says of itself from now on appears, as it is spoken."""
    said: list[str] = []
    page.expose_function("toast", lambda text: said.append(text))
    page.evaluate(
        "new MutationObserver(() => toast(document.getElementById('announcer').textContent))"
        ".observe(document.getElementById('announcer'), {childList: true, characterData: true, subtree: true})"
    )
    return said


def violations(page: Page, options: dict[str, Any] = EVERYTHING) -> list[Any]:
    """Return what axe finds wrong with a page: rule and places of each."""
    # A page that has it already need not read half a megabyte of it again.
    axe = Axe("0") if page.evaluate("'axe' in window") else Axe()
    # Else it also describes every element that is right, which takes much of its time.
    found = axe.run(page, options={**options, "resultTypes": ["violations"]}).response["violations"]
    return [(fault["id"], [node["target"] for node in fault["nodes"]]) for fault in found]


def place_of(page: Page, selector: str) -> dict[str, float]:
    """Return where the first such element stands."""
    box = page.locator(selector).first.bounding_box()
    assert box
    return dict(box)
