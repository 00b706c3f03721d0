"""Speed: 20 random row updates a second over 200 rows take nothing away from who reads and types there."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import button, open_live, place_of, row_of
from tests.browser.deck import Deck

ROWS = 200


@pytest.fixture
def deck(tmp_path: Path) -> Iterator[Deck]:
    with Deck(tmp_path, plugins=("tests.browser.chorus",)) as running:
        for number in range(ROWS):
            running.add("chorister", f"chorister-{number:03}", starts=False)
        running.call("POST", "/api/daemons/start-all")
        yield running


@pytest.mark.timeout(120)
def test_focus_typed_text_scroll_and_open_details_survive_20_changes_a_second(page: Page, deck: Deck) -> None:
    open_live(page, deck)
    middle = row_of(page, "chorister-100")
    middle.scroll_into_view_if_needed()
    page.locator("#find").fill("half a wor")
    menu = middle.locator("details summary")
    opened = menu.count() > 0
    if opened:
        menu.first.click()
    stop = button(middle, "Stop").first
    stop.focus()
    nodes = page.locator(".daemon").count()
    page.evaluate("window.sameRow = document.activeElement.closest('[role=row]')")
    place = place_of(
        page, "[role=row]:has(:focus)"
    )  # not scrollY: rows above may grow, and the browser makes up for it

    changed = page.evaluate(
        """(wanted) => new Promise((done) => {
            const changed = new Set();
            new MutationObserver((changes) => {
                for (const { target } of changes) {
                    const row = (target.nodeType === 1 ? target : target.parentElement)?.closest("[role=row]");
                    if (row) changed.add(row.id);
                }
                if (changed.size >= wanted) done(changed.size);
            }).observe(document.querySelector(".daemons"), { characterData: true, subtree: true });
        })""",
        60,
    )

    assert changed >= 60
    expect(stop).to_be_focused()
    expect(page.locator("#find")).to_have_value("half a wor")
    assert place_of(page, "[role=row]:has(:focus)") == pytest.approx(place, abs=1)
    assert page.evaluate("window.sameRow.isConnected && window.sameRow.contains(document.activeElement)")
    assert page.locator(".daemon").count() == nodes
    if opened:
        expect(middle.locator("details").first).to_have_attribute("open", "")
