"""The first steps on a new deck, by the printed link, with scripts and without; each can be skipped."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import opened, row_of
from tests.browser.deck import Deck
from tests.browser.showcase import take_pictures


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_three_steps_lead_to_a_daemon_at_work_and_are_never_shown_again(
    browser: Browser, tmp_path: Path, scripts: bool
) -> None:
    pictures = take_pictures(tmp_path / "Holiday", 2)
    with Deck(tmp_path / "data") as deck, opened(browser, java_script_enabled=scripts) as context:
        page = context.new_page()
        page.goto(deck.link)
        page.get_by_role("button", name="Sign in with this link").click()

        page.get_by_label("User").fill("ana")
        page.get_by_label("Password").fill("password1")
        page.get_by_role("button", name="Create this admin").click()
        expect(page.get_by_role("alert")).to_contain_text("among the first that guessers try")
        expect(page.get_by_label("User")).to_have_value("ana")
        page.get_by_label("Password").fill("rain on a tin roof")
        page.get_by_role("button", name="Create this admin").click()

        page.get_by_label("Folder on the machine").fill(str(tmp_path / "nowhere"))
        page.get_by_role("button", name="Describe this folder").click()
        expect(page.get_by_role("alert")).to_contain_text("no such folder")
        page.get_by_label("Folder on the machine").fill(str(pictures))
        page.get_by_role("button", name="Describe this folder").click()

        expect(row_of(page, "describe-holiday")).to_contain_text("wanted on")
        page.get_by_role("button", name="Start the demo daemon").click()
        expect(row_of(page, "demo")).to_contain_text("wanted on")
        if scripts:
            expect(row_of(page, "demo").locator(".sentence")).to_contain_text(" ", timeout=15_000)
        page.get_by_role("button", name="Done: show all daemons").click()

        expect(row_of(page, "describe-holiday")).to_be_visible()
        expect(page.locator(".menu summary")).to_have_text("ana")
        page.goto(deck.url("/welcome"))
        expect(page.get_by_role("heading", level=1)).to_have_text("Daemons")
        assert [user["role"] for user in deck.call("GET", "/api/users")["items"]] == ["admin"]


def test_all_of_it_can_be_skipped_for_good(browser: Browser, deck: Deck) -> None:
    with opened(browser) as context:
        page = context.new_page()
        page.goto(deck.link)
        page.get_by_role("button", name="Sign in with this link").click()
        page.get_by_role("link", name="Only on this machine, without a password").click()
        page.get_by_role("link", name="Skip this step").click()
        page.get_by_role("button", name="Done: show all daemons").click()
        expect(page.locator("#chip")).to_have_text("Live")

        page.goto(deck.call("POST", "/api/signin-links", {})["url"])
        page.get_by_role("button", name="Sign in with this link").click()

        expect(page.locator("#chip")).to_have_text("Live")
        expect(page.get_by_role("heading", level=1)).to_have_text("Daemons")
        assert deck.call("GET", "/api/users")["items"] == []
