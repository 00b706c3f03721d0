"""A deck that is told to end ends, whatever holds on to it, and the next one goes on where it was."""

import asyncio
import signal
import socket
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import pytest

from tests.chaos.deck_process import TOKEN, DeckProcess, Item, has_ended
from tests.chaos.invariants import check
from tests.pictures.samples import landscape

PLUGINS = ("tests.acceptance.toys", "tests.chaos.load")
STOP_SECONDS = 11.0
"""The ten that a stop may take, and one for whoever looks at it."""
PICTURES = 100
"""One batch."""


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of many real pictures, no two of the same content."""
    folder = tmp_path_factory.mktemp("pictures")
    landscape().save(folder / "first.jpg")
    content = (folder / "first.jpg").read_bytes()
    for number in range(1, PICTURES):
        (folder / f"{number}.jpg").write_bytes(content + b"%d" % number)
    return folder


@contextmanager
def stalled_client(deck: DeckProcess) -> Iterator[None]:
    """Open an events socket and never read from it."""
    host, port = deck.url.removeprefix("http://").split(":")
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        client.connect((host, int(port)))
        client.sendall(
            f"GET /api/events HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            f"Authorization: Bearer {TOKEN}\r\n\r\n".encode()
        )
        yield


@asynccontextmanager
async def describing(data_dir: Path, pictures: Path) -> AsyncIterator[tuple[DeckProcess, Item]]:
    """Serve a deck that is in the middle of a batch; the job is given as it was seen."""
    async with DeckProcess(data_dir, "--describe", str(pictures), plugins=PLUGINS) as deck:
        async with deck.events("topics=daemons,jobs") as events:
            job = await events.until(lambda item: item.get("type") == "describe_batch" and has_progress(item))
        yield deck, job


def has_progress(item: Item) -> bool:
    return item["state"] == "running" and item["progress"] is not None and 3 <= item["progress"]["done"] < PICTURES / 2


def stored(data_dir: Path) -> dict[str, str]:
    """Return when each picture was described, by its path."""
    with closing(sqlite3.connect(f"file:{data_dir / 'daemondeck.db'}?mode=ro", uri=True)) as connection:
        return dict(connection.execute("SELECT path, created_at FROM descriptions").fetchall())


@pytest.mark.parametrize("blocks", [False, True], ids=["with an awake loop", "with a blocked loop"])
async def test_nothing_holds_the_end_and_the_batch_goes_on(data_dir: Path, pictures: Path, blocks: bool) -> None:
    async with describing(data_dir, pictures) as (deck, job):
        for name in ("swallower", "blocker") if blocks else ("swallower",):
            await deck.http.post(f"/api/daemons/{name}/start", json={})
            await deck.until_daemon(name, lambda item: bool(item["current_status"]))
        with stalled_client(deck):
            deck.terminate()
            code = await deck.ended(STOP_SECONDS)

    assert code == 0
    # Between two decks: the next one goes on at once.
    known = stored(data_dir)
    async with DeckProcess(data_dir, plugins=PLUGINS) as deck:
        ended = await deck.until_job(job["id"], has_ended)
    every = stored(data_dir)

    assert len(known) >= 3
    assert ended["state"] == "completed"
    # Not one that was there was made again.
    assert known.items() <= every.items()
    assert ended["result"]["known_already"] == len(known)
    assert ended["result"]["known_already"] + ended["result"]["described"] == PICTURES


async def test_what_runs_is_given_back_with_its_progress_and_nothing_counted(data_dir: Path, tmp_path: Path) -> None:
    async with DeckProcess(data_dir) as deck:
        body = {"type": "chaos_gate", "args": {"gate": str(tmp_path / "gate")}}
        job = (await deck.http.post("/api/jobs", json=body)).json()
        seen = await deck.until_job(job["id"], lambda item: item["progress"] is not None)
        deck.terminate()
        assert await deck.ended(STOP_SECONDS) == 0
    assert check(f"sqlite:///{data_dir / 'daemondeck.db'}", []).problems == [
        f"{job['id']} (chaos_gate, queued, attempt 1): it never ended; its worker is None",
        f"{job['id']} (chaos_gate, queued, attempt 1): its error is None",
    ]

    async with DeckProcess(data_dir) as deck:
        before = (await deck.http.get(f"/api/jobs/{job['id']}")).json()
        (tmp_path / "gate").touch()
        after = await deck.until_job_ended(job["id"])

    assert before["progress"]["done"] >= seen["progress"]["done"]
    assert (after["state"], after["attempt"], after["failures"]) == ("completed", 2, 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_second_signal_is_now(data_dir: Path, number: signal.Signals) -> None:
    async with DeckProcess(data_dir, plugins=PLUGINS) as deck:
        await deck.http.post("/api/daemons/swallower/start", json={})
        async with deck.events("topics=daemons") as events:
            await events.until(lambda item: item["name"] == "swallower" and bool(item["current_status"]))
            deck.signal(number)
            async with asyncio.timeout(5):
                await events.stream.wait_closed()
        assert events.stream.close_code == 1012
        deck.signal(number)

        assert await deck.ended(2) == 0
