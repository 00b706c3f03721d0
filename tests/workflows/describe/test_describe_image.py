"""The job of a single image: its result is the description, or why there is none."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from daemons.bus import Bus
from daemons.clients.registry import Clients
from daemons.database import Database
from daemons.folders.paths import wire_path
from daemons.settings import Settings
from daemons.values import Job
from daemons.workflows.describe import workflow
from daemons.workflows.describe.keeper import DescriptionKeeper
from tests.engine_deck import Deck, open_deck
from tests.fake_clock import FakeClock
from tests.fakes.openai_server import MODEL, OpenAIServer, chat, serving
from tests.pictures.samples import busy, saved

pytestmark = [pytest.mark.timeout(120), pytest.mark.databases("sqlite")]


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with serving() as server:
        yield server


@pytest.fixture
async def deck(
    database: Database, clock: FakeClock, bus: Bus, server: OpenAIServer, tmp_path: Path
) -> AsyncIterator[Deck]:
    async with AsyncExitStack() as stack:
        vision = {"url": server.url, "model": MODEL}
        clients = await stack.enter_async_context(Clients(Settings(data_dir=tmp_path, vision=vision), clock))
        yield await stack.enter_async_context(open_deck(database, clock, bus, workflow, clients=clients))


async def described(deck: Deck, path: bytes, **args: Any) -> Job:
    created = await deck.orders.create("describe_image", {"path": wire_path(path), **args})
    return await deck.orders.wait(created.job.id)


async def test_without_a_model_the_image_itself_is_put_into_words(deck: Deck, tmp_path: Path) -> None:
    path = saved(busy(1, 320, 240), Path(str(tmp_path) + "/a\udcff.jpg"))

    job = await described(deck, path)

    assert job.error is None
    assert job.result["description"].startswith("A landscape-format image, ")
    assert job.result["sha256"] == sha256((tmp_path / "a\udcff.jpg").read_bytes()).hexdigest()
    assert (job.result["describer"], job.result["model"], job.result["prompt_hash"]) == ("basic", None, None)
    assert (await deck.keepers.get(DescriptionKeeper).list(limit=10)).items == []


async def test_a_server_is_asked_the_prompt_and_its_model_is_named(
    deck: Deck, tmp_path: Path, server: OpenAIServer
) -> None:
    path = saved(busy(1, 320, 240), tmp_path / "a.jpg")

    job = await described(deck, path, describer="vision", prompt="What is it?")

    assert job.error is None
    assert (job.result["description"], job.result["model"]) == ("A red square.", MODEL)
    assert job.result["prompt_hash"] == sha256(b"What is it?").hexdigest()
    assert server.questions[0].body["messages"][0]["content"][0]["text"] == "What is it?"


async def test_why_there_is_no_description_is_told_with_its_code(
    deck: Deck, tmp_path: Path, server: OpenAIServer
) -> None:
    path = saved(busy(1, 320, 240), tmp_path / "a.jpg")
    text = tmp_path / "b.jpg"
    text.write_text("not a picture")
    server.chat = lambda question: chat("")

    jobs = [
        await described(deck, bytes(tmp_path / "gone.jpg")),
        await described(deck, bytes(text), describer="vision"),
        await described(deck, path, describer="vision"),
    ]

    assert [(job.error.code, job.attempt) for job in jobs if job.error] == [
        ("ERR_FILE_MISSING", 1),
        ("ERR_NOT_AN_IMAGE", 1),
        ("ERR_MODEL_SAID_NOTHING", 1),
    ]


async def test_a_model_here_that_cannot_be_loaded_is_no_reason_to_try_again(deck: Deck, tmp_path: Path) -> None:
    job = await described(deck, saved(busy(1, 320, 240), tmp_path / "a.jpg"), describer="local", model="/nowhere")

    assert job.error is not None
    assert job.error.remedy
    assert job.attempt == 1
