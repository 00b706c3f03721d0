"""Action needed is an inbox: a badge, a form from the schema, and whoever asked goes on at once.

"Answered on a phone in three taps; the record moves without waiting for the next poll."
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import open_live, opened
from tests.browser.deck import Deck

PHONE = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True}


@pytest.fixture
def phone(browser: Browser, deck: Deck) -> Iterator[Page]:
    with opened(browser, **PHONE) as context:
        context.add_cookies([deck.session()])
        yield context.new_page()


def finished(deck: Deck, page: Page, job_id: str) -> str:
    """Return the state of a job once its page shows that it has ended."""
    page.goto(deck.url(f"/jobs/{job_id}"))
    expect(page.locator(f"#jh-{job_id}[data-state=completed]")).to_be_visible()
    return str(deck.call("GET", f"/api/jobs/{job_id}")["state"])


def test_a_question_is_answered_on_a_phone_in_three_taps_and_the_job_goes_on(phone: Page, deck: Deck) -> None:
    open_live(phone, deck, "/inbox")
    job_id = deck.order("shelve")
    expect(phone.get_by_role("link", name="Where does record 7 belong?")).to_be_visible()

    phone.get_by_role("button", name="keep").tap()

    expect(phone.locator(".question[data-state=answered]")).to_contain_text("owner")
    assert finished(deck, phone, job_id) == "completed"
    assert deck.call("GET", f"/api/jobs/{job_id}")["result"] == {"shelf": "keep"}


def test_a_form_from_the_schema_says_what_is_wrong_beside_the_field(page: Page, deck: Deck) -> None:
    job_id = deck.order("caption")
    page.goto(deck.url("/inbox"))
    page.get_by_role("link", name="What is record 8 called?").click()

    page.get_by_label("Title").fill("ab")
    page.get_by_label("Year").fill("1850")
    page.get_by_label("In colour").uncheck()
    page.get_by_role("button", name="Answer").click()
    expect(page.get_by_role("alert")).to_contain_text("title")
    expect(page.get_by_label("Year")).to_have_value("1850")
    page.get_by_label("Title").fill("Harbour")
    page.get_by_role("button", name="Answer").click()

    page.wait_for_url("**/inbox")
    assert finished(deck, page, job_id) == "completed"
    assert deck.call("GET", f"/api/jobs/{job_id}")["result"] == {"title": "Harbour", "year": 1850, "in_colour": False}


def test_typed_text_stays_while_other_questions_arrive(page: Page, deck: Deck) -> None:
    deck.order("caption")
    open_live(page, deck, "/inbox")
    page.get_by_role("link", name="What is record 8 called?").first.click()
    expect(page.locator("#chip")).to_have_text("Live")
    page.get_by_label("Title").fill("half a tit")

    job_id = deck.order("shelve")
    deck.call("POST", f"/api/jobs/{job_id}/cancel")

    expect(page.get_by_label("Title")).to_have_value("half a tit")
