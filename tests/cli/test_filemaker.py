"""`daemondeck filemaker`: the FileMaker Server, shown and tested by somebody at a terminal."""

import asyncio

from daemons.clock import SystemClock
from daemons.settings.filemaker import STILLS
from tests.cli.deck_runner import DeckRunner
from tests.fakes.filemaker import DATABASE, PASSWORD, USER, serving


async def test_the_server_is_shown_and_tested(own_deck: DeckRunner) -> None:
    async with serving(SystemClock()) as server:
        server.table("Stills", *(name for name in STILLS.named() if name != "SPECS_URL"))
        given = {"URL": server.url, "DATABASE": DATABASE, "USER": USER, "PASSWORD": PASSWORD, "FOOTAGE__LAYOUT": ""}
        with own_deck.serving(**{f"DAEMONDECK_FILEMAKER__{name}": value for name, value in given.items()}):
            good = await asyncio.to_thread(own_deck.run, "filemaker", "test")
            server.layouts.clear()
            bad = await asyncio.to_thread(own_deck.run, "filemaker", "test")
            shown = await asyncio.to_thread(own_deck.json, "filemaker", "show")
            doctor = await asyncio.to_thread(own_deck.run, "doctor")

    assert (good.returncode, bad.returncode) == (0, 1), good.stderr
    assert "stills: the layout Stills has 10 fields." in good.stdout
    assert "SPECS_URL is not on it, and left alone." in good.stdout
    assert "ERR_FILEMAKER_LAYOUT_MISSING" in bad.stdout and "filemaker.stills.layout" in bad.stdout
    assert (shown["url"], shown["unset"], shown["last_test"]["works"]) == (server.url, None, False)
    assert "ERR_FILEMAKER_LAYOUT_MISSING" in doctor.stdout
    assert PASSWORD not in f"{good} {bad} {shown} {doctor}"


def test_without_one_it_says_what_to_set(own_deck: DeckRunner) -> None:
    with own_deck.serving():
        shown = own_deck.run("filemaker", "show")
        refused = own_deck.run("filemaker", "test")

    assert (shown.returncode, refused.returncode) == (0, 5)
    assert "DAEMONDECK_FILEMAKER__URL" in shown.stderr and "filemaker.url" in refused.stderr
