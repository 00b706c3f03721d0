"""Asks things of decks that are going to die, remembers what they answered for, and holds the next ones to it."""

import asyncio
import random
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import httpx2

from daemons import killpoints
from tests.chaos.deck_process import DeckProcess
from tests.chaos.invariants import Findings, check
from tests.chaos.load import LEDGER

CALLERS = 4
"""Callers that create jobs at once while the deck lives."""
ASKED_AGAIN = 5
"""Answers of earlier decks that each new one is asked for."""
DRAIN_SECONDS = 120.0
FEEDER, SWITCHED = "chaos_feeder", "chaos_talker"


@dataclass
class Promises:
    """What decks on one data directory have answered for, and what was asked of them without an answer."""

    data_dir: Path
    database_url: str
    dice: random.Random = field(default_factory=random.Random)
    jobs: dict[str, str] = field(default_factory=dict)
    """Key and id of every job."""
    unanswered: dict[str, int] = field(default_factory=dict)
    """Key and number of every job whose order met a dying deck."""
    desired: set[str] = field(default_factory=lambda: {"off"})
    """What may be desired of the switched daemon: one word, two while the last command is unanswered."""
    broken: list[str] = field(default_factory=list)

    def deck(self, *, awaits_ready: bool = True, kill_at: str = "") -> DeckProcess:
        """Return a deck to enter."""
        variables = {LEDGER: str(self.data_dir / "ledger")}
        if kill_at:
            variables[killpoints.VARIABLE] = kill_at
        return DeckProcess(
            self.data_dir, awaits_ready=awaits_ready, variables=variables, database_url=self.database_url
        )

    async def load(self, deck: DeckProcess, enough: asyncio.Event | None = None) -> None:
        """Create jobs, and start and stop a daemon, until the deck is gone or it is `enough`."""
        # Never cancelled: a request that is on its way could be carried out after the next one.
        enough = enough or asyncio.Event()
        async with asyncio.TaskGroup() as callers:
            for _ in range(CALLERS):
                callers.create_task(self._create_jobs(deck, enough))
            callers.create_task(self._switch(deck, enough))

    async def _create_jobs(self, deck: DeckProcess, enough: asyncio.Event) -> None:
        number = 0
        while not enough.is_set():
            number += 1
            key = str(uuid4())
            self.unanswered[key] = number
            try:
                answer = await _order(deck, key, number)
            except httpx2.HTTPError:
                return
            if answer.status_code == 503:
                return
            self._note(key, answer)

    async def _switch(self, deck: DeckProcess, enough: asyncio.Event) -> None:
        while not enough.is_set():
            before = next(iter(self.desired))
            command, wish = ("stop", "off") if before == "on" else ("start", "on")
            self.desired = {before, wish}
            try:
                answer = await deck.http.post(f"/api/daemons/{SWITCHED}/{command}", json={})
            except httpx2.HTTPError:
                return
            if answer.status_code != 202:
                return
            self.desired = {wish}

    async def ask_again(self, deck: DeckProcess) -> None:
        """Compare what the deck knows with what decks before it have answered."""
        shown = (await deck.http.get(f"/api/daemons/{SWITCHED}")).json()["desired"]
        if shown not in self.desired:
            self.broken.append(f"{SWITCHED} is to be {shown}, and was promised to be {self.desired}")
        self.desired = {shown}
        for daemon in (await deck.http.get("/api/daemons")).json()["items"]:
            if daemon["state"] == "running" and datetime.fromisoformat(daemon["started_at"]) < deck.began_at:
                self.broken.append(f"{daemon['name']} is said to run since {daemon['started_at']}, when it was killed")
        for key in self.dice.sample(list(self.jobs), min(ASKED_AGAIN, len(self.jobs))):
            answer = await deck.http.get(f"/api/jobs/{self.jobs[key]}")
            if answer.status_code != 200 or answer.json()["key"] != key:
                self.broken.append(f"job {self.jobs[key]} was promised, and is {answer.text[:200]}")
        for key, number in list(self.unanswered.items()):
            self._note(key, await _order(deck, key, number))

    async def settle(self) -> Findings:
        """Open a last deck, let all work through, close it politely, and check every row."""
        async with self.deck() as deck:
            await self.ask_again(deck)
            await let_all_work_through(deck)
            deck.terminate()
            if code := await deck.ended(15):
                self.broken.append(f"a polite end had the exit code {code}: {deck.said[-2000:]}")
        ledger = self.data_dir / "ledger"
        promised = ledger.read_text().split() if ledger.exists() else []
        return check(self.database_url, {*self.jobs.values(), *promised})

    def _note(self, key: str, answer: httpx2.Response) -> None:
        if answer.status_code not in (200, 201):
            self.broken.append(f"an order was answered {answer.status_code}: {answer.text[:200]}")
            return
        self.jobs[key] = answer.json()["id"]
        self.unanswered.pop(key, None)


async def _order(deck: DeckProcess, key: str, number: int) -> httpx2.Response:
    body = {"type": "chaos_step", "args": {"number": number}}
    return await deck.http.post("/api/jobs", json=body, headers={"Idempotency-Key": key})


async def let_all_work_through(deck: DeckProcess) -> None:
    """Return once every daemon is stopped and every job has ended."""
    for name in (FEEDER, SWITCHED):
        await deck.http.post(f"/api/daemons/{name}/stop", json={"mode": "drain"})
        await deck.until_daemon(name, lambda item: bool(item["state"] == "stopped"))
    async with asyncio.timeout(DRAIN_SECONDS):
        while True:
            answer = await deck.http.get("/api/jobs", params={"state": "queued,running,cancelling", "limit": 1})
            if not answer.json()["items"]:
                return
            await deck.until_job_ended(answer.json()["items"][0]["id"])
