"""Who gets to see a page, and what a page tells those who do not."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import open_live, opened, row_of
from tests.browser.deck import Deck


def test_the_printed_link_signs_in_once_and_only_by_its_button(browser: Browser, deck: Deck) -> None:
    with opened(browser) as newcomer, opened(browser) as latecomer:
        page, late = newcomer.new_page(), latecomer.new_page()
        page.goto(deck.link)
        late.goto(deck.link)

        page.get_by_role("button", name="Sign in with this link").click()
        late.get_by_role("button", name="Sign in with this link").click()

        page.get_by_role("button", name="Skip all of this").click()
        expect(page.locator("#chip")).to_have_text("Live")
        expect(row_of(page, "demo")).to_be_visible()
        expect(late.locator("#problem")).to_contain_text("daemondeck token link")


def test_whoever_is_not_signed_in_is_led_to_the_sign_in_and_then_to_the_page(browser: Browser, deck: Deck) -> None:
    with opened(browser) as newcomer:
        page = newcomer.new_page()
        page.goto(deck.url("/jobs?state=failed"))
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        assert page.locator("script").count() == 0

        newcomer.add_cookies([deck.session()])
        page.goto(deck.url("/jobs?state=failed"))

        expect(page.get_by_text("No job matches")).to_be_visible()


def test_a_viewer_sees_everything_and_has_no_buttons(browser: Browser, deck: Deck) -> None:
    name = deck.add("puppet", says="Looked at by a viewer")
    with opened(browser) as context:
        context.add_cookies([deck.session("viewer")])
        page = context.new_page()

        open_live(page, deck)

        expect(row_of(page, name)).to_contain_text("Looked at by a viewer")
        expect(page.get_by_text("may look only")).to_be_visible()
        assert page.locator("form[data-command] button:visible").count() == 0


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/daemons/nobody", 404, "There is no daemon named nobody."),
        ("/descriptions?state=odd", 422, "There is no state of descriptions called odd."),
        ("/nowhere", 404, "Not Found."),
    ],
)
def test_an_error_page_says_what_is_wrong_and_leads_back(
    page: Page, deck: Deck, path: str, status: int, words: str
) -> None:
    answer = page.goto(deck.url(path))

    assert answer is not None
    assert answer.status == status
    expect(page.get_by_role("heading", level=1)).to_contain_text(words)
    assert page.locator("#chip").count() == 0
    page.get_by_role("link", name="Back to the daemons").click()
    expect(page.locator("#chip")).to_have_text("Live")
