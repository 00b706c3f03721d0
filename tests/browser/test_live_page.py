"""What the page shows while the deck lives: changes without reload, nothing lost under the reader's hands."""

import re
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Dialog, Locator, Page, expect

from tests.browser.conftest import button, commands_of, open_live, opened, place_of, read_again, row_of
from tests.browser.deck import MISCONFIGURED, Deck
from tests.browser.puppets import HOSTILE
from tests.browser.tapped import Tap


def test_a_new_status_is_on_the_page_within_a_second_without_reload(page: Page, deck: Deck) -> None:
    name = deck.add("puppet", says="Describing item 3 of 25")
    open_live(page, deck)
    page.evaluate("window.sameDocument = true")

    deck.tell(name, says="Describing item 4 of 25", done=4, total=25)

    expect(row_of(page, name).locator(".sentence")).to_have_text("Describing item 4 of 25", timeout=1000)
    expect(row_of(page, name)).to_contain_text("4 / 25 16 %")
    assert page.evaluate("window.sameDocument")


def test_a_daemon_added_elsewhere_appears_by_itself_under_its_own_name(page: Page, deck: Deck) -> None:
    open_live(page, deck)

    name = deck.add("puppet", "zebra-counter")

    expect(row_of(page, name)).to_be_visible()
    expect(row_of(page, name).locator(".who")).to_contain_text("Puppet")


def test_an_older_fragment_does_not_overwrite_a_newer_one(page: Page, deck: Deck) -> None:
    tap = Tap(page, deck)
    name = deck.add("puppet")
    open_live(page, deck)
    for words in ("the older words", "the newer words"):
        deck.tell(name, says=words)
        expect(row_of(page, name)).to_contain_text(words)

    tap.send(tap.frame_with("the older words"))
    other = deck.add("puppet", says="said after both")

    expect(row_of(page, other)).to_contain_text("said after both")
    expect(row_of(page, name)).to_contain_text("the newer words")


def test_start_and_stop_send_one_command_each_and_show_what_came_of_it(page: Page, deck: Deck) -> None:
    name = deck.add("puppet", starts=False)
    open_live(page, deck)
    sent = commands_of(page)

    button(row_of(page, name), "Start").click()
    expect(row_of(page, name).locator(".mark")).to_contain_text("running")
    button(row_of(page, name), "Stop").click()

    expect(row_of(page, name).locator(".mark")).to_contain_text("stopped")
    expect(row_of(page, name)).to_contain_text("wanted off")
    assert sent == ["start", "stop"]


def test_a_command_in_one_tab_shows_in_the_other(page: Page, context: BrowserContext, deck: Deck) -> None:
    name = deck.add("puppet", starts=False)
    other = context.new_page()
    open_live(page, deck)
    open_live(other, deck, f"/daemons/{name}")

    button(row_of(page, name), "Start").click()

    expect(other.locator(".daemon .mark")).to_contain_text("running")
    expect(other.get_by_role("region", name="History")).to_contain_text("starting → running")


def test_an_unavailable_command_is_not_sent(page: Page, deck: Deck) -> None:
    name = deck.add("puppet")
    open_live(page, deck)
    start = button(row_of(page, name), "Start")
    sent = commands_of(page)

    expect(start).to_have_attribute("aria-disabled", "true")
    start.click(force=True)
    button(row_of(page, name), "Restart").click()

    expect(row_of(page, name).locator(".mark")).to_contain_text("running")
    assert sent == ["restart"]


def test_a_refused_command_says_why_and_can_be_dismissed(page: Page, deck: Deck) -> None:
    name = deck.add("puppet", starts=False)
    deck.call("PATCH", f"/api/daemons/{name}", {"enabled": False})
    open_live(page, deck)
    start = button(row_of(page, name), "Start")

    start.evaluate("start => start.removeAttribute('aria-disabled')")  # as on a page that has not heard yet
    start.click()

    expect(page.locator("#banner")).to_contain_text(f"Start was refused: {name} is disabled.")
    page.get_by_role("button", name="Dismiss").click()
    expect(page.locator("#banner")).to_be_hidden()


def test_the_keyboard_keeps_its_place_through_updates_and_its_own_action(page: Page, deck: Deck) -> None:
    name = deck.add("puppet", starts=False)
    open_live(page, deck)
    start = button(row_of(page, name), "Start")
    start.focus()

    page.keyboard.press("Enter")
    expect(row_of(page, name).locator(".mark")).to_contain_text("running")
    deck.tell(name, says="Cleaning up")

    expect(row_of(page, name)).to_contain_text("Cleaning up")
    expect(start).to_be_focused()


def test_typed_text_survives_updates_and_being_read_again(page: Page, deck: Deck) -> None:
    tap = Tap(page, deck)
    name = deck.add("puppet")
    open_live(page, deck, f"/daemons/{name}")
    page.get_by_label("Pause for").fill("17")

    deck.tell(name, says="Another sentence")
    with read_again(page):
        tap.resync()
    deck.tell(name, says="And another")

    expect(row_of_page(page)).to_contain_text("And another")
    expect(page.get_by_label("Pause for")).to_have_value("17")


def test_opened_details_stay_open(page: Page, deck: Deck) -> None:
    tap = Tap(page, deck)
    open_live(page, deck, f"/jobs/{deck.order('doomed')}")
    page.get_by_text("Details").first.click()

    with read_again(page):
        tap.resync()

    expect(page.get_by_text("Traceback").first).to_be_visible()


def test_log_lines_appear_and_follow_until_the_reader_scrolls_up(page: Page, deck: Deck) -> None:
    name = deck.add("puppet", logs=[f"Looked at folder {number}" for number in range(60)])
    open_live(page, deck, f"/daemons/{name}")
    log = page.locator("#log")
    log.scroll_into_view_if_needed()
    expect(log.get_by_text("Looked at folder 59")).to_be_in_viewport()

    deck.tell(name, logs=["the newest line"])
    expect(log.get_by_text("the newest line")).to_be_in_viewport()

    log.evaluate("list => { list.scrollTop = 0 }")
    deck.tell(name, logs=["one more line"])
    expect(log.get_by_text("one more line")).to_be_attached()
    assert log.evaluate("list => list.scrollTop") == 0


def test_a_line_logged_while_the_page_is_read_again_is_there_once(page: Page, deck: Deck) -> None:
    tap = Tap(page, deck)
    name = deck.add("puppet")
    open_live(page, deck, f"/daemons/{name}")

    tap.resync()
    deck.tell(name, logs=["in between"])

    expect(page.locator("#log").get_by_text("in between")).to_have_count(1)


def test_only_changes_of_state_are_spoken(page: Page, deck: Deck) -> None:
    name = deck.add("puppet")
    open_live(page, deck)
    expect(row_of(page, name)).to_have_attribute("data-state", "running")
    spoken = page.get_by_role("status").inner_text()  # of its start, or nothing

    deck.tell(name, says="Item 5")
    expect(row_of(page, name)).to_contain_text("Item 5")
    expect(page.get_by_role("status")).to_have_text(spoken)
    deck.command(name, "stop")

    expect(page.get_by_role("status")).to_have_text(f"{name} is stopped")


QUIET = re.compile(r"^(\d+ running · )?Daemons – Daemondeck$")
"""The title while nothing wants attention."""


def test_title_and_tally_count_what_failed(page: Page, deck: Deck) -> None:
    open_live(page, deck)
    expect(page).to_have_title(QUIET)

    deck.add("puppet", MISCONFIGURED)

    expect(page).to_have_title("1 failed · Daemons – Daemondeck")
    expect(page.locator(".tally")).to_contain_text("1 failed")
    expect(row_of(page, MISCONFIGURED)).to_contain_text("done: Input should be a valid integer")
    deck.command(MISCONFIGURED, "stop")
    expect(page).to_have_title(QUIET)


def test_a_silent_daemon_shows_where_it_stands(page: Page, deck: Deck) -> None:
    name = deck.add("quiet")

    open_live(page, deck, f"/daemons/{name}")

    expect(row_of_page(page)).to_contain_text("nothing heard since")
    expect(page.locator("pre")).to_contain_text("await asyncio.Event().wait()")


def test_hostile_text_is_shown_and_never_runs(page: Page, deck: Deck) -> None:
    asked: list[str] = []

    def refuse(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", refuse)
    name = deck.add("hostile")
    open_live(page, deck)

    deck.tell(name, says=HOSTILE, job_id=HOSTILE[:36], job_type=HOSTILE)
    expect(row_of(page, name).locator(".sentence")).to_contain_text("onerror=alert(1)")
    open_live(page, deck, f"/daemons/{name}")
    deck.tell(name, says=HOSTILE, logs=[HOSTILE], raises=HOSTILE)
    expect(page.locator("#log .message").first).to_contain_text("onerror=alert(1)")
    expect(row_of_page(page)).to_contain_text("backing off")
    deck.command(name, "stop")

    assert asked == []
    assert page.locator("main img, main script").count() == 0


def test_the_job_a_daemon_watches_is_one_click_away(page: Page, deck: Deck, tmp_path: Path) -> None:
    job = deck.order("gated", gate=str(tmp_path / "gate"))
    name = deck.add("puppet", job_id=job, job_type="gated")
    open_live(page, deck)

    row_of(page, name).get_by_role("link", name="View job").click()

    expect(page.get_by_role("heading", level=1)).to_have_text(f"gated {job}")
    expect(page.locator(".headline")).to_contain_text("running")
    (tmp_path / "gate").touch()


def row_of_page(page: Page) -> Locator:
    """Return the row on a daemon's own page."""
    return page.locator(".daemon")


def test_sections_stay_where_they_are_from_page_to_page(page: Page, deck: Deck) -> None:
    open_live(page, deck, "/schedules")
    before = place_of(page, ".sections a[data-key=a]")

    open_live(page, deck, "/daemons")

    assert place_of(page, ".sections a[data-key=a]") == before


def test_only_what_is_live_has_the_colour_of_it(page: Page, browser: Browser, deck: Deck) -> None:
    colour = "chip => getComputedStyle(chip).color"
    open_live(page, deck)
    live = page.locator("#chip").evaluate(colour)

    with opened(browser, java_script_enabled=False) as context:
        context.add_cookies([deck.session()])
        still = context.new_page()
        still.goto(deck.url())
        expect(still.locator("#chip")).to_contain_text("As of")
        assert still.locator("#chip").evaluate(colour) != live
