"""Speed: 20 random row updates a second over 200 rows take nothing away from who reads and types there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import button, open_live, place_of, row_of
from tests.browser.deck import Deck

ROWS = 200
FEW = 12


@pytest.fixture
def deck(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Deck]:
    with Deck(tmp_path, plugins=("tests.browser.chorus",)) as running:
        for number in range(getattr(request, "param", ROWS)):
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


DIFFERENT = """async () => {
    const words = (root) => new Map([...root.querySelectorAll(".daemon")].map((row) => {
        const copy = row.cloneNode(true);
        for (const time of copy.querySelectorAll("time")) time.textContent = "";
        return [row.id, row.className + copy.textContent.replace(/\\s+/g, " ").trim()];
    }));
    const text = await (await fetch(location.href)).text();
    const there = words(new DOMParser().parseFromString(text, "text/html")), here = words(document);
    return [...there].filter(([id, said]) => here.get(id) !== said).length;
}"""


@pytest.mark.parametrize("deck", [FEW], indirect=True)
def test_after_many_changes_every_row_says_what_the_server_says(page: Page, deck: Deck) -> None:
    """Only what differs in a row is drawn again, so nothing may be taken for drawn that is not."""
    open_live(page, deck)
    for command in ("start", "stop"):
        for number in range(0, FEW, 4):
            deck.command(f"chorister-{number:03}", "stop" if command == "start" else "start")
        expect(row_of(page, "chorister-000").locator(".mark")).to_have_text(
            re.compile("stopped|not started" if command == "start" else "running|starting"), timeout=15_000
        )
    deck.command("conductor", "stop")

    expect(row_of(page, "conductor").locator(".mark")).to_have_text(re.compile("stopped"), timeout=15_000)
    page.wait_for_function(f"async () => await ({DIFFERENT})() === 0", timeout=15_000)
