"""What a job's page tells: how far it is, why it waits, why it failed, what came too late."""

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import button, commands_of, open_live, read_again
from tests.browser.deck import Deck


def test_a_job_that_ends_shows_its_result_without_reload(page: Page, deck: Deck, tmp_path: Path) -> None:
    open_live(page, deck, f"/jobs/{deck.order('gated', gate=str(tmp_path / 'gate'))}")
    expect(page.locator(".headline")).to_contain_text("3 / 25 12 % IMG_0003.jpg")
    page.evaluate("window.sameDocument = true")

    (tmp_path / "gate").touch()

    expect(page.locator(".headline")).to_contain_text("completed")
    expect(page.locator(".tree li").filter(has_text="described: 3")).to_be_visible()
    assert page.evaluate("window.sameDocument")


def test_a_job_is_cancelled_from_its_page(page: Page, deck: Deck, tmp_path: Path) -> None:
    open_live(page, deck, f"/jobs/{deck.order('gated', gate=str(tmp_path / 'gate'))}")
    sent = commands_of(page)

    button(page.locator(".headline"), "Cancel").click()

    expect(page.locator(".headline")).to_contain_text("cancelled")
    expect(page.locator("main .error")).to_contain_text("ERR_CANCELLED")
    assert sent == ["cancel"]


def test_lines_a_job_logs_appear_live(page: Page, deck: Deck, tmp_path: Path) -> None:
    lines = ["Looking at IMG_0001.jpg", "Looking at IMG_0002.jpg"]
    open_live(page, deck, f"/jobs/{deck.order('gated', gate=str(tmp_path / 'gate'), logs=lines)}")
    expect(page.get_by_text("Nothing logged yet.")).to_be_visible()

    (tmp_path / "gate").touch()

    expect(page.locator("#log .message")).to_have_text(lines)
    expect(page.get_by_text("Nothing logged yet.")).to_be_hidden()


def test_a_waiting_job_says_for_which_and_leads_there(page: Page, deck: Deck, tmp_path: Path) -> None:
    blocking = deck.order("gated", gate=str(tmp_path / "gate"))
    open_live(page, deck, f"/jobs/{deck.order('shy')}")

    expect(page.locator(".waits")).to_contain_text("Why it waits: Waits for gated")
    page.locator(".waits").get_by_role("link").click()

    expect(page.get_by_role("heading", level=1)).to_have_text(f"gated {blocking}")
    (tmp_path / "gate").touch()


def test_a_failed_job_shows_code_cause_and_remedy(page: Page, deck: Deck) -> None:
    open_live(page, deck, f"/jobs/{deck.order('parent')}")

    expect(page.locator(".headline")).to_contain_text("failed")
    error = page.locator("section[id^=jh-] > .error")
    expect(error).to_contain_text("ERR_PREREQ_FAILED A step that this one needs has failed.", use_inner_text=True)
    innermost = error.locator(".error").last
    expect(innermost).to_contain_text("ERR_EMBEDDINGS_MISSING There are no embeddings", use_inner_text=True)
    expect(innermost).to_contain_text("What to do: Run the daemon embed first.")
    expect(page.locator(".job-row")).to_contain_text("ERR_PREREQ_FAILED")


def test_a_result_that_came_too_late_is_listed_as_refused(page: Page, deck: Deck, tmp_path: Path) -> None:
    job = deck.order("deaf", gate=str(tmp_path / "gate"))
    open_live(page, deck, f"/jobs/{job}")
    expect(page.locator(".headline")).to_contain_text("1 / 2")
    with read_again(page):
        button(page.locator(".headline"), "Cancel").click()
        expect(page.locator(".headline")).to_contain_text("cancelled")

    (tmp_path / "gate").touch()

    refused = page.get_by_role("region", name="Refused")
    expect(refused).to_contain_text("late end: It ended as completed.")
    expect(page.locator(".headline")).to_contain_text("cancelled")


def test_filters_narrow_the_list_and_live_changes_obey_them(page: Page, deck: Deck) -> None:
    deck.order("doomed")
    open_live(page, deck, "/jobs")

    page.get_by_role("navigation", name="State").get_by_role("link", name="Failed").click()
    expect(page.locator("#chip")).to_have_text("Live")
    before = page.locator(".job-row").count()
    deck.order("doomed")
    page.get_by_role("link", name="1 new", exact=True).click()

    expect(page.locator(".job-row")).to_have_count(before + 1)
    assert page.locator(".job-row:not([data-state=failed])").count() == 0


def test_a_list_without_matches_leads_back_to_all(page: Page, deck: Deck) -> None:
    deck.order("doomed")
    open_live(page, deck, "/jobs?q=nothing-is-called-this")

    page.get_by_role("link", name="Show all jobs").click()

    expect(page.locator(".job-row").first).to_be_visible()
