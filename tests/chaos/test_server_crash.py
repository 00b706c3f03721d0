"""A PostgreSQL server that crashes under a busy deck costs nobody anything but the moment until it is back."""

import asyncio
import os
import signal
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from tests.chaos.deck_process import DeckProcess
from tests.chaos.promises import FEEDER, Promises

CRASHES = 3
BACK_SECONDS = 10.0


@pytest.mark.databases("postgresql")
async def test_no_daemon_dies_and_nothing_is_lost_when_the_server_crashes(database_url: str, tmp_path: Path) -> None:
    promises = Promises(tmp_path, database_url)
    async with promises.deck() as deck:
        await deck.http.post(f"/api/daemons/{FEEDER}/start", json={})
        await deck.running_after(FEEDER)
        for _ in range(CRASHES):
            await promises.ask_again(deck)
            enough = asyncio.Event()
            calling = asyncio.create_task(promises.load(deck, enough))
            await deck.until_daemon(FEEDER, lambda item: bool(item["current_job_id"]))
            crash(database_url)
            await follows_a_new_job(deck)
            enough.set()
            await calling
        shown = (await deck.http.get(f"/api/daemons/{FEEDER}")).json()
        await promises.ask_again(deck)

    assert (shown["state"], shown["restarts"], shown["last_error"]) == ("running", 0, None)
    assert (await promises.settle()).problems + promises.broken == []


def crash(database_url: str) -> None:
    """Kill one of the server's processes: the server then ends all others and begins anew, as after a crash."""
    url = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        pid = connection.info.backend_pid
        try:
            os.kill(pid, signal.SIGKILL)
        except (PermissionError, ProcessLookupError):
            pytest.skip("the server runs elsewhere or for another user")


async def follows_a_new_job(deck: DeckProcess) -> None:
    """Return once the feeder has had a job ended after now."""
    async with deck.events(f"topics=daemons&daemon={FEEDER}") as events:
        first = await events.until(lambda item: bool(item["current_job_id"]), BACK_SECONDS)
        await events.until(lambda item: item["current_job_id"] not in (None, first["current_job_id"]), BACK_SECONDS)
