"""A folder of photographs, described while somebody looks: the first thing a newcomer sees."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import button, open_live, row_of
from tests.browser.deck import Deck
from tests.browser.showcase import take_pictures

NAME = "describe-holiday"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return take_pictures(tmp_path / "Holiday", 30)


@pytest.fixture
def deck(tmp_path: Path, pictures: Path) -> Iterator[Deck]:
    with Deck(tmp_path / "data", "--describe", str(pictures)) as running:
        yield running


def test_descriptions_appear_by_themselves_and_the_daemon_stops_and_goes_on(page: Page, deck: Deck) -> None:
    open_live(page, deck, "/descriptions")
    page.evaluate("window.sameDocument = true")

    expect(page.locator(".item")).to_have_count(30, timeout=20_000)
    expect(page.locator(".item", has_text="IMG_0002.jpg")).to_contain_text("taken on 3 May 2021 with a Canon EOS 80D")
    assert page.evaluate("window.sameDocument")

    open_live(page, deck)
    expect(row_of(page, NAME)).to_contain_text("All 30 images are described")
    button(row_of(page, NAME), "Stop").click()
    expect(row_of(page, NAME)).to_contain_text("wanted off")
    expect(row_of(page, NAME).locator(".mark")).to_contain_text("stopped")
    button(row_of(page, NAME), "Start").click()
    expect(row_of(page, NAME)).to_contain_text("All 30 images are described")


def test_a_new_description_does_not_move_the_rows_under_the_pointer(page: Page, deck: Deck, pictures: Path) -> None:
    open_live(page, deck, "/descriptions")
    expect(page.locator(".item")).to_have_count(30, timeout=20_000)
    first = page.locator(".item .path").first
    shown = first.inner_text()

    page.locator(".item").nth(1).hover()
    (pictures / "IMG_0001.jpg").rename(pictures / "IMG_0999.jpg")
    deck.command(NAME, "wake")
    expect(page.locator("#pill")).to_have_text("1 new", timeout=15_000)
    expect(first).to_have_text(shown)
    page.get_by_role("heading", level=1).hover()

    expect(first).to_have_text("IMG_0999.jpg")


def test_a_picture_that_cannot_be_read_says_why_and_what_to_do(page: Page, deck: Deck, pictures: Path) -> None:
    (pictures / "broken.jpg").write_bytes((pictures / "IMG_0001.jpg").read_bytes()[:2000])
    deck.command(NAME, "wake")

    open_live(page, deck, "/descriptions?state=failed")

    broken = page.locator(".item", has_text="broken.jpg")
    expect(broken).to_contain_text("The image is cut off", timeout=20_000)
    expect(broken).to_contain_text("ERR_IMAGE_TRUNCATED Copy or download it again", use_inner_text=True)
    expect(page.locator(".item")).to_have_count(1)
