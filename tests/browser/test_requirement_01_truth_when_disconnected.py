"""Never look alive when disconnected: banner, greyed rows with "as of", frozen timers, disabled buttons, changed title.

Kill server; all five within 15 s; restart; live within 10 s, no reload.
"""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import button, commands_of, open_live, place_of, row_of, toasts_of
from tests.browser.deck import MISCONFIGURED, Deck

VERDICT = 15_000
BACK = 10_000


@pytest.fixture
def deck(tmp_path: Path) -> Iterator[Deck]:
    """A deck of the test's own, to be killed, with a daemon at work and one that failed."""
    with Deck(tmp_path) as running:
        running.add("puppet", "night-watch", says="Describing item 3 of 25", done=3, total=25)
        running.add("puppet", MISCONFIGURED)
        yield running


def expect_offline(page: Page) -> None:
    expect(page.locator("#chip")).to_have_text("Offline", timeout=VERDICT)
    expect(page.locator("#banner-text")).to_contain_text("What you see is as of")
    expect(page.locator("body")).to_have_class("role-admin offline")
    expect(page).to_have_title("Offline · Daemons – Daemondeck")
    assert "icon-offline" in (page.locator("link[rel=icon]").get_attribute("href") or "")
    assert page.locator("form[data-command] button:enabled:not(:focus)").count() == 0
    ages = page.locator("main time[data-as=age]").all_inner_texts()
    assert ages
    assert not [age for age in ages if "ago" in age or "now" in age]


def test_a_killed_deck_is_said_at_once_and_the_page_comes_back_by_itself(page: Page, deck: Deck) -> None:
    open_live(page, deck)
    page.evaluate("window.sameDocument = true")
    toasts = toasts_of(page)

    deck.kill()
    expect_offline(page)
    toasts.clear()
    deck.start()
    expect(page.locator("#chip")).to_have_text("Live", timeout=BACK)
    deck.tell("night-watch", says="Back at work")

    expect(row_of(page, "night-watch")).to_contain_text("Back at work")
    expect(page.locator("#banner")).to_be_hidden()
    expect(page).to_have_title("1 failed · Daemons – Daemondeck")
    assert page.locator("form[data-command] button:disabled").count() == 0
    assert page.evaluate("window.sameDocument")
    assert len([toast for toast in toasts if toast]) <= 1


def test_nothing_jumps_on_a_phone_and_reconnect_now_does(page: Page, deck: Deck) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    open_live(page, deck)
    places = [place_of(page, selector) for selector in ("h1", ".daemon", ".sections")]

    deck.kill()
    expect_offline(page)
    banner = page.locator("#banner").bounding_box()
    assert banner
    assert banner["y"] + banner["height"] <= place_of(page, "h1")["y"]
    assert [place_of(page, selector) for selector in ("h1", ".daemon", ".sections")] == places
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert "grayscale" in page.locator("main").evaluate("main => getComputedStyle(main).filter")
    expect(page.locator("#banner-retry")).to_be_visible()
    deck.start()
    page.locator("#banner-retry").evaluate("retry => retry.click()")  # by itself the page tries every 4 s

    expect(page.locator("#chip")).to_have_text("Live", timeout=2500)


def test_a_form_without_buttons_is_not_sent_while_offline(page: Page, deck: Deck) -> None:
    open_live(page, deck)
    sent = commands_of(page)

    deck.kill()
    expect_offline(page)
    page.locator(".daemon form").first.evaluate(
        "form => { form.removeAttribute('data-command'); form.requestSubmit() }"
    )

    assert sent == []
    expect(page.locator("h1")).to_have_text("Daemons")


def test_what_happened_while_it_was_away_is_on_the_page_that_comes_back(page: Page, deck: Deck) -> None:
    open_live(page, deck, "/daemons/night-watch")

    deck.kill()
    expect(page.locator("#chip")).to_have_text("Offline")
    deck.start()
    deck.command("night-watch", "stop")

    expect(page.locator("#chip")).to_have_text("Live", timeout=BACK)
    expect(page.locator(".daemon .mark")).to_contain_text("stopped")


def test_a_silent_deck_counts_as_gone_and_may_return(page: Page, deck: Deck) -> None:
    open_live(page, deck)

    deck.signal(signal.SIGSTOP)
    expect_offline(page)
    deck.signal(signal.SIGCONT)

    expect(page.locator("#chip")).to_have_text("Live", timeout=BACK)


def test_a_page_that_wakes_hears_the_deck_before_it_calls_it_lost(page: Page, deck: Deck) -> None:
    page.clock.install()
    open_live(page, deck)
    toasts = toasts_of(page)

    page.clock.fast_forward(60_000)
    deck.tell("night-watch", says="Still at work")

    expect(row_of(page, "night-watch")).to_contain_text("Still at work")
    assert [toast for toast in toasts if toast] == []


def test_a_deck_that_went_while_the_page_slept_is_said_soon_after_waking(page: Page, deck: Deck) -> None:
    page.clock.install()
    open_live(page, deck)
    deck.signal(signal.SIGSTOP)

    for _ in range(2):  # a tab in the background sleeps from one beat to the next
        page.clock.fast_forward(60_000)

    expect_offline(page)


def test_a_focused_button_keeps_the_focus_and_refuses_while_offline(page: Page, deck: Deck) -> None:
    open_live(page, deck)
    stop = button(row_of(page, "night-watch"), "Stop")
    stop.focus()
    sent = commands_of(page)

    deck.kill()
    expect_offline(page)
    expect(stop).to_be_focused()
    expect(stop).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("Enter")
    deck.start()

    expect(page.locator("#chip")).to_have_text("Live", timeout=BACK)
    expect(stop).to_be_focused()
    expect(stop).not_to_have_attribute("aria-disabled", "true")
    assert sent == []


def test_the_back_button_returns_to_a_live_page(page: Page, deck: Deck) -> None:
    open_live(page, deck)
    open_live(page, deck, "/jobs")

    page.go_back()
    expect(page.locator("#chip")).to_have_text("Live", timeout=BACK)
    deck.tell("night-watch", says="Seen after going back")

    expect(row_of(page, "night-watch")).to_contain_text("Seen after going back")


def test_signing_out_in_one_tab_ends_the_other_within_a_second(page: Page, context: BrowserContext, deck: Deck) -> None:
    open_live(page, deck)
    other = context.new_page()
    open_live(other, deck, "/jobs")

    other.locator("[data-menu] summary").click()
    other.get_by_role("button", name="Sign out").click()
    expect(other).to_have_url(deck.url("/signin"))

    expect(page.locator("#banner")).to_contain_text("You are signed out.", timeout=1000)
    expect(page.get_by_role("link", name="Sign in again")).to_be_visible()
    expect(page.locator("#chip")).to_have_text("Offline")
