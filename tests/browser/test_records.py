"""Records on their board: they move while one looks, are helped beside it, and nothing typed is lost."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import open_live, opened, violations
from tests.browser.deck import Deck, Item
from tests.web.toy_ladder import ASKING, FOUND, TOP

_numbers = count(1)


@pytest.fixture(scope="module")
def deck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deck]:
    plugins = ("tests.browser.puppets", "tests.web.toy_ladder", "tests.web.toy_family")
    with Deck(tmp_path_factory.mktemp("deck"), plugins=plugins) as running:
        yield running


def toy(deck: Deck, status: str | None = None, source: str = "") -> Item:
    """Have a toy at a status."""
    number = next(_numbers)
    new = {"ladder": "toys", "source": source or f"/toys/{number}", "title": f"Toy {number}"}
    record = deck.call("POST", "/api/records", new)
    return move(deck, record, status) if status else record


def stills(deck: Deck, folder: Path, *captions: str) -> list[Item]:
    """Have stills with these captions that have climbed to the end of their ladder."""
    made = []
    for caption in captions:
        picture = folder / f"{caption}.png"
        Image.new("RGB", (64, 48), (next(_numbers) * 40 % 256, 90, 120)).save(picture)
        new = {"ladder": "stills", "source": str(picture), "title": caption, "fields": {"caption": caption}}
        made.append(deck.call("POST", "/api/records", new))
    climb(deck, "stills", threshold=0)
    return [deck.call("GET", f"/api/records/{record['id']}") for record in made]


def climb(deck: Deck, *ladders: str, **options: int) -> None:
    """Have all records of these ladders climb as far as they do."""
    args = {"ladders": ladders, "options": options, "until_settled": True}
    job = deck.call("POST", "/api/jobs", {"type": "climb", "args": args})
    while deck.call("GET", f"/api/jobs/{job['id']}")["state"] in ("queued", "running"):
        continue  # each call takes its time


def gathered(deck: Deck) -> tuple[Item, dict[str, Item]]:
    """Have a troupe wait for two of its three players: the second is parked, the third awaits a person."""
    troupe = deck.call("POST", "/api/records", {"ladder": "troupes", "source": f"/troupes/{next(_numbers)}"})
    climb(deck, "troupes", "players")
    players = deck.call("GET", f"/api/records?parent={troupe['id']}")["items"]
    return troupe, {player["title"]: player for player in players}


def move(deck: Deck, record: Item, status: str) -> Item:
    return deck.call("POST", f"/api/records/{record['id']}/move", {"status": status})


@pytest.fixture(autouse=True)
def nobody_waits(deck: Deck) -> Iterator[None]:
    yield
    waiting = deck.call("GET", "/api/records?ladder=toys&state=awaiting&limit=500")["items"]
    for record in waiting:
        deck.call("POST", f"/api/records/{record['id']}/unlock")
        move(deck, record, TOP)


def test_records_move_while_the_board_is_looked_at(page: Page, deck: Deck) -> None:
    record = toy(deck)
    open_live(page, deck)
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.get_by_role("link", name="Toys", exact=True).click()
    expect(page.locator("#chip")).to_have_text("Live")
    found = page.get_by_role("region", name=FOUND, exact=False)
    page.mouse.move(1, 1)

    move(deck, record, FOUND)
    expect(found.get_by_role("link", name=record["code"], exact=True)).to_be_visible()
    move(deck, record, ASKING)

    asking = page.locator(".column.awaiting")
    expect(asking.get_by_role("link", name=record["code"], exact=True)).to_be_visible()
    expect(asking.locator(".count")).to_have_text("1")
    expect(page.locator(".sections [data-signal=inbox]")).to_have_text("1")


def test_the_inbox_shows_a_record_that_comes_to_wait_while_it_does(page: Page, deck: Deck) -> None:
    record = toy(deck)
    open_live(page, deck, "/inbox")
    expect(page.get_by_text("Nobody asks anything now")).to_be_visible()
    page.mouse.move(1, 1)

    move(deck, record, ASKING)
    page.get_by_role("link", name=f"Answer {record['code']}").click()
    expect(page.get_by_role("dialog").get_by_label("Title")).to_be_visible()
    expect(page.get_by_text("Nobody asks anything now")).to_be_hidden()
    page.keyboard.press("Escape")
    page.mouse.move(1, 1)
    move(deck, record, TOP)

    expect(page.get_by_text("Nobody asks anything now")).to_be_visible()


def test_what_is_typed_beside_the_board_stays_and_the_next_follows(page: Page, deck: Deck) -> None:
    first, second = toy(deck, ASKING), toy(deck, ASKING)
    open_live(page, deck, "/records?ladder=toys")
    page.get_by_role("link", name=f"Answer {first['code']}").click()
    panel = page.get_by_role("dialog")
    title = panel.get_by_label("Title")

    title.press_sequentially("A ship in the ha")
    expect(page.locator(f"#r-{first['id']}")).to_contain_text("is editing")
    for status in (FOUND, TOP):
        move(deck, toy(deck), status)
    expect(page.locator("#chip")).to_have_text("Live")
    expect(title).to_have_value("A ship in the ha")
    expect(title).to_be_focused()
    title.press_sequentially("rbour")
    page.keyboard.press("Control+Enter")

    expect(panel.get_by_role("heading", level=1)).to_contain_text(second["code"])
    expect(panel.get_by_label("Title")).to_have_value("")
    told = deck.call("GET", f"/api/records/{first['id']}")
    assert (told["fields"]["title"], told["edited_by"]) == ("A ship in the harbour", None)
    page.keyboard.press("Control+Enter")
    expect(panel).to_be_hidden()


def test_somebody_elses_change_is_shown_beside_what_was_typed(page: Page, deck: Deck) -> None:
    record = toy(deck, ASKING)
    page.goto(deck.url(f"/records/{record['id']}/form"))
    deck.call("PATCH", f"/api/records/{record['id']}", {"fields": {"title": "Theirs"}})

    with page.expect_response("**/lock"):
        page.get_by_label("Title").press_sequentially("Mine")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Theirs")
    expect(page.get_by_label("Title")).to_have_value("Mine")
    page.get_by_role("button", name="Save mine").click()

    expect(page.get_by_role("region", name="What is known")).to_contain_text("Mine")
    assert deck.call("GET", f"/api/records/{record['id']}")["fields"]["title"] == "Mine"


def test_a_page_follows_its_record(page: Page, deck: Deck) -> None:
    record = toy(deck)
    open_live(page, deck, f"/records/{record['id']}")

    page.get_by_role("combobox", name="Status").select_option(FOUND)
    page.get_by_role("textbox", name="Why").fill("Too dark.")
    page.get_by_role("button", name="Send there").click()
    expect(page.locator(".story")).to_contain_text("Too dark.")
    expect(page.locator("#chip")).to_have_text("Live")
    move(deck, record, ASKING)

    expect(page.locator(".headline")).to_contain_text(ASKING)


def test_what_is_like_a_record_comes_after_its_page_and_stays(
    page: Page, deck: Deck, browser: Browser, tmp_path: Path
) -> None:
    harbour, *_ = stills(deck, tmp_path, "boats in the harbour", "two boats in the harbour", "a red hat")
    open_live(page, deck, f"/records/{harbour['id']}")
    likes = page.get_by_role("list", name="More like this")

    expect(likes.get_by_role("link")).to_have_count(2)
    expect(likes).to_contain_text("% alike")
    with page.expect_response(f"**/records/{harbour['id']}"):
        deck.call("PATCH", f"/api/records/{harbour['id']}", {"fields": {"place": "Whitby"}})
    expect(page.get_by_role("region", name="What is known")).to_contain_text("Whitby")
    expect(likes.get_by_role("link")).to_have_count(2)
    assert not violations(page)
    likes.get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("two boats")

    with opened(browser, java_script_enabled=False, viewport={"width": 390, "height": 844}) as context:
        context.add_cookies([deck.session()])
        plain = context.new_page()
        plain.goto(deck.url(f"/records/{harbour['id']}"))
        plain.get_by_role("link", name="Show what is like it").click()
        expect(plain.get_by_role("list", name="More like this")).to_contain_text("% alike")
        assert plain.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_suggestion_fills_its_field_and_what_was_typed_comes_back(page: Page, deck: Deck) -> None:
    record = toy(deck, ASKING, source="/ice/harbour_bridge_1931.jpg")
    open_live(page, deck, "/records?ladder=toys")
    page.get_by_role("link", name=f"Answer {record['code']}").click()
    panel = page.get_by_role("dialog")
    title, keywords = panel.get_by_label("Title", exact=True), panel.get_by_label("Keywords", exact=True)
    offer = panel.get_by_role("button", name="Harbour bridge 1931 from the file's name")

    title.press_sequentially("A bri")
    offer.click()
    expect(title).to_have_value("Harbour bridge 1931")
    expect(offer).to_have_attribute("aria-pressed", "true")
    offer.click()
    expect(title).to_have_value("A bri")
    expect(offer).to_have_attribute("aria-pressed", "false")
    keywords.press_sequentially("ice")
    for word in ("harbour", "bridge"):
        panel.get_by_role("list", name="Suggestions for Keywords").get_by_role("button", name=word).click()
    expect(keywords).to_have_value("ice\nharbour\nbridge")
    assert not violations(page)
    assert deck.call("GET", f"/api/records/{record['id']}")["fields"] == {}

    title.press("Enter")
    expect(panel).to_be_hidden()
    told = deck.call("GET", f"/api/records/{record['id']}")["fields"]
    assert told == {"title": "A bri", "keywords": ["ice", "harbour", "bridge"]}


def test_suggestions_are_chosen_without_scripts_on_a_phone(browser: Browser, deck: Deck) -> None:
    record = toy(deck, ASKING, source="/snow/harbour_bridge_1931.jpg")
    with opened(browser, java_script_enabled=False, viewport={"width": 390, "height": 844}) as context:
        context.add_cookies([deck.session()])
        page = context.new_page()
        page.goto(deck.url(f"/records/{record['id']}/form"))
        page.get_by_label("Year").fill("1931")
        page.get_by_role("button", name="bridge from the file's name", exact=True).click()

        expect(page.get_by_label("Keywords", exact=True)).to_have_value("bridge")
        expect(page.get_by_label("Keywords", exact=True)).to_be_in_viewport()
        expect(page.get_by_label("Year")).to_have_value("1931")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.get_by_label("Title", exact=True).fill("The bridge")
        page.get_by_label("Title", exact=True).press("Enter")
        expect(page.get_by_role("heading", level=1)).to_contain_text(record["code"])
    told = deck.call("GET", f"/api/records/{record['id']}")["fields"]
    assert told == {"title": "The bridge", "year": 1931, "keywords": ["bridge"]}


def test_everything_is_done_without_scripts_on_a_phone(browser: Browser, deck: Deck) -> None:
    record, other = toy(deck, ASKING), toy(deck, ASKING)
    with opened(browser, java_script_enabled=False, viewport={"width": 390, "height": 844}) as context:
        context.add_cookies([deck.session()])
        page = context.new_page()
        page.goto(deck.url("/records?ladder=toys"))
        page.get_by_role("link", name=f"Answer {record['code']}").click()
        page.get_by_label("Year").fill("1907")
        page.get_by_role("button", name="Save and next").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text(other["code"])

        page.goto(deck.url(f"/records/table?ladder=toys&status={ASKING}"))
        page.get_by_role("checkbox", name=f"Choose {other['code']}").check()
        page.get_by_role("button", name="Force resume…", exact=True).click()
        page.get_by_role("button", name="Force resume", exact=True).click()
        expect(page.get_by_text("1 done.")).to_be_visible()
    assert deck.call("GET", f"/api/records/{record['id']}")["fields"] == {"year": 1907}


@pytest.mark.parametrize("scripts", [False, True])
def test_a_file_is_looked_through_and_imported(browser: Browser, deck: Deck, scripts: bool) -> None:
    file = f"source,year\n/imported/{scripts}.jpg,1907\n/imported/other.jpg,soon\n".encode()
    with opened(browser, java_script_enabled=scripts, viewport={"width": 390, "height": 844}) as context:
        context.add_cookies([deck.session()])
        page = context.new_page()
        page.goto(deck.url("/records?ladder=toys"))
        page.get_by_role("link", name="Import…").click()
        for button, said in (("Look first", "1 would be added"), ("Import", "1 added"), ("Import", "1 known already")):
            page.get_by_label("File", exact=True).set_input_files(
                {"name": "toys.csv", "mimeType": "text/csv", "buffer": file}
            )
            page.get_by_role("button", name=button, exact=True).click()
            expect(page.get_by_role("status")).to_contain_text(said)
            expect(page.get_by_role("status")).to_contain_text("Line 3 ERR_INVALID_FIELDS")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_what_holds_a_record_up_is_said_and_retried_where_one_looks(page: Page, deck: Deck) -> None:
    troupe, players = gathered(deck)
    second, third = players["second"], players["third"]
    open_live(page, deck, "/records?ladder=troupes")
    waits = page.locator(f"#r-{troupe['id']} .waits")
    expect(waits).to_contain_text(f"Waits for 2 of 3 players: {second['code']} is parked (ERR_NO_COSTUME")
    expect(waits).to_contain_text(f"{third['code']} awaits input")
    page.mouse.move(1, 1)

    # Who looks at the board sees it change.
    deck.call("PATCH", f"/api/records/{third['id']}", {"fields": {"year": 1907}})
    climb(deck, "troupes", "players")
    expect(waits).to_contain_text("Waits for 1 of 3 players")

    page.goto(deck.url(f"/records/{troupe['id']}"))
    deck.call("PATCH", f"/api/records/{second['id']}", {"fields": {"year": 1812}})
    move(deck, second, "0 - New")
    climb(deck, "troupes", "players")
    expect(page.locator(".headline")).to_contain_text("2 - Performed")
    expect(page.locator(".waits")).to_have_count(0)


def test_the_parked_ones_below_a_record_are_retried_by_its_button(page: Page, deck: Deck) -> None:
    troupe, players = gathered(deck)
    page.goto(deck.url(f"/records/{troupe['id']}"))
    assert violations(page) == []

    page.get_by_role("button", name="Retry what is parked below it").click()
    page.get_by_role("button", name="Retry", exact=True).click()

    expect(page.get_by_text("1 done.")).to_be_visible()
    assert deck.call("GET", f"/api/records/{players['second']['id']}")["state"] == "waiting"


def test_what_a_step_logs_appears_on_the_page_of_its_record_alone(page: Page, deck: Deck) -> None:
    _, players = gathered(deck)
    first = players["first"]
    open_live(page, deck, f"/records/{first['id']}")
    lines = page.locator("#log .line")
    expect(lines).to_have_count(1)
    expect(lines).to_contain_text(f"{first['code']}: Dressing the first as of any year.")

    deck.call("PATCH", f"/api/records/{first['id']}", {"fields": {"year": 1850}})
    for one in players.values():
        move(deck, one, "0 - New")
    climb(deck, "troupes", "players")

    expect(lines).to_have_count(2)
    expect(lines.last).to_contain_text("as of 1850")


def test_chosen_records_are_acted_upon_once_there_are_some(page: Page, deck: Deck) -> None:
    record = toy(deck)
    open_live(page, deck, f"/records/table?ladder=toys&q={record['code']}")
    retry, all_of_them = (
        page.get_by_role("button", name=name, exact=True) for name in ("Retry…", "Retry all that match…")
    )
    expect(page.locator("#ticked")).to_have_text("Tick records to select them")
    expect(retry).to_have_attribute("aria-disabled", "true")
    expect(all_of_them).not_to_have_attribute("aria-disabled", "true")

    page.get_by_label(f"Choose {record['code']}").check()

    expect(page.locator("#ticked")).to_have_text("1 selected")
    retry.click()
    expect(page.get_by_role("heading", level=1)).not_to_have_text("Records")


def test_a_board_gives_its_room_to_what_is_there_and_fades_where_it_goes_on(page: Page, deck: Deck) -> None:
    deck.call("POST", "/api/records", {"ladder": "footage", "source": "/pier.mov"})
    for status in (None, FOUND, ASKING, TOP):
        toy(deck, status)
    board = page.locator(".board")

    open_live(page, deck, "/records?ladder=footage")
    assert page.locator(".column.empty").first.evaluate("it => it.offsetWidth") < 80
    expect(board).not_to_have_attribute("data-more", "")
    page.set_viewport_size({"width": 700, "height": 844})
    open_live(page, deck, "/records?ladder=toys")
    expect(board).to_have_attribute("data-more", "")

    board.evaluate("it => it.scrollTo(it.scrollWidth, 0)")
    expect(board).not_to_have_attribute("data-more", "")
