"""`daemondeck vision`: the server that describes pictures, shown and tested by somebody at a terminal."""

import asyncio

from tests.cli.deck_runner import DeckRunner
from tests.fakes.openai_server import MODEL, serving

KEY = "canary-key-0001"


async def test_the_server_is_shown_and_tested(own_deck: DeckRunner) -> None:
    async with serving() as server:
        server.keys = {KEY}
        variables = {"URL": server.url, "MODEL": MODEL, "API_KEY": KEY}
        with own_deck.serving(**{f"DAEMONDECK_VISION__{name}": value for name, value in variables.items()}):
            good = await asyncio.to_thread(own_deck.run, "vision", "test")
            server.keys = set()
            bad = await asyncio.to_thread(own_deck.run, "vision", "test")
            shown = await asyncio.to_thread(own_deck.json, "vision", "show")

    assert (good.returncode, bad.returncode) == (0, 1), good.stderr
    assert "A red square." in good.stdout and MODEL in good.stdout
    assert "ERR_KEY_REFUSED" in bad.stderr and "vision.api_key" in bad.stderr
    assert (shown["url"], shown["keys"], shown["last_test"]["works"]) == (server.url, 1, False)
    assert KEY not in f"{good} {bad} {shown}"
