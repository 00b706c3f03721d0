"""Honest progress: done of total, rate, the end as a range; "—" when unknown; never 100 % before it is finished.

That the range holds the true end when the speed halves is simulated in tests/test_pace.py.
"""

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import open_live, row_of
from tests.browser.deck import Deck


def test_a_row_tells_done_rate_and_the_end_as_a_range(page: Page, deck: Deck) -> None:
    name = deck.add("puppet", says="Describing", done=0, total=1000)
    open_live(page, deck)
    for done in (100, 200, 300):
        deck.tell(name, says=f"Describing item {done}", done=done, total=1000)
        expect(row_of(page, name)).to_contain_text(f"item {done}")

    expect(row_of(page, name).locator(".progress")).to_contain_text(
        re.compile(r"300 / 1.000 30 % · [\d.\u202f]+/h · (\d+–)?\d+ (s|min) left")
    )
    pace = deck.call("GET", f"/api/daemons/{name}")["pace"]
    assert pace["ends_earliest"] < pace["ends_latest"]


def test_without_a_total_no_share_and_no_end_are_told(page: Page, deck: Deck) -> None:
    name = deck.add("puppet", says="Looking", done=0)
    open_live(page, deck)
    for done in (10, 20):
        deck.tell(name, says=f"Looked at {done}", done=done)
        expect(row_of(page, name)).to_contain_text(f"Looked at {done}")

    progress = row_of(page, name).locator(".progress")
    expect(progress).to_contain_text(re.compile(r"20 done .*/h"))
    expect(progress).not_to_contain_text("%")
    expect(progress).not_to_contain_text("left")


def test_what_goes_on_is_never_a_hundred_percent(page: Page, deck: Deck) -> None:
    name = deck.add("puppet", says="Nearly there", done=9_999, total=10_000)

    open_live(page, deck)

    expect(row_of(page, name).locator(".progress")).to_contain_text("99 %")


def test_more_than_five_percent_failed_is_amber_and_leads_to_what_failed(page: Page, deck: Deck) -> None:
    name = deck.add("orderer", kind="doomed")
    open_live(page, deck)

    failures = row_of(page, name).get_by_role("link", name="1 job failed")
    expect(failures).to_have_class("warn", timeout=10_000)
    failures.click()

    expect(page.locator(".job-row")).to_have_count(1)
    expect(page.locator(".job-row")).to_contain_text("ERR_PREREQ_FAILED")
