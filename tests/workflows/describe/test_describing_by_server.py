"""A folder described by a vision server, over a real socket, whatever the server does."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from daemons.bus import Bus
from daemons.clients.registry import Clients
from daemons.clients.tiny_picture import tiny_picture
from daemons.database import Database
from daemons.settings import Settings
from daemons.workflows.describe import workflow
from daemons.workflows.describe.keeper import Description, DescriptionKeeper
from tests.engine_deck import Deck, open_deck
from tests.fake_clock import FakeClock
from tests.fakes.openai_server import MODEL, OpenAIServer, Question, Step, chat, closes, serving
from tests.pictures.samples import busy, saved
from tests.workflows.describe.test_describe_images import NAME, describe, until_says

pytestmark = [pytest.mark.timeout(120), pytest.mark.databases("sqlite")]


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with serving() as server:
        yield server


@pytest.fixture
async def deck(
    database: Database, clock: FakeClock, bus: Bus, server: OpenAIServer, tmp_path: Path
) -> AsyncIterator[Deck]:
    vision = {"url": server.url, "model": MODEL, "concurrency": 3}
    async with AsyncExitStack() as stack:
        clients = await stack.enter_async_context(Clients(Settings(data_dir=tmp_path, vision=vision), clock))
        yield await stack.enter_async_context(open_deck(database, clock, bus, workflow, clients=clients))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(12):
        saved(busy(number, 320, 240), folder / f"{number:02}.jpg")
    (folder / "text.jpg").write_text("I am not an image.")
    return folder


async def found(deck: Deck) -> dict[str, Description]:
    return {item.path: item for item in (await deck.keepers.get(DescriptionKeeper).list(limit=500)).items}


async def test_every_picture_is_asked_about_once_and_several_at_a_time(
    deck: Deck, pictures: Path, server: OpenAIServer
) -> None:
    three = asyncio.Barrier(3)

    async def together(question: Question, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer once three are asked about."""
        await three.wait()
        await chat()(question, reader, writer)

    server.chat = lambda question: together
    await describe(deck, directory=str(pictures), describer="vision", prompt="What is it?", watch=False)

    assert await until_says(deck, "looking again") == (
        "12 of 13 images are described, 1 failed, looking again in 60 seconds"
    )
    items = await found(deck)
    item = items["00.jpg"]
    assert (item.description, item.model, item.finish) == ("A red square.", MODEL, "stop")
    assert (item.prompt_tokens, item.output_tokens) == (300, 7)
    assert item.facts is not None
    assert item.facts["width"] == 320
    assert items["text.jpg"].error is not None
    assert items["text.jpg"].error.code == "ERR_NOT_AN_IMAGE"
    asked = [question.jpeg for question in server.questions]
    assert len(asked) == len(set(asked)) == 12
    assert server.most_at_work == 3
    assert server.questions[0].body["messages"][0]["content"][0]["text"] == "What is it?"


async def test_a_refusal_a_cut_answer_and_an_empty_one_are_told_apart(
    deck: Deck, pictures: Path, server: OpenAIServer
) -> None:
    ways = [chat(None, refusal="No."), chat("A red squ", "length"), chat("")]
    chosen: dict[str, Step] = {}

    def choose(question: Question) -> Step:
        picture = hashlib.sha256(question.jpeg).hexdigest()
        return chosen.setdefault(picture, ways.pop() if ways else chat())

    server.chat = choose
    await describe(deck, directory=str(pictures), describer="vision", watch=False)
    await until_says(deck, "10 of 13 images are described, 3 failed")

    items = (await found(deck)).values()
    codes = sorted(item.error.code for item in items if item.error)
    assert codes == ["ERR_MODEL_REFUSED", "ERR_MODEL_SAID_NOTHING", "ERR_NOT_AN_IMAGE"]
    assert [item.description for item in items if item.finish == "length"] == ["A red squ"]


async def test_a_server_that_goes_away_is_waited_for_and_nothing_is_asked_twice(
    deck: Deck, pictures: Path, server: OpenAIServer, clock: FakeClock
) -> None:
    answered: list[bytes] = []

    def answer(question: Question) -> Step:
        # The tiny picture by which the daemon finds out whether the server is back comes as often as it likes.
        answered.extend([question.jpeg] if question.jpeg != tiny_picture() else [])
        return chat()

    server.chat = lambda question: closes if len(answered) == 5 else answer(question)
    await describe(deck, directory=str(pictures), describer="vision", watch=False)
    while "trying again" not in (deck.daemon(NAME).live.current_status or ""):
        await clock.advance(1)

    assert "The vision server" in (deck.daemon(NAME).live.current_status or "")
    assert len([item for item in (await found(deck)).values() if item.state == "done"]) == 5
    server.chat = answer
    server.then(closes)
    await deck.roster.wake(NAME)
    await until_says(deck, "Waiting for the vision server")
    await deck.roster.wake(NAME)
    await until_says(deck, "12 of 13 images are described")

    assert len(answered) == len(set(answered)) == 12


async def test_without_a_server_it_says_what_to_set(
    database: Database, clock: FakeClock, bus: Bus, pictures: Path
) -> None:
    settings = Settings(data_dir=pictures.parent)
    async with Clients(settings, clock) as clients, open_deck(database, clock, bus, workflow, clients=clients) as deck:
        await describe(deck, directory=str(pictures), describer="vision")

        await until_says(deck, "Not configured: set vision.url")
