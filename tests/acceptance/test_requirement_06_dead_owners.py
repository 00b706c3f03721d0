"""Requirement 6, dead owners are found and freed: "SIGKILL worker; shown lost ≤ 30 s, job resumed once"."""

import asyncio
from pathlib import Path

import pytest

from tests.chaos.deck_process import DeckProcess, Item

LOST_WITHIN = 30.0


@pytest.mark.databases("postgresql")
@pytest.mark.timeout(120)
async def test_a_killed_worker_is_shown_lost_and_its_job_is_resumed_once(database_url: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with DeckProcess(tmp_path / "one", database_url=database_url) as one:
        job = (await one.http.post("/api/jobs", json={"type": "chaos_gate", "args": {"gate": str(gate)}})).json()
        await one.until_job(job["id"], lambda item: item["progress"] is not None)
        async with DeckProcess(tmp_path / "two", database_url=database_url) as two:
            assert await lost(two) == []

            one.kill()
            found = await until_lost(two)
            workers = (await two.http.get("/api/workers")).json()["items"]
            page = (await two.http.get("/system")).text
            gate.touch()
            ended = await two.until_job_ended(job["id"])
            detail = (await two.http.get(f"/api/jobs/{job['id']}")).json()

    assert f"process {one.pid}" in found["message"] and found["remedy"] and found["since"]
    assert {worker["pid"]: worker["alive"] for worker in workers} == {one.pid: False, two.pid: True}
    assert "is lost" in page
    assert (ended["state"], ended["result"]) == ("completed", {"pid": two.pid})
    assert [attempt["attempt"] for attempt in detail["attempts"]] == [1, 2], "resumed, and only once"
    assert (detail["crashes"], detail["failures"]) == (1, 0), "that its worker died is no failure of the job"


async def until_lost(deck: DeckProcess) -> Item:
    """Return the finding about the lost worker as soon as the deck tells it."""
    async with asyncio.timeout(LOST_WITHIN), deck.events("topics=health") as events:
        found = await lost(deck)
        async for _ in events.stream:
            if found := found or await lost(deck):
                break
    return found[0]


async def lost(deck: DeckProcess) -> list[Item]:
    """Return what the deck says of lost workers."""
    findings = (await deck.http.get("/api/health")).json()["items"]
    return [finding for finding in findings if finding["code"] == "ERR_WORKER_LOST"]
