"""Works behind any proxy and sub-path: relative addresses, heartbeat under proxy idle limits, polling fallback.

nginx sub-path, with and without upgrade headers.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import button, opened, row_of
from tests.browser.deck import Deck
from tests.browser.nginx import NGINX, Nginx

pytestmark = pytest.mark.skipif(NGINX is None, reason="no nginx on this machine: apt-get install nginx-light")

IDLE_SECONDS = 7
"""Shorter than what any proxy cuts by default, and longer than the deck is ever silent."""


@pytest.fixture(params=["path kept", "path stripped", "https"])
def nginx(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Nginx]:
    with Nginx(
        tmp_path / "nginx",
        strips=request.param == "path stripped",
        is_tls=request.param == "https",
        idle_seconds=IDLE_SECONDS,
    ) as running:
        yield running


@pytest.fixture
def deck(tmp_path: Path, nginx: Nginx) -> Iterator[Deck]:
    """A deck that is told of its proxy in the two settings there are for it."""
    host = nginx.origin.split("//")[1]
    with Deck(tmp_path / "data", allowed_hosts=host, trusted_proxies="127.0.0.1") as running:
        running.add("puppet", "behind", says="Behind a proxy")
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with opened(browser, ignore_https_errors=True) as context:
        yield context.new_page()


def sign_in(page: Page, deck: Deck, nginx: Nginx) -> None:
    """Sign in through the proxy, as a person does: by the link, with the address they know."""
    page.goto(deck.link.replace(deck.origin, nginx.origin))
    page.get_by_role("button", name="Sign in with this link").click()
    # A new deck leads its owner through the first steps.
    page.wait_for_url(f"{nginx.origin}/deck/**")
    page.get_by_role("link", name="Daemons", exact=True).click()
    expect(page.get_by_role("heading", name="Daemons")).to_be_visible()


def test_a_deck_behind_a_proxy_is_live_and_takes_commands(page: Page, deck: Deck, nginx: Nginx) -> None:
    nginx.start(deck.port)
    sign_in(page, deck, nginx)
    expect(page.locator("#chip")).to_have_text("Live")

    page.locator(".daemon").get_by_role("link", name="behind", exact=True).click()
    expect(page.locator("#chip")).to_have_text("Live")
    assert page.url == f"{nginx.origin}/deck/daemons/behind"
    button(page.locator(".daemon"), "Restart").click()
    deck.tell("behind", says="Seen through the proxy")
    expect(page.locator(".daemon")).to_contain_text("Seen through the proxy")


@pytest.mark.parametrize("nginx", ["path kept"], indirect=True)
def test_a_socket_on_which_nothing_happens_is_not_cut(page: Page, deck: Deck, nginx: Nginx) -> None:
    nginx.start(deck.port)
    sign_in(page, deck, nginx)
    expect(page.locator("#chip")).to_have_text("Live")

    cuts = page.evaluate(
        """() => new Promise((done) => {
            let beats = 0, cuts = 0;
            document.addEventListener("htmx:ws:close", () => { cuts += 1; });
            document.addEventListener("htmx:ws:before:message:incoming", ({ detail }) => {
                if (JSON.parse(detail.message.data).type === "heartbeat" && ++beats === 2) done(cuts);
            });
        })"""
    )

    assert cuts == 0
    expect(page.locator("#chip")).to_have_text("Live")


@pytest.mark.parametrize("nginx", ["path kept"], indirect=True)
def test_where_sockets_are_blocked_the_page_polls_and_stays_honest(page: Page, deck: Deck, nginx: Nginx) -> None:
    nginx.start(deck.port, upgrades=False)
    sign_in(page, deck, nginx)
    expect(page.locator("#chip")).to_have_text("Polling · 5 s", timeout=15_000)
    page.evaluate("window.sameDocument = true")

    deck.tell("behind", says="Read by polling")
    expect(row_of(page, "behind")).to_contain_text("Read by polling", timeout=10_000)
    button(row_of(page, "behind"), "Stop").click()
    expect(row_of(page, "behind").locator(".mark")).to_contain_text("stopped", timeout=10_000)
    deck.kill()
    expect(page.locator("#chip")).to_have_text("Offline", timeout=15_000)
    expect(page.locator("#banner-text")).to_contain_text("What you see is as of")
    deck.start()
    expect(page.locator("#chip")).to_have_text("Polling · 5 s", timeout=10_000)
    nginx.stop()
    expect(page.locator("#chip")).to_have_text("Offline", timeout=15_000)
    nginx.start(deck.port)

    expect(page.locator("#chip")).to_have_text("Live", timeout=10_000)
    assert page.evaluate("window.sameDocument")
