"""Requirement 10: every non-running job/daemon has a reason; a crash during a timed pause still resumes on time."""

import asyncio
import html
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.chaos.deck_process import DeckProcess, Item

SPEAKER = "chaos_speaker"
PLUGINS = ("tests.chaos.load", "tests.browser.puppets")
SOON = timedelta(seconds=4)
"""Of a busy machine."""
PATIENCE = 30.0
NO_REASON = ("", "Not running.")


def is_running(item: Item) -> bool:
    return bool(item["state"] == "running")


def is_paused(item: Item) -> bool:
    return bool(item["state"] == "paused")


@pytest.mark.parametrize("seconds", [10, 2], ids=["that goes on", "that is over"])
async def test_a_crash_during_a_timed_pause_still_resumes_on_time(data_dir: Path, seconds: int) -> None:
    async with DeckProcess(data_dir) as deck:
        await deck.http.post(f"/api/daemons/{SPEAKER}/start", json={})
        await deck.until_daemon(SPEAKER, is_running)
        body = {"for": seconds, "reason": "backup"}
        asked = (await deck.http.post(f"/api/daemons/{SPEAKER}/pause", json=body)).json()
        await deck.until_daemon(SPEAKER, is_paused)
        deck.kill()
        await deck.ended()

    until = datetime.fromisoformat(asked["paused_until"])
    async with DeckProcess(data_dir) as deck:
        back = datetime.now(UTC)
        shown = (await deck.http.get(f"/api/daemons/{SPEAKER}")).json()
        resumed = await deck.until_daemon(SPEAKER, is_running)

    if back < until - SOON:
        assert (shown["state"], shown["desired_reason"]) == ("paused", "backup")
        assert shown["paused_until"] == asked["paused_until"]
    assert until <= datetime.fromisoformat(resumed["started_at"]) <= max(until, back) + SOON
    assert (resumed["desired"], resumed["paused_until"]) == ("on", None)


async def test_everything_that_does_not_run_says_why(data_dir: Path, tmp_path: Path) -> None:
    async with DeckProcess(data_dir, plugins=PLUGINS) as deck:
        await stage_daemons(deck)
        gate = {"gate": str(tmp_path / "gate")}
        first = (await deck.http.post("/api/jobs", json={"type": "gated", "args": gate})).json()
        await deck.until_job(first["id"], is_running)
        await deck.http.post("/api/jobs", json={"type": "shy"})
        for _ in range(40):
            await deck.http.post("/api/jobs", json={"type": "chaos_gate", "args": gate})

        jobs = (await deck.http.get("/api/jobs?state=queued&limit=500")).json()["items"]
        daemons, page = await daemons_and_page(deck)

    resting = {daemon["name"]: daemon for daemon in daemons if not is_running(daemon)}
    assert {daemon["state"] for daemon in resting.values()} >= {"stopped", "paused", "backoff"}
    said = sentences(page)
    assert {name: said[name] for name in resting if said[name] in NO_REASON} == {}
    assert "switched off" in said[SPEAKER]
    assert "backup" in said["paused-one"]
    assert "no answer" in said["crashing"]

    reasons = {job["type"]: job["waiting_reason"] or "" for job in jobs}
    assert len(jobs) > 1
    assert [job["id"] for job in jobs if not job["waiting_reason"]] == []
    assert first["id"] in reasons["shy"]
    assert "is full" in reasons["chaos_gate"]


async def stage_daemons(deck: DeckProcess) -> None:
    """Have one stopped by hand, one paused, one disabled, and one that crashes; others were never started."""
    for name, options in (("paused-one", {}), ("disabled-one", {}), ("crashing", {"raises": "There is no answer."})):
        body = {"type": "puppet", "name": name, "configuration": options}
        assert (await deck.http.post("/api/daemons", json=body)).status_code == 201
    await deck.http.patch("/api/daemons/disabled-one", json={"enabled": False})
    for name in (SPEAKER, "paused-one", "crashing"):
        await deck.http.post(f"/api/daemons/{name}/start", json={})
    await deck.until_daemon(SPEAKER, is_running)
    await deck.http.post(f"/api/daemons/{SPEAKER}/stop", json={})
    await deck.http.post("/api/daemons/paused-one/pause", json={"for": 3600, "reason": "backup"})
    await deck.until_daemon(SPEAKER, lambda item: bool(item["state"] == "stopped"))
    await deck.until_daemon("paused-one", is_paused)
    await deck.until_daemon("crashing", lambda item: bool(item["state"] == "backoff"))


async def daemons_and_page(deck: DeckProcess) -> tuple[list[Item], str]:
    """Return all daemons and the page of the same moment: the one that crashes may be starting again in between."""

    async def read() -> list[Item]:
        items: list[Item] = (await deck.http.get("/api/daemons?limit=500")).json()["items"]
        return items

    async with asyncio.timeout(PATIENCE):
        while True:
            before, page, after = await read(), (await deck.http.get("/daemons")).text, await read()
            states = [
                [(item["name"], item["state"], item["started_at"]) for item in items] for items in (before, after)
            ]
            if states[0] == states[1] and ("crashing", "backoff") in [state[:2] for state in states[0]]:
                return before, page


def sentences(page: str) -> dict[str, str]:
    """Return what each daemon's row says, by name."""
    rows = re.findall(r'class="who">\s*<a [^>]*>([^<]+)</a>.*?<p class="sentence[^"]*">(.*?)</p>', page, re.S)
    return {name: html.unescape(re.sub(r"<[^>]+>|\s+", " ", text)).strip() for name, text in rows}
