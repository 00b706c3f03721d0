"""The page never looks alive when the deck is not: requirement 1."""

import signal

from playwright.sync_api import Page, expect

from tests.browser.conftest import Deck
from tests.browser.test_live_page import open_live

VERDICT = 15_000
BACK = 10_000


def expect_offline(page: Page, within: int = VERDICT) -> None:
    expect(page.locator("#chip")).to_have_text("Offline", timeout=within)
    expect(page.locator("#banner-text")).to_contain_text("What you see is as of")
    expect(page.locator("body")).to_have_class("role-operator offline")
    expect(page).to_have_title("Offline · Daemons – Daemondeck")
    assert "icon-offline" in (page.locator("link[rel=icon]").get_attribute("href") or "")
    assert page.locator("form[data-command] button:enabled:not(:focus)").count() == 0
    ages = page.locator("main time[data-as=age]").all_inner_texts()
    assert ages
    assert not [age for age in ages if "ago" in age or "now" in age]


def test_a_killed_deck_is_said_at_once_and_the_page_comes_back_by_itself(page: Page, deck: Deck) -> None:
    open_live(page, deck)
    page.evaluate("window.sameDocument = true")

    deck.kill()
    expect_offline(page)
    deck.start()
    expect(page.locator("#chip")).to_have_text("Live", timeout=BACK)
    deck.ask("change", name="night_watch", current_status="Back at work")

    expect(page.get_by_text("Back at work")).to_be_visible()
    expect(page.locator("#banner-text")).to_be_empty()
    expect(page).to_have_title("(1!) Daemons – Daemondeck")
    assert page.locator("form[data-command] button:disabled").count() == 0
    assert page.evaluate("window.sameDocument")


def test_a_silent_deck_counts_as_gone_and_may_return(page: Page, deck: Deck) -> None:
    open_live(page, deck)

    deck.signal(signal.SIGSTOP)
    expect_offline(page)
    deck.signal(signal.SIGCONT)

    expect(page.locator("#chip")).to_have_text("Live", timeout=BACK)


def test_a_focused_button_keeps_the_focus_and_refuses_while_offline(page: Page, deck: Deck) -> None:
    open_live(page, deck)
    stop = page.locator(".daemon", has_text="Night watch").get_by_role("button", name="Stop")
    stop.focus()

    deck.kill()
    expect_offline(page)
    expect(stop).to_be_focused()
    expect(stop).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("Enter")
    deck.start()

    expect(page.locator("#chip")).to_have_text("Live", timeout=BACK)
    expect(stop).to_be_focused()
    expect(stop).not_to_have_attribute("aria-disabled", "true")
    assert deck.ask("resync") == []


def test_an_ended_session_leads_to_the_sign_in_page(page: Page, deck: Deck) -> None:
    open_live(page, deck)

    deck.ask("end-session")

    expect(page.locator("#banner")).to_contain_text("You are signed out.")
    expect(page.get_by_role("link", name="Sign in again")).to_be_visible()


def test_the_back_button_returns_to_a_live_page(page: Page, deck: Deck) -> None:
    open_live(page, deck)
    page.goto(deck.url("/jobs"))
    expect(page.locator("#chip")).to_have_text("Live")

    page.go_back()
    expect(page.locator("#chip")).to_have_text("Live", timeout=BACK)
    deck.ask("change", name="night_watch", current_status="Seen after going back")

    expect(page.get_by_text("Seen after going back")).to_be_visible()
