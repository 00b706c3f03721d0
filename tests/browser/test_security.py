"""Whatever any text of any table says, it is text in the browser: nothing runs, nothing breaks the policy.

The texts are written past every door, straight into the database of a deck that is not running: what a future daemon,
importer or older version left there has to be as harmless as what people type today.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import JSON, String

from daemons.models import Base
from daemons.workflows.describe.tables import DescriptionTable
from tests.browser.conftest import opened
from tests.browser.deck import Deck
from tests.browser.puppets import HOSTILE
from web.sections import SECTIONS

EVERYWHERE = (
    "jaVasCript:/*-/*`/*\\`/*'/*\"/**/(/* */oNcliCk=alert(3) )//%0D%0A%0d%0a//</stYle/</titLe/</teXtarEa/</scRipt/--!>"
    "\\x3csVg/<sVg/oNloAd=alert(4)//>\\x3e"
)
FIND_BROKEN = """() => [...document.querySelectorAll("*")].filter((one) =>
  (one.tagName === "SCRIPT" && !one.src) || (one.tagName === "IMG" && one.getAttribute("src") === "x")
  || [...one.attributes].some(({ name, value }) =>
    /^on/i.test(name) || (/href|src|action/i.test(name) && /^\\s*javascript:/i.test(value)))
).map((one) => one.outerHTML.slice(0, 200))"""
KEYS = {
    "id", "digest", "key_digest", "sha256", "name", "type", "kind", "state", "old", "new", "desired",
    "stop_mode", "level", "lane", "role", "password_hash", "on_stop", "outcome", "action", "worker", "holder",
    "host", "user_id", "parent_id", "job_id", "current_job_id", "unique_key", "expression", "zone",
    "quiet_from", "quiet_until", "missed", "secret", "events", "form", "describer", "daemon_name", "facts",
    "configuration", "progress", "folder", "path", "query", "key",
}  # fmt: skip
"""Columns that hold no words: keys, states, and what only its own code writes and reads back."""
NAMED = {"audit": {"action", "outcome", "kind"}, "views": {"name"}, "questions": {"name"}, "job_refusals": {"what"}}
"""Columns of those names that hold words all the same."""


assert DescriptionTable.metadata is Base.metadata, "the tables of workflows are among them"


def words_of(table: Any) -> list[Any]:
    """Return the columns of a table that a person reads."""
    return [
        column
        for column in table.columns
        if isinstance(column.type, String | JSON)
        and not column.foreign_keys
        and (column.name not in KEYS or column.name in NAMED.get(table.name, set()))
        and not column.primary_key
    ]


@pytest.fixture(scope="module")
def deck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deck]:
    """A deck that has run, whose every word was then replaced, and that runs again."""
    folder = tmp_path_factory.mktemp("hostile")
    with Deck(folder) as deck:
        deck.add("puppet", "noisy", says="words", logs=["words"], raises="words")
        deck.add("hostile", "evil", says=HOSTILE, logs=[HOSTILE])
        for type in ("shy", "parent", "shelve", "caption"):
            deck.order(type)
        deck.call("POST", "/api/users", {"name": "ana", "role": "viewer", "password": "rain on a tin roof"})
        deck.call("POST", "/api/tokens", {"name": "backup", "role": "viewer"})
        deck.session("viewer")
        wait_for_words(deck)
        deck.kill()
        spoil(folder / "daemondeck.db")
        deck.start()
        yield deck


def wait_for_words(deck: Deck) -> None:
    """Return once there is something of everything."""
    for _ in range(2000):
        if (
            len(deck.call("GET", "/api/questions")["items"]) >= 2
            and deck.call("GET", "/api/jobs?state=failed")["items"]
        ):
            return
    raise AssertionError("the deck did not come to have questions and failures")


def spoil(file: Path) -> None:
    """Replace every word in every table."""
    with closing(sqlite3.connect(file)) as connection, connection:
        for table in Base.metadata.sorted_tables:
            for number, column in enumerate(words_of(table)):
                text = HOSTILE if number % 2 else EVERYWHERE
                read = f"SELECT rowid, {column.name} FROM {table.name} WHERE {column.name} IS NOT NULL"
                for row, value in connection.execute(read).fetchall():
                    new = json.dumps(spoilt(json.loads(value), text)) if isinstance(column.type, JSON) else text
                    change = f"UPDATE {table.name} SET {column.name} = ? WHERE rowid = ?"
                    connection.execute(change, (new, row))


def spoilt(value: Any, text: str) -> Any:
    """Return a JSON value of the same shape in which every word is `text`; times stay times."""
    if isinstance(value, dict):
        return {name: inner if name == "at" else spoilt(inner, text) for name, inner in value.items()}
    if isinstance(value, list):
        return [spoilt(inner, text) for inner in value]
    return text if isinstance(value, str) else value


def pages_of(deck: Deck) -> list[str]:
    """Return the path of every page, those of single things included."""
    jobs = [f"/jobs/{job['id']}" for job in deck.call("GET", "/api/jobs")["items"]]
    daemons = [f"/daemons/{daemon['name']}" for daemon in deck.call("GET", "/api/daemons")["items"]]
    questions = [f"/inbox/{question['id']}" for question in deck.call("GET", "/api/questions?state=all")["items"]]
    sections = [f"/{section.name}" for section in SECTIONS]
    return [*sections, "/more", "/welcome", "/people/users/ana", *daemons, *jobs, *questions]


def test_no_word_of_any_table_runs_in_a_browser(browser: Browser, deck: Deck) -> None:
    asked: list[str] = []
    seen = ""
    with opened(browser) as context:
        context.add_cookies([deck.session()])
        page = context.new_page()
        page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
        for path in pages_of(deck):
            answer = page.goto(deck.url(path))
            assert answer is not None
            assert answer.status in (200, 404), (path, answer.status)
            if answer.status == 200 and page.locator("#chip").count():
                expect(page.locator("#chip")).to_have_text("Live")
            assert broken(page) == [], path
            seen += page.content()

    assert asked == []
    assert seen.count("onerror=alert(1)") >= 10
    assert seen.count("oNcliCk=alert(3)") >= 10


def test_hostile_words_in_an_address_do_not_run_either(browser: Browser, deck: Deck) -> None:
    with opened(browser) as context:
        context.add_cookies([deck.session()])
        page = context.new_page()
        for payload in (HOSTILE, EVERYWHERE):
            for path in ("/jobs?q=", "/jobs?state=", "/daemons/", "/signin?code=", "/signin?next=", "/inbox?cursor="):
                page.goto(deck.url(path) + "".join(f"%{byte:02x}" for byte in payload.encode()))
                assert broken(page) == [], path


def test_every_column_is_known_to_hold_words_or_not() -> None:
    columns = {column.name for table in Base.metadata.sorted_tables for column in table.columns}

    assert columns >= KEYS, "a column is gone; take it off the list"


def broken(page: Page) -> list[str]:
    """Return what of the page was made of words instead of by a template."""
    return page.evaluate(FIND_BROKEN)  # type: ignore[no-any-return]
