"""Requirement 20 on every page: axe clean, no sideways scroll, 44 px targets, both themes, without scripts too.

Pages are found by asking the application for its routes: a new one is looked at from its first day.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect
from starlette.routing import Match, Route

from tests.browser.conftest import COLOURS, EVERYTHING, button, open_live, opened, row_of, violations
from tests.browser.deck import BASE_PATH, Deck
from tests.browser.showcase import open_showcase
from web.app import PAGES

WIDTHS = (1280, 390)
SCHEMES = ("light", "dark")
TARGET = 43.5
"""Points a finger hits; half a point is lost to rounding."""
EXAMPLES = {
    "/daemons/{name}": ["night-watch", "crashing", "asking", "evil", "plugin-tests_browser_no_such_plugin", "nobody"],
    "/daemons/{name}/stop": ["night-watch", "evil"],
    "/daemons/{name}/failures": ["describe-holiday"],
    "/daemons/{name}/metrics": ["describe-holiday"],
    "/daemons/{name}/errors": ["describe_images"],
    "/daemons/{name}/settings": ["describe-holiday"],
    "/jobs/{id}": ["{parent}", "{gated}"],
    "/operations/{id}": ["{operation}"],
    "/descriptions/{id}": ["{described}", "{broken}"],
    "/records/{id}": ["{asking}", "{told}", "{troupe}"],
    "/inbox/{id}": ["{question}"],
    "/types/{type}": ["demo"],
    "/daemons/{name}/remove": ["describe-holiday", "demo"],
    "/people/users/{name}": ["ana"],
    "/people/tokens/{name}/revoke": ["backup"],
    "/schedules/{name}": ["nightly", "nobody"],
    "/notifications/{name}": ["hook", "nobody"],
    "/notifications/{name}/remove": ["hook"],
}
"""What stands for the parameter of a path, and of those below it, where the showcase has it."""
VARIANTS = {
    "/jobs": ["?q=nothing-is-called-this", "?q=state:failed+type:doomed"],
    "/descriptions": ["?view=list"],
    "/records": ["?ladder=troupes", "?ladder=toys", "?ladder=toys&complete=true", "?ladder=stills"],
    "/records/table": ["?ladder=toys&code=ERR_NONE"],
    "/records/figures": ["?ladder=toys"],
    "/records/import": ["?ladder=toys"],
    "/welcome": ["?step=2", "?step=3"],
    "/signin": ["?code=abc"],
}


def addresses() -> list[str]:
    """Return an address for each page, several where it shows different things."""
    found = []
    for route in PAGES:
        assert isinstance(route, Route)
        if "GET" in (route.methods or ()) and route.path != "/":
            filled = [re.sub(r"{\w+}", value, route.path) for value in examples(route.path)]
            found += filled or [route.path, *(route.path + variant for variant in VARIANTS.get(route.path, []))]
    return found


def examples(path: str) -> list[str]:
    """Return what stands for the parameter of `path`: all examples of its own, or the first of the page above it."""
    above = [known for known in EXAMPLES if path.startswith(known + "/")]
    found = EXAMPLES.get(path) or [EXAMPLES[known][0] for known in above[:1]]
    assert found or "{" not in path, f"Say in EXAMPLES what stands for the parameter of {path}."
    return found


@pytest.fixture(scope="module")
def deck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deck]:
    with open_showcase(tmp_path_factory.mktemp("showcase")) as running:
        yield running


@pytest.fixture(scope="module")
def session(deck: Deck) -> Any:
    """One sign-in for all, or the page of sessions grows with each test."""
    return deck.session()


@pytest.fixture(scope="module")
def ids(deck: Deck) -> dict[str, str]:
    """The oldest job of each type, a question, and a command for many jobs."""
    deck.call("POST", "/api/tokens", {"name": "backup"})
    deck.call("POST", "/api/users", {"name": "ana", "role": "operator", "password": "a long walk in the rain"})
    while not (questions := deck.call("GET", "/api/questions")["items"]):  # asked as soon as the job runs
        continue
    jobs = {job["type"]: job["id"] for job in deck.call("GET", "/api/jobs")["items"]}
    bulk = deck.call("POST", "/api/jobs/bulk", {"action": "retry", "q": "state:cancelled"})
    described = dict[str, str]()
    while not {"done", "failed"} <= described.keys():  # the folder is described meanwhile
        described = {one["state"]: one["id"] for one in deck.call("GET", "/api/descriptions?limit=100")["items"]}
    deck.call("PATCH", f"/api/descriptions/{described['done']}", {"description": "Snow below a blue sky."})
    seen = {"described": described["done"], "broken": described["failed"]}
    seen |= {record["title"]: record["id"] for record in deck.call("GET", "/api/records?ladder=toys")["items"]}
    [troupe] = deck.call("GET", "/api/records?ladder=troupes")["items"]
    while "ERR_NO_COSTUME" not in str(deck.call("GET", f"/api/records/{troupe['id']}")["waiting_reason"]):
        continue  # until those below it have climbed as far as they do
    return {**jobs, **seen, "troupe": troupe["id"], "question": questions[0]["id"], "operation": bulk["id"]}


@pytest.fixture(scope="module")
def tabs(browser: Browser, session: Any) -> Iterator[dict[bool, Page]]:
    """A tab that is signed in, and one that is not. Each goes from page to page: to open one takes long."""
    with opened(browser) as inside, opened(browser) as outside:
        inside.add_cookies([session])
        yield {True: inside.new_page(), False: outside.new_page()}


@pytest.mark.parametrize("address", addresses())
def test_it_fits_and_is_accessible(tabs: dict[bool, Page], deck: Deck, ids: dict[str, str], address: str) -> None:
    tab = tabs[not address.startswith("/signin")]
    tab.goto(deck.url(address.format_map(ids)))
    if tab.locator("#chip").count():  # else it is a still page, such as a form
        expect(tab.locator("#chip")).to_have_text("Live")

    check(tab, address)


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


def test_everything_works_without_scripts(browser: Browser, deck: Deck, ids: dict[str, str]) -> None:
    with opened(browser, java_script_enabled=False) as context:
        context.add_cookies([deck.session()])
        page = context.new_page()
        page.goto(deck.url())
        expect(page.locator("#chip")).to_contain_text("As of")
        expect(page.locator("#banner")).to_be_hidden()

        for command, wanted in (("Start", "wanted on"), ("Stop", "wanted off")):
            button(row_of(page, "quiet"), command).click()
            expect(row_of(page, "quiet")).to_contain_text(wanted)
        for address in addresses():
            answer = page.goto(deck.url(address.format_map(ids)))
            assert answer is not None
            assert answer.status == (404 if address.endswith("nobody") else 200), address
            assert [target for target in forms_of(page) if not leads_somewhere(*target)] == [], address


def forms_of(page: Page) -> list[tuple[str, str]]:
    """Return method and path of all that the page's buttons send."""
    sent = page.locator("button:not([type=button])").evaluate_all(
        """buttons => buttons.filter((one) => one.form).map((one) =>
            [one.formMethod || one.form.method, one.getAttribute("formaction") ?? one.form.getAttribute("action")])"""
    )
    return [(method.upper(), urlsplit(path).path) for method, path in sent if method != "dialog"]


def leads_somewhere(method: str, path: str) -> bool:
    """Whether there is a page or a button's route behind a path."""
    scope = {"type": "http", "method": method, "path": path.removeprefix(BASE_PATH), "root_path": ""}
    return any(route.matches(scope)[0] is Match.FULL for route in PAGES)


# Last of all: it ends the deck.


def test_it_is_accessible_while_offline(page: Page, deck: Deck) -> None:
    open_live(page, deck)

    deck.kill()
    expect(page.locator("#chip")).to_have_text("Offline")

    check(page, "offline")


def check(page: Page, name: str) -> None:
    """Look at the page in both widths and themes."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type] # one of the two
            keep_picture(page, f"{re.sub('[^a-z]+', '-', name).strip('-')}-{scheme}-{width}")
            assert violations(page, COLOURS if scheme == "dark" else EVERYTHING) == []
    assert small_targets(page) == []


def small_targets(page: Page) -> list[str]:
    """Return what is too small for a finger; only links within a sentence may be."""
    return list(
        page.locator("button, select, summary, .sections a, input:not([type=hidden])").evaluate_all(
            """(targets, least) => targets.filter((one) => one.checkVisibility({ visibilityProperty: true }))
                .map((one) => one.matches("[type=checkbox], [type=radio]") ? one.closest("label") ?? one : one)
                .filter((one) => one.getBoundingClientRect().height < least)
                .map((one) => one.outerHTML.slice(0, 100))""",
            TARGET,
        )
    )


def keep_picture(page: Page, name: str) -> None:
    """Save what the page looks like, when asked to by DAEMONDECK_SCREENSHOTS=folder."""
    if folder := os.environ.get("DAEMONDECK_SCREENSHOTS"):
        width, height = page.evaluate("[innerWidth, document.documentElement.scrollHeight]")
        size = page.viewport_size
        page.set_viewport_size({"width": width, "height": height + 400})  # rows out of view are not drawn
        page.screenshot(path=Path(folder, f"{name}.png"), full_page=True)
        page.set_viewport_size(size or {"width": width, "height": height})
