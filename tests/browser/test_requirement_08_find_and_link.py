"""Requirement 08: find anything; link it.

One text query, state included in it, in the URL, saved views; live updates obey the filter and never reorder under the
pointer ("12 new" pill). Test: paste the URL in another browser: same rows; 10 updates/s never move the row under the
pointer.
"""

from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import button, open_live, opened
from tests.browser.deck import BASE_PATH, Deck

ORDERS = 30


def ids_on(page: Page) -> list[str]:
    return page.locator(".job-row").evaluate_all("rows => rows.map(row => row.id)")


def test_the_url_pasted_in_another_browser_shows_the_same_rows(browser: Browser, page: Page, deck: Deck) -> None:
    for _ in range(3):
        deck.order("doomed")
    open_live(page, deck, "/jobs")
    box = page.get_by_role("combobox", name="Which jobs")
    box.fill("type:doomed -state:completed since:1h")
    box.press("Enter")
    page.get_by_role("navigation", name="State").get_by_role("link", name="Failed").click()
    expect(page.locator(".job-row")).to_have_count(3)
    expect(page.get_by_role("combobox", name="Which jobs")).to_have_value("state:failed type:doomed since:1h")
    address = urlsplit(page.url)

    with opened(browser) as other:
        other.add_cookies([deck.session("viewer")])
        theirs = other.new_page()
        theirs.goto(deck.url(f"{address.path.removeprefix(BASE_PATH)}?{address.query}"))
        seen = ids_on(theirs)

    assert seen == ids_on(page)


def test_many_updates_a_second_never_move_the_row_under_the_pointer(page: Page, deck: Deck, tmp_path: Path) -> None:
    watched = deck.order("gated", gate=str(tmp_path / "gate"))
    open_live(page, deck, "/jobs?q=-state:completed")
    row = page.locator(f"#j-{watched}")
    row.hover()
    before, order = row.bounding_box(), ids_on(page)

    for _ in range(ORDERS):
        deck.order("doomed")

    expect(page.get_by_role("link", name=f"{ORDERS} new", exact=True)).to_be_visible()
    assert row.bounding_box() == before
    assert ids_on(page) == order
    # What no longer matches stays where it is, and says so.
    (tmp_path / "gate").touch()
    expect(row).to_have_attribute("data-gone", "no longer matches")
    assert row.bounding_box()["y"] == before["y"]  # type: ignore[index]

    page.get_by_role("link", name=f"{ORDERS} new", exact=True).click()

    expect(row).to_have_count(0)
    assert set(order) - {f"j-{watched}"} < set(ids_on(page))


def test_a_question_that_is_wrong_keeps_what_was_typed(page: Page, deck: Deck) -> None:
    open_live(page, deck, "/jobs")
    page.get_by_role("combobox", name="Which jobs").fill("holiday state:sleeping")
    button(page.locator("main"), "Show").click()

    expect(page.get_by_role("alert")).to_contain_text("state:sleeping (character 9): there is no job state sleeping")
    expect(page.get_by_role("combobox", name="Which jobs")).to_have_value("holiday state:sleeping")
