"""Requirement 3: "Say which item failed and why; retry just that one."

Test: corrupt JPEG among 100: found from home in two clicks; retry touches only it.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import open_live, row_of
from tests.browser.deck import Deck

NAME = "describe-holiday"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "Holiday"
    folder.mkdir()
    for number in range(100):
        Image.effect_noise((64, 48), 60).convert("RGB").save(folder / f"IMG_{number:04}.jpg")
    whole = (folder / "IMG_0042.jpg").read_bytes()
    (folder / "IMG_0042.jpg").write_bytes(whole[: len(whole) // 2])
    return folder


@pytest.fixture
def deck(tmp_path: Path, pictures: Path) -> Iterator[Deck]:
    with Deck(tmp_path / "data", "--describe", str(pictures)) as running:
        yield running


def test_the_broken_picture_is_two_clicks_away_and_only_it_is_tried_again(page: Page, deck: Deck) -> None:
    open_live(page, deck)
    expect(row_of(page, NAME)).to_contain_text("99 of 100 images are described, 1 failed", timeout=30_000)
    before = described(deck)

    row_of(page, NAME).get_by_role("link", name=NAME, exact=True).click()
    page.get_by_role("link", name="Failures", exact=True).click()

    group = page.locator(".group")
    expect(group).to_have_count(1)
    expect(group).to_contain_text("ERR_IMAGE_TRUNCATED")
    expect(group.locator(".failed-items .path")).to_have_text("IMG_0042.jpg")
    expect(group).to_contain_text("What to do:")

    group.get_by_role("button", name="Retry IMG_0042.jpg").click()
    expect(page.get_by_role("heading", name="Failures")).to_be_visible()
    job = deck.call("GET", "/api/jobs?type=describe_batch")["items"][0]
    assert [item["path"] for item in job["args"]["items"]] == ["IMG_0042.jpg"]
    page.goto(deck.url(f"/jobs/{job['id']}"))
    expect(page.locator(".headline")).to_contain_text("completed", timeout=15_000)

    after = described(deck)
    assert {path for path in after if after[path] != before[path]} == {"IMG_0042.jpg"}


def described(deck: Deck) -> dict[str, str]:
    """Return when each picture was described."""
    found = deck.call("GET", "/api/descriptions?limit=500")["items"]
    assert len(found) == 100
    return {item["path"]: item["created_at"] for item in found}
