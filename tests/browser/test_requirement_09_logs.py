"""Requirement 9: "Logs that follow and stop following."

Test: 1 000 lines/s for 60 s: memory flat, scrolled position holds. Here 12 s at the same rate, more than twice what the
page keeps, put where the socket's lines arrive: a single daemon is held back long before such a rate.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import open_live
from tests.browser.deck import Deck

POUR = """async ([daemon, first, count]) => {
  for (let at = first; at < first + count; at += 100) {
    const said = { at: new Date().toISOString(), level: "info", daemon_id: daemon, job_id: null };
    for (let id = at; id < at + 100; id++) log.append({ ...said, id, message: `Line ${id}` });
    await new Promise((done) => setTimeout(done, 100));
  }
  await new Promise((done) => setTimeout(done, 300));
}"""
FIRST_SEEN = """list => {
  const top = list.getBoundingClientRect().top;
  return [...list.children].find((line) => line.getBoundingClientRect().bottom > top).id;
}"""
FIRST = 1_000_000


@pytest.fixture(scope="module")
def deck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deck]:
    with Deck(tmp_path_factory.mktemp("data")) as running:
        yield running


def test_a_thousand_lines_a_second_neither_fill_the_page_nor_move_the_reader(page: Page, deck: Deck) -> None:
    name = deck.add("puppet", logs=[f"Looked at folder {number}" for number in range(60)])
    open_live(page, deck, f"/daemons/{name}/log")
    lines = page.locator("#log")
    lines.scroll_into_view_if_needed()
    daemon = lines.get_attribute("data-daemon")

    page.evaluate(POUR, [daemon, FIRST, 6_000])
    filled = heap(page)
    expect(lines.get_by_text(f"Line {FIRST + 5_999}")).to_be_in_viewport()
    assert lines.locator("li").count() == 5_000

    lines.evaluate("list => { list.scrollTop = 1000 }")
    page.wait_for_function("document.getElementById('log').scrollTop === 1000")
    seen = lines.evaluate(FIRST_SEEN)
    page.evaluate(POUR, [daemon, FIRST + 6_000, 6_000])

    assert lines.evaluate("list => list.scrollTop") == 1000
    assert lines.evaluate(FIRST_SEEN) == seen
    assert lines.locator("li").count() == 5_000
    assert heap(page) < filled + 8 * 2**20
    page.get_by_role("button", name="Newer lines").click()
    expect(lines.get_by_text("Looked at folder 59")).to_be_in_viewport()


def test_pause_level_and_search(page: Page, deck: Deck) -> None:
    name = deck.add("puppet", logs=[f"Looked at folder {number}" for number in range(60)])
    open_live(page, deck, f"/daemons/{name}/log")
    lines = page.locator("#log")

    page.get_by_role("button", name="Pause").click()
    deck.tell(name, logs=["while it was paused"])
    expect(page.get_by_role("button", name="Newer lines")).to_be_visible()
    expect(lines.get_by_text("while it was paused")).to_have_count(0)
    page.get_by_role("button", name="Pause").click()
    expect(lines.get_by_text("while it was paused")).to_be_in_viewport()

    page.get_by_label("Text").fill("folder 7")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(lines.locator("li")).to_have_count(1)
    lines.locator("a.at").click()
    expect(lines.locator("li:target .message")).to_have_text("Looked at folder 7")
    expect(lines.get_by_text("Looked at folder 27", exact=True)).to_be_attached()
    page.get_by_role("link", name="Newest lines").click()

    with page.expect_download() as started:
        page.get_by_role("link", name="Download as text").click()
    assert "Looked at folder 59" in Path(started.value.path()).read_text()


def heap(page: Page) -> int:
    """Return the bytes that the page's scripts hold after the rubbish is out."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    return int(session.send("Runtime.getHeapUsage")["usedSize"])
