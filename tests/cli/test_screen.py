"""The live screen, driven by its keys against a real deck."""

import asyncio
import sys

import pytest
from textual.pilot import Pilot
from textual.widgets import RichLog

from daemons.cli.deck import Deck
from daemons.cli.screen import Screen
from tests.cli.deck_runner import DeckRunner, Serving

SECONDS = 15.0


async def until(pilot: Pilot[None], name: str, state: str) -> None:
    """Return once the row of `name` shows `state`."""
    app = pilot.app
    assert isinstance(app, Screen)
    async with asyncio.timeout(SECONDS):
        while name not in app.table.rows or str(app.table.get_cell(name, "STATE")) != state:
            await pilot.pause(0.05)


async def test_a_key_starts_and_stops_the_chosen_daemon(deck: DeckRunner, serving: Serving) -> None:
    token = (deck.data_dir / "token").read_text().strip()
    with Deck(serving.url, token, timeout=None) as connection:
        async with Screen(connection).run_test(size=(120, 40)) as pilot:
            app = pilot.app
            assert isinstance(app, Screen)
            await until(pilot, "toy_talker", "stopped")
            app.table.move_cursor(row=app.table.get_row_index("toy_talker"))

            await pilot.press("s")
            await until(pilot, "toy_talker", "sleeping")
            assert "Waiting to be woken" in str(app.table.get_cell("toy_talker", "STATUS"))
            async with asyncio.timeout(SECONDS):
                while not any("turn 1 at error" in line.text for line in app.query_one(RichLog).lines):
                    await pilot.pause(0.05)

            await pilot.press("x")
            await until(pilot, "toy_talker", "stopped")
            await pilot.press("q")


def test_without_its_extra_it_says_what_to_install(
    deck: DeckRunner, serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "textual", None)

    done = deck.run("top")

    assert done.returncode == 78
    assert "pip install 'daemondeck[top]'" in done.stderr


def test_without_a_terminal_it_ends_at_once(deck: DeckRunner) -> None:
    done = deck.run("top")

    assert (done.returncode, done.stdout) == (2, "")
    assert "needs a terminal" in done.stderr
    assert "daemondeck status --watch" in done.stderr


async def test_rows_of_a_deck_that_is_gone_are_not_said_to_be_so(deck: DeckRunner, serving: Serving) -> None:
    token = (deck.data_dir / "token").read_text().strip()
    with Deck(serving.url, token, timeout=None) as connection:
        async with Screen(connection).run_test(size=(120, 40)) as pilot:
            app = pilot.app
            assert isinstance(app, Screen)
            await until(pilot, "demo", "stopped")
            serving.process.kill()

            async with asyncio.timeout(SECONDS):
                while not app.sub_title.startswith("Offline. What is shown is as of "):
                    await pilot.pause(0.05)

            assert "dim" in str(app.table.get_cell("demo", "STATE").spans)
            await pilot.press("s")
            assert app.is_running
