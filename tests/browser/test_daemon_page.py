"""What scripts add to a daemon's own pages: a slider over what it said, a button that copies, plots."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import open_live, row_of
from tests.browser.deck import Deck
from tests.browser.tapped import Tap


@pytest.fixture(scope="module")
def deck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deck]:
    with Deck(tmp_path_factory.mktemp("data")) as running:
        yield running


def test_the_slider_looks_back_over_what_it_said(page: Page, deck: Deck) -> None:
    name = deck.add("puppet", says="First sentence")
    open_live(page, deck)
    for sentence in ("First sentence", "Second sentence", "Third sentence"):
        deck.tell(name, says=sentence)
        expect(row_of(page, name)).to_contain_text(sentence)
    deck.command(name, "stop")
    open_live(page, deck, f"/daemons/{name}")

    slider = page.locator("#scrub")
    expect(page.locator("#scrubbed")).to_contain_text("Third sentence")
    slider.focus()
    page.keyboard.press("ArrowLeft")

    expect(page.locator("#scrubbed")).to_contain_text("Second sentence")
    expect(page.locator(".timeline .shown")).to_contain_text("Second sentence")


def test_a_command_is_copied_also_after_the_page_was_read_again(page: Page, deck: Deck) -> None:
    tap = Tap(page, deck)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    name = deck.add("puppet")
    open_live(page, deck, f"/daemons/{name}/api")
    tap.resync()

    page.locator(".copied", has_text=f"daemondeck restart {name}").get_by_role("button", name="Copy").click()

    expect(page.get_by_role("button", name="✓")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").startswith(f"daemondeck restart {name}")


def test_plots_are_drawn_and_outlive_the_page_being_read_again(page: Page, deck: Deck) -> None:
    tap = Tap(page, deck)
    name = deck.add("orderer", kind="shy")
    open_live(page, deck)
    expect(row_of(page, name)).to_contain_text("Nothing more to order")
    open_live(page, deck, f"/daemons/{name}/metrics?since=1h")

    expect(page.locator(".plot canvas").first).to_be_visible()
    tap.resync()
    expect(page.locator(".plot canvas").first).to_be_visible()
