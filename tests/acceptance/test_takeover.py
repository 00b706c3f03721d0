"""Two decks on one database: one that was away too long finds that the other has taken over, and may write nothing."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.deck_process import DeckProcess, Item
from tests.chaos.invariants import check

TAKEN_WITHIN = 40.0
"""The lease is 15 s; the other one must watch it for so long."""
REFUSED_WITHIN = 15.0
"""It comes back with all it wanted to say; what it looks after, it looks at every few seconds."""


@pytest.mark.databases("postgresql")
@pytest.mark.timeout(120)
async def test_a_deck_that_was_away_too_long_may_write_nothing(database_url: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with DeckProcess(tmp_path / "one", database_url=database_url) as one:
        job = (await one.http.post("/api/jobs", json={"type": "chaos_gate", "args": {"gate": str(gate)}})).json()
        await one.http.post("/api/daemons/chaos_talker/start", json={})
        await one.until_job(job["id"], lambda item: item["progress"] is not None)
        await one.until_daemon("chaos_talker", speaks(one.pid))
        async with DeckProcess(tmp_path / "two", database_url=database_url) as two:
            one.signal(signal.SIGSTOP)
            await two.until_daemon("chaos_talker", speaks(two.pid), TAKEN_WITHIN)
            gate.touch()
            ended = await two.until_job_ended(job["id"], TAKEN_WITHIN)
            one.signal(signal.SIGCONT)

            refused = await until_refused(two, job["id"], {"status", "log", "job"})

            detail = (await two.http.get(f"/api/jobs/{job['id']}")).json()
            shown = (await two.http.get("/api/daemons/chaos_talker")).json()
            for deck in (one, two):
                deck.terminate()
                assert await deck.ended(11) == 0

    assert (ended["state"], ended["attempt"], ended["result"]) == ("completed", 2, {"pid": two.pid})
    assert (detail["state"], detail["attempt"], detail["result"]) == ("completed", 2, {"pid": two.pid})
    assert {refusal["attempt"] for refusal in detail["refused"]} == {1}
    assert str(two.pid) in shown["current_status"]
    assert refused
    problems = check(database_url, [job["id"]]).problems
    assert [problem for problem in problems if "chaos_step" not in problem] == []


def speaks(pid: int) -> Any:
    return lambda item: str(item["current_status"]).endswith(f"process {pid}")


async def until_refused(deck: DeckProcess, job_id: str, kinds: set[str]) -> list[Item]:
    """Return what the daemon's history has of refused writes once every kind of them is there, and the job's is too."""
    refused: list[Item] = []
    listed: list[Item] = []
    try:
        async with asyncio.timeout(REFUSED_WITHIN), deck.events("topics=daemons") as events:
            while True:
                answer = await deck.http.get("/api/daemons/chaos_talker/history", params={"limit": 500})
                refused = [entry for entry in answer.json()["items"] if entry["kind"] == "refused"]
                listed = (await deck.http.get(f"/api/jobs/{job_id}")).json()["refused"]
                if kinds <= {entry["to"] for entry in refused} and "finish" in {entry["what"] for entry in listed}:
                    return refused
                # The talker never is silent: this is a moment, not a wait for anything in particular.
                await events.until(speaks(deck.pid))
    except TimeoutError:
        raise AssertionError(f"refused of the daemon: {refused}; of the job: {listed}") from None
