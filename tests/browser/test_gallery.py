"""Looking through described pictures: search, choose, open, go on, edit together with others, describe anew."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import open_live, opened
from tests.browser.deck import Deck
from tests.browser.showcase import take_pictures

PICTURES = 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return take_pictures(tmp_path_factory.mktemp("pictures") / "Holiday", PICTURES)


@pytest.fixture(scope="module")
def deck(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[Deck]:
    with Deck(tmp_path_factory.mktemp("data"), "--describe", str(folder)) as running:
        yield running


@pytest.fixture
def described(deck: Deck) -> list[dict[str, Any]]:
    """Return every description, the newest first, once all pictures have one."""
    while len(items := deck.call("GET", "/api/descriptions?limit=100")["items"]) < PICTURES:
        continue
    return list(items)


def cards(page: Page) -> list[str]:
    """Return the names of the pictures that are shown."""
    return page.locator(".item .who a").all_inner_texts()


def test_pictures_are_seen_and_chosen_and_one_is_opened(
    page: Page, deck: Deck, described: list[dict[str, Any]]
) -> None:
    open_live(page, deck, "/descriptions")
    expect(page.locator(".item img")).to_have_count(PICTURES)
    for image in page.locator(".item img").all():
        image.scroll_into_view_if_needed()
        expect(image).to_have_js_property("complete", value=True)
        assert image.evaluate("image => image.naturalWidth") == 384
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox", name="Search descriptions")).to_be_focused()

    page.keyboard.type("IMG_0002")
    page.keyboard.press("Enter")
    expect(page.locator(".item .who a")).to_have_text(["IMG_0002.jpg"])
    page.get_by_role("link", name="Text: IMG_0002").click()
    expect(page.locator(".item")).to_have_count(PICTURES)

    page.get_by_text("Colour", exact=True).click()
    page.locator(".choose[open] a", has_text="steel blue").click()
    expect(page.get_by_role("link", name="Colour: steel blue")).to_be_visible()
    names = cards(page)
    assert names == [one["path"] for one in described if one["colour"] == "steel blue"]
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(names[1])
    assert "colour=steel" in page.url

    page.get_by_role("link", name="Older").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(names[2])
    page.keyboard.press("k")
    expect(page.get_by_role("heading", level=1)).to_have_text(names[1])
    picture = page.locator(".large img")
    expect(picture).to_have_js_property("complete", value=True)
    assert picture.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [640, 480]
    expect(page.locator(".known")).to_contain_text("Canon EOS 80D")
    page.locator(".crumbs a").click()
    expect(page.locator(".item .who a")).to_have_text(names)


def test_the_view_is_kept(page: Page, deck: Deck, described: list[dict[str, Any]]) -> None:
    open_live(page, deck, "/descriptions")

    page.get_by_role("link", name="List", exact=True).click()
    expect(page.locator(".gallery.list .item")).to_have_count(PICTURES)
    open_live(page, deck, "/descriptions")

    expect(page.locator(".gallery.list .item")).to_have_count(PICTURES)


def test_two_people_edit_and_nobody_loses_words(page: Page, deck: Deck, described: list[dict[str, Any]]) -> None:
    one = described[0]
    open_live(page, deck, f"/descriptions/{one['id']}")
    page.get_by_role("link", name="Edit").click()
    page.get_by_role("textbox", name="Description").fill("A barn.\nSnow all around.")
    deck.call("PATCH", f"/api/descriptions/{one['id']}", {"description": "Somebody else was faster."})

    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Somebody else was faster.")
    expect(page.get_by_role("textbox", name="Description")).to_have_value("A barn.\nSnow all around.")
    page.get_by_role("button", name="Save mine").click()

    expect(page.locator(".words > .description")).to_have_text("A barn.\nSnow all around.")
    expect(page.locator(".versions")).to_contain_text("Somebody else was faster.")
    page.get_by_role("button", name="Say this again, revision 1").click()
    expect(page.locator(".words > .description")).to_have_text(one["description"])


def test_a_page_says_what_it_says_now(page: Page, deck: Deck, described: list[dict[str, Any]]) -> None:
    one = described[1]
    open_live(page, deck, f"/descriptions/{one['id']}")

    deck.call("PATCH", f"/api/descriptions/{one['id']}", {"description": "Told meanwhile."})

    expect(page.locator(".words > .description")).to_have_text("Told meanwhile.")


def test_a_full_page_holds_still_and_tells_how_many_are_new(
    page: Page, deck: Deck, described: list[dict[str, Any]], folder: Path
) -> None:
    open_live(page, deck, f"/descriptions?limit={PICTURES // 2}")
    names = cards(page)

    take_pictures(folder / "More", 2)
    deck.command("describe-holiday", "wake")

    expect(page.locator("#pill")).to_have_text("2 new", timeout=20_000)
    assert cards(page) == names
    page.locator("#pill").click()
    expect(page.locator(".item .who a").first).to_contain_text("IMG_000")
    expect(page.locator(".item .place").first).to_have_text("More", use_inner_text=True)


def test_everything_is_done_without_scripts(browser: Browser, deck: Deck, described: list[dict[str, Any]]) -> None:
    with opened(browser, java_script_enabled=False, viewport={"width": 390, "height": 844}) as context:
        context.add_cookies([deck.session()])
        page = context.new_page()
        page.goto(deck.url("/descriptions?q=IMG"))
        more = page.locator(".choose summary", has_text="More")
        more.click()
        expect(page.get_by_role("link", name="Files that are gone")).to_be_visible()
        more.click()
        page.get_by_role("link", name="IMG_0003.jpg").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("IMG_0003.jpg")
        assert page.url.endswith("?q=IMG")

        page.get_by_role("link", name="Edit").click()
        page.get_by_role("textbox", name="Description").fill("Typed without scripts.")
        page.get_by_role("button", name="Save").click()
        expect(page.locator(".words > .description")).to_have_text("Typed without scripts.")

        page.get_by_role("link", name="With another describer").click()
        page.get_by_role("combobox", name="Describer").select_option("local")
        page.get_by_role("button", name="Describe").click()
        expect(page.get_by_role("alert")).to_contain_text("local and vision need a model")
        page.get_by_role("combobox", name="Describer").select_option("basic")
        page.get_by_role("button", name="Describe").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("describe_batch")


def test_who_may_only_look_is_shown_no_buttons(browser: Browser, deck: Deck, described: list[dict[str, Any]]) -> None:
    with opened(browser) as context:
        context.add_cookies([deck.session("viewer")])
        page = context.new_page()
        open_live(page, deck, f"/descriptions/{described[0]['id']}")

        expect(page.locator(".large img")).to_be_visible()
        expect(page.get_by_role("link", name="Edit")).to_have_count(0)
        expect(page.get_by_role("button", name="Describe again")).to_have_count(0)
