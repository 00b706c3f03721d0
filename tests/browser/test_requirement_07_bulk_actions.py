"""Requirement 07: bulk actions that do what they say.

Acts on ids frozen at the moment of confirm; dialog says "Retry 1 204 failed jobs of video_analysis"; runs as a visible,
cancellable operation. Test: a job that fails while the dialog is open is not touched.
"""

from playwright.sync_api import Page, expect

from tests.browser.conftest import button, open_live
from tests.browser.deck import Deck


def test_a_job_that_fails_while_the_dialog_is_open_is_not_touched(page: Page, deck: Deck) -> None:
    meant = [deck.order("doomed") for _ in range(3)]
    open_live(page, deck, "/jobs?q=type:doomed+state:failed")
    expect(page.locator(".job-row")).to_have_count(3)

    button(page.locator("#bulk"), "Retry all matching…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading")).to_have_text("Retry 3 failed jobs of type doomed?")
    late = deck.order("doomed")
    expect(page.get_by_role("link", name="1 new", exact=True)).to_have_count(1)
    button(dialog, "Retry 3 failed jobs of type doomed").click()

    expect(dialog).to_be_hidden()
    expect(page.locator(".operation")).to_contain_text("Retry 3 failed jobs of type doomed completed")
    attempts = {job: deck.call("GET", f"/api/jobs/{job}")["attempt"] for job in [*meant, late]}
    assert attempts[late] == 1
    assert all(deck.call("GET", f"/api/jobs/{job}")["attempts"][0]["outcome"] == "failed" for job in meant)


def test_what_is_ticked_is_told_by_number_and_survives_live_changes(page: Page, deck: Deck) -> None:
    ids = [deck.order("doomed") for _ in range(2)]
    open_live(page, deck, "/jobs?q=type:doomed+since:1h")
    row = page.locator(f"#j-{ids[0]}")
    expect(row).to_have_attribute("data-state", "failed")
    row.get_by_role("checkbox").check()
    expect(page.locator("#ticked")).to_have_text("1 selected")

    before = row.get_attribute("data-rev") or ""
    button(row, "Retry").click()
    expect(row).not_to_have_attribute("data-rev", before)
    expect(row).to_have_attribute("data-state", "failed")
    expect(row.get_by_role("checkbox")).to_be_checked()
    button(page.locator("#bulk"), "Cancel selected…").click()

    expect(page.locator("#ticked")).to_contain_text("There is no such job to cancel")
