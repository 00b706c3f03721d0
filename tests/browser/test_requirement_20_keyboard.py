"""Speed, keyboard, screen reader, phone, ambient signal: what single keys, dialogs and themes do.

Axe, sideways scroll and targets are held on every page by test_every_page.py.
"""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import open_live, opened
from tests.browser.deck import Deck


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.textContent.trim() || document.activeElement.id"))


def test_keys_lead_to_sections_rows_search_and_help(page: Page, deck: Deck) -> None:
    open_live(page, deck)

    page.keyboard.press("j")
    first = focused(page)
    page.keyboard.press("j")
    assert focused(page) != first
    page.keyboard.press("k")
    assert focused(page) == first
    page.keyboard.press("/")
    assert focused(page) == "find"
    page.keyboard.type("gj?")
    expect(page.locator("#find")).to_have_value("gj?")
    page.locator("h1").click()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("search jobs")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("g")
    page.keyboard.press("j")

    expect(page).to_have_url(deck.url("/jobs"))


def test_the_keys_can_be_switched_off(page: Page, deck: Deck) -> None:
    open_live(page, deck)
    page.locator("[data-menu] summary").click()
    page.get_by_role("button", name="Switch keyboard shortcuts off").click()
    expect(page.locator("html")).to_have_attribute("data-keys", "off")

    page.keyboard.press("/")

    assert focused(page) != "find"
    page.locator("[data-menu] summary").click()
    page.get_by_role("button", name="Switch keyboard shortcuts on").click()
    expect(page.locator("html")).not_to_have_attribute("data-keys", "off")


@pytest.mark.parametrize("scripts", [True, False])
def test_a_theme_is_chosen_with_and_without_scripts_and_kept(browser: Browser, deck: Deck, scripts: bool) -> None:
    with opened(browser, java_script_enabled=scripts, color_scheme="light") as context:
        context.add_cookies([deck.session()])
        page = context.new_page()
        page.goto(deck.url("/jobs"))
        page.locator("[data-menu] summary").click()
        page.get_by_role("button", name="Dark").click()
        expect(page).to_have_url(deck.url("/jobs"))
        page.goto(deck.url("/daemons"))

        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        assert page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor") == "rgb(20, 23, 27)"


def test_what_a_link_opens_in_a_dialog_is_a_page_without_scripts(browser: Browser, deck: Deck) -> None:
    with opened(browser, java_script_enabled=False) as context:
        context.add_cookies([deck.session()])
        page = context.new_page()
        page.goto(deck.url("/daemons"))

        page.get_by_role("link", name="More").click()

        expect(page).to_have_url(deck.url("/more"))
        expect(page.get_by_role("heading", name="More")).to_be_visible()


def test_one_region_speaks_and_only_of_changes_of_state(page: Page, deck: Deck) -> None:
    name = deck.add("puppet", says="Looking", done=1, total=100)
    open_live(page, deck)
    region = page.locator("[aria-live]:not([id=dialog-problem])")
    assert region.count() == 1
    spoken: list[str] = []
    page.expose_function("spoke", lambda sentence: spoken.append(sentence))
    page.evaluate(
        "new MutationObserver(() => spoke(document.querySelector('#announcer').textContent))"
        ".observe(document.querySelector('#announcer'), {childList: true, characterData: true, subtree: true})"
    )

    deck.tell(name, says="Still looking", done=2, total=100)
    expect(page.locator(".daemon", has_text="Still looking")).to_be_visible()
    deck.command(name, "stop")
    expect(region).to_contain_text(f"{name} is stopped")

    assert not [sentence for sentence in spoken if "ooking" in sentence or "2" in sentence.replace(name, "")]
