"""The loop with which status updates were asked for runs as it was printed, as somebody else's plug-in."""

import logging
import statistics
import textwrap
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.deck_process import DeckProcess, Item

LOOP = (Path(__file__).parent / "example_loop.txt").read_text()
"""Not a character of it is ours."""
HELPERS = '''
import asyncio
import time
from enum import Enum

from daemons import BaseDaemon, LogLevel, daemon, job


class JobType(Enum):
    PROCESS = "process"


class Stamped:
    """An item whose name is the moment at which it is asked for."""

    @property
    def name(self):
        return f"{time.monotonic():.6f}"


@job("process")
async def process(ctx):
    await ctx.progress(1, 1)


@daemon("example")
class Example(BaseDaemon):
    """Does what the printed loop does."""

    def _load_config(self):
        return {"interval": 300}

    async def _get_pending_items(self):
        return [Stamped()] * 5

    async def _create_job(self, item):
        # A pause, so that what is said next is on air at once and not held for the next tenth of a second.
        await asyncio.sleep(0.15)
        return await self.create_job("process")

    async def _monitor_job(self, job_id):
        await self.wait_for(job_id)

'''
HOT = '''

@daemon("hot")
class Hot(Example):
    """The same loop, of which each turn fails at once."""

    async def _get_pending_items(self):
        raise RuntimeError("no such table")
'''

logger = logging.getLogger(__name__)


@pytest.fixture
async def deck(tmp_path: Path, data_dir: Path) -> AsyncIterator[DeckProcess]:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "my_daemons.py").write_text(HELPERS + textwrap.indent(LOOP, "    ") + HOT)
    async with DeckProcess(data_dir, plugins=["my_daemons"], path=[elsewhere]) as deck:
        yield deck


async def test_its_status_is_told_leads_to_its_job_and_ends_with_it(deck: DeckProcess) -> None:
    took = []
    async with deck.events("topics=daemons&daemon=example") as events:
        await deck.http.post("/api/daemons/example/start", json={})
        for _ in range(10):
            shown = await events.until(is_monitoring)
            took.append(time.monotonic() - float(shown["current_status"].split()[-1]))
            await events.until(lambda item: not is_monitoring(item))

    job = (await deck.http.get(f"/api/jobs/{shown['current_job_id']}")).json()
    assert (job["type"], shown["current_job_type"]) == ("process", "process")
    assert job["daemon_name"] == "example"
    page = await deck.http.get(f"/jobs/{shown['current_job_id']}")
    assert page.status_code == 200
    # How fast it must be is measured by the benchmark, on a quiet machine.
    logger.info("status call to frame: p50 %.1f ms, p99 %.1f ms", statistics.median(took) * 1000, max(took) * 1000)

    stopped = await stop(deck, "example")
    assert (stopped["state"], stopped["current_status"], stopped["last_error"]) == ("stopped", None, None)


async def test_a_loop_that_fails_at_once_freezes_nothing(deck: DeckProcess) -> None:
    for name in ("hot", "example"):
        await deck.http.post(f"/api/daemons/{name}/start", json={})
    await deck.until_daemon("hot", lambda item: item["current_status"] is not None)

    answers = [await deck.http.get("/api/daemons/hot") for _ in range(20)]
    seen = {(await deck.until_daemon("example", is_monitoring))["current_job_id"] for _ in range(2)}
    stopped = await stop(deck, "hot")

    assert [answer.status_code for answer in answers] == [200] * 20
    assert None not in seen
    assert stopped["restarts"] == 0
    lines = (await deck.http.get("/api/daemons/hot/logs", params={"limit": 500})).json()["items"]
    assert any(line["message"] == "Error: no such table" for line in lines)
    assert (await deck.http.get("/api/daemons/example")).json()["state"] == "running"
    deck.terminate()
    assert await deck.ended(11) == 0


def is_monitoring(item: Item) -> bool:
    return str(item["current_status"]).startswith("Monitoring job for")


async def stop(deck: DeckProcess, name: str) -> dict[str, Any]:
    answer = await deck.http.post(f"/api/daemons/{name}/stop", json={"mode": "now"})
    assert answer.status_code == 202
    return await deck.until_daemon(name, lambda item: bool(item["state"] == "stopped"), within=15)
