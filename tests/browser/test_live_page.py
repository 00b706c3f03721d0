"""What the page shows while the deck lives: changes without reload, nothing lost under the reader's hands."""

from playwright.sync_api import Dialog, Page, expect

from tests.browser.conftest import Deck

HOSTILE = "\"><img src=x onerror=alert(1)><script>alert(2)</script></template></hx-partial>'{{7*7}}\u202e"


def open_live(page: Page, deck: Deck, path: str = "/daemons") -> None:
    page.goto(deck.url(path))
    expect(page.locator("#chip")).to_have_text("Live")


def test_a_new_status_appears_without_reload(page: Page, deck: Deck) -> None:
    open_live(page, deck)
    page.evaluate("window.sameDocument = true")

    deck.ask("change", name="night_watch", current_status="Describing item 4 of 25")

    expect(page.get_by_text("Describing item 4 of 25")).to_be_visible(timeout=1000)
    assert page.evaluate("window.sameDocument")


def test_a_daemon_added_elsewhere_appears_by_itself(page: Page, deck: Deck) -> None:
    open_live(page, deck)

    deck.ask("add", name="zebra", title="Zebra counter")

    expect(page.get_by_role("link", name="Zebra counter", exact=True)).to_be_visible()


def test_an_older_fragment_does_not_overwrite_a_newer_one(page: Page, deck: Deck) -> None:
    open_live(page, deck)
    deck.ask("change", name="night_watch", current_status="newer", revision=9)

    deck.ask("change", name="night_watch", current_status="older", revision=8)
    deck.ask("change", name="demo", current_status="after both")

    expect(page.get_by_text("after both")).to_be_visible()
    expect(page.get_by_text("newer")).to_be_visible()


def test_starting_and_stopping_send_one_command_each_and_show_what_came_of_it(page: Page, deck: Deck) -> None:
    open_live(page, deck)
    row = page.locator(".daemon", has_text="Cleaner")

    row.get_by_role("button", name="Start", exact=True).click()
    expect(row).to_contain_text("running")
    row.get_by_role("button", name="Stop").click()

    expect(row).to_contain_text("stopped")
    assert deck.ask("resync") == ["start cleaner", "stop cleaner"]


def test_an_unavailable_command_is_not_sent(page: Page, deck: Deck) -> None:
    open_live(page, deck)
    start = page.locator(".daemon", has_text="Night watch").get_by_role("button", name="Start", exact=True)

    expect(start).to_have_attribute("aria-disabled", "true")
    start.click(force=True)

    assert deck.ask("resync") == []


def test_a_refused_command_says_why_and_what_to_do(page: Page, deck: Deck) -> None:
    deck.ask("refuse", why="Cleaner is disabled.")
    open_live(page, deck)

    page.locator(".daemon", has_text="Cleaner").get_by_role("button", name="Start", exact=True).click()

    expect(page.locator("#banner")).to_contain_text("Start was refused: Cleaner is disabled. Enable it first.")
    page.get_by_role("button", name="Dismiss").click()
    expect(page.locator("#banner-text")).to_be_empty()


def test_the_keyboard_keeps_its_place_through_updates_and_its_own_action(page: Page, deck: Deck) -> None:
    open_live(page, deck)
    row = page.locator(".daemon", has_text="Cleaner")
    start = row.get_by_role("button", name="Start", exact=True)
    start.focus()

    page.keyboard.press("Enter")
    expect(row).to_contain_text("running")
    deck.ask("change", name="cleaner", current_status="Cleaning up")

    expect(row).to_contain_text("Cleaning up")
    expect(start).to_be_focused()


def test_typed_text_and_open_details_survive_updates_and_resync(page: Page, deck: Deck) -> None:
    open_live(page, deck, "/daemons/night_watch")
    page.get_by_label("Pause for minutes").fill("17")

    deck.ask("change", name="night_watch", current_status="Another sentence")
    deck.ask("resync")
    deck.ask("change", name="night_watch", current_status="And another")

    expect(page.get_by_text("And another")).to_be_visible()
    expect(page.get_by_label("Pause for minutes")).to_have_value("17")


def test_log_lines_follow_until_the_reader_scrolls_up(page: Page, deck: Deck) -> None:
    open_live(page, deck, "/daemons/night_watch")
    log = page.locator("#log")

    deck.ask("log", message="the newest line")
    expect(page.get_by_text("the newest line")).to_be_in_viewport()

    log.evaluate("list => { list.scrollTop = 0 }")
    deck.ask("log", message="one more line")
    expect(page.get_by_text("one more line")).to_be_attached()
    assert log.evaluate("list => list.scrollTop") == 0


def test_a_line_logged_while_the_page_is_read_again_is_there_once(page: Page, deck: Deck) -> None:
    open_live(page, deck, "/daemons/night_watch")

    deck.ask("resync")
    deck.ask("log", message="in between")

    expect(page.get_by_text("in between")).to_have_count(1)


def test_only_changes_of_state_are_spoken(page: Page, deck: Deck) -> None:
    open_live(page, deck)

    deck.ask("change", name="night_watch", current_status="Item 5")
    expect(page.get_by_text("Item 5")).to_be_visible()
    expect(page.get_by_role("status")).to_be_empty()
    deck.ask("change", name="night_watch", state="failed")

    expect(page.get_by_role("status")).to_have_text("Night watch is failed")


def test_the_title_counts_what_failed(page: Page, deck: Deck) -> None:
    open_live(page, deck)
    expect(page).to_have_title("(1!) Daemons – Daemondeck")

    deck.ask("change", name="night_watch", state="failed")

    expect(page).to_have_title("(2!) Daemons – Daemondeck")


def test_what_is_described_appears_but_not_under_the_pointer(page: Page, deck: Deck) -> None:
    open_live(page, deck, "/descriptions")
    first = page.locator(".item .path").first

    page.locator(".item").nth(1).hover()
    deck.ask("describe", number=6)
    expect(page.get_by_text("There are new rows")).to_be_visible()
    expect(first).to_have_text("Holiday/IMG_0001.jpg")
    page.get_by_role("heading", level=1).hover()

    expect(first).to_have_text("Holiday/IMG_0006.jpg")


def test_a_job_that_ends_shows_it_on_its_own_page(page: Page, deck: Deck) -> None:
    job_id = "00000001-0000-0000-0000-000000000001"
    open_live(page, deck, f"/jobs/{job_id}")

    deck.ask("job", id=job_id, state="cancelled")

    expect(page.locator(".headline")).to_contain_text("cancelled")


def test_hostile_text_is_shown_and_never_runs(page: Page, deck: Deck) -> None:
    asked: list[str] = []

    def refuse(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", refuse)
    open_live(page, deck)

    deck.ask("change", name="night_watch", current_status=HOSTILE, current_job_type=HOSTILE, title=HOSTILE)
    expect(page.locator(".daemon .sentence", has_text="onerror=alert(1)")).to_be_visible()
    page.goto(deck.url("/daemons/night_watch"))
    expect(page.locator("#chip")).to_have_text("Live")
    deck.ask("log", message=HOSTILE)
    expect(page.locator(".message", has_text="onerror=alert(1)")).to_be_visible()

    assert asked == []
    assert page.locator("main img, main script").count() == 0
