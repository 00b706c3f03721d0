"""Kills a busy deck again and again, then counts what it still knows.

    python -m tests.chaos.kill_loop --cycles 1000 [--database postgresql] [--seed 7]

Each cycle kills one deck by SIGKILL, now and then while it is still opening. Whatever it had answered for is asked
of the next one; at the end all work is let through, the deck is closed politely, and every row is checked.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2

from tests.chaos.deck_process import DeckProcess
from tests.chaos.invariants import Findings, check
from tests.chaos.load import LEDGER

CALLERS = 4
"""Callers that create jobs at once while the deck lives."""
LIFE = (0.05, 0.4)
"""Seconds between being ready and being killed, drawn anew each cycle."""
OPENING = (0.02, 0.9)
"""Seconds between being started and being killed, for the decks that are killed while they open."""
KILLED_WHILE_OPENING = 0.15
"""Their share."""
ASKED_AGAIN = 5
"""Answers of earlier decks that each new one is asked for."""
CYCLES_BETWEEN_LOOKS = 5
"""Until the daemons are watched coming back, which takes its time."""
READY_SECONDS, DAEMONS_BACK_SECONDS, DRAIN_SECONDS = 3.0, 10.0, 120.0
SWITCHED = "chaos_talker"


@dataclass
class Promises:
    """What decks have answered for, and what was asked of them without an answer."""

    jobs: dict[str, str] = field(default_factory=dict)
    """Key and id of every job."""
    unanswered: dict[str, int] = field(default_factory=dict)
    """Key and number of every job whose order met a dying deck."""
    desired: set[str] = field(default_factory=lambda: {"off"})
    """What may be desired of the switched daemon: one word, two while the last command is unanswered."""
    broken: list[str] = field(default_factory=list)


@dataclass
class Report:
    """What a loop of kills saw."""

    cycles: int = 0
    promises: Promises = field(default_factory=Promises)
    ready_after: list[float] = field(default_factory=list)
    daemons_back_after: list[float] = field(default_factory=list)
    findings: Findings = field(default_factory=lambda: Findings(0, []))

    @property
    def problems(self) -> list[str]:
        return self.promises.broken + self.findings.problems

    @property
    def delays(self) -> list[str]:
        """Say what took longer than it may."""
        late = [f"serving again after {s:.1f} s" for s in self.ready_after if s > READY_SECONDS]
        return late + [f"daemons back after {s:.1f} s" for s in self.daemons_back_after if s > DAEMONS_BACK_SECONDS]

    def summary(self) -> str:
        """Say it in one line."""
        return (
            f"{self.cycles} kills, {len(self.promises.jobs)} acknowledged of {self.findings.jobs} jobs, "
            f"ready after {_spread(self.ready_after)}, daemons back after {_spread(self.daemons_back_after)}, "
            f"{len(self.problems)} problems"
        )


async def run(data_dir: Path, database_url: str, cycles: int, seed: int) -> Report:
    """Kill a deck `cycles` times at random moments, let it finish its work, and check what is left."""
    dice = random.Random(seed)
    report = Report()
    ledger = data_dir / "ledger"
    settings: dict[str, Any] = {"database_url": database_url, "variables": {LEDGER: str(ledger)}}
    for cycle in range(cycles):
        opens = cycle > 0 and dice.random() < KILLED_WHILE_OPENING
        async with DeckProcess(data_dir, awaits_ready=not opens, **settings) as deck:
            if opens:
                asyncio.get_running_loop().call_later(dice.uniform(*OPENING), deck.kill)
                await deck.ended()
            else:
                await _live_and_die(deck, report, dice, cycle)
        report.cycles += 1
    async with DeckProcess(data_dir, **settings) as deck:
        await _ask_again(deck, report.promises, dice)
        await _let_all_work_through(deck)
        deck.terminate()
        if code := await deck.ended(15):
            report.promises.broken.append(f"a polite end had the exit code {code}: {deck.said[-2000:]}")
    promised = ledger.read_text().split() if ledger.exists() else []
    report.findings = check(database_url, {*report.promises.jobs.values(), *promised})
    return report


async def _live_and_die(deck: DeckProcess, report: Report, dice: random.Random, cycle: int) -> None:
    report.ready_after.append(deck.seconds_to_ready)
    promises = report.promises
    if cycle == 0:
        await deck.http.post("/api/daemons/chaos_feeder/start", json={})
    elif cycle % CYCLES_BETWEEN_LOOKS == 0:
        report.daemons_back_after.append(await deck.running_after("chaos_feeder"))
    await _ask_again(deck, promises, dice)
    callers = [asyncio.create_task(_create_jobs(deck, promises)) for _ in range(CALLERS)]
    callers.append(asyncio.create_task(_switch(deck, promises)))
    asyncio.get_running_loop().call_later(dice.uniform(*LIFE), deck.kill)
    await deck.ended()
    await asyncio.gather(*callers)


async def _create_jobs(deck: DeckProcess, promises: Promises) -> None:
    """Create one job after another until the deck is gone; note what it has answered for."""
    for number in range(100_000):
        key = str(uuid4())
        promises.unanswered[key] = number
        try:
            answer = await _order(deck, key, number)
        except httpx2.HTTPError:
            return
        _note(promises, key, answer)


async def _switch(deck: DeckProcess, promises: Promises) -> None:
    """Start and stop a daemon in turn until the deck is gone."""
    while True:
        before = next(iter(promises.desired))
        command, wish = ("stop", "off") if before == "on" else ("start", "on")
        promises.desired = {before, wish}
        try:
            answer = await deck.http.post(f"/api/daemons/{SWITCHED}/{command}", json={})
        except httpx2.HTTPError:
            return
        if answer.status_code == 202:
            promises.desired = {wish}


async def _ask_again(deck: DeckProcess, promises: Promises, dice: random.Random) -> None:
    """Compare what the deck knows with what decks before it have answered."""
    shown = (await deck.http.get(f"/api/daemons/{SWITCHED}")).json()["desired"]
    if shown not in promises.desired:
        promises.broken.append(f"{SWITCHED} is to be {shown}, and was promised to be {promises.desired}")
    promises.desired = {shown}
    keys = list(promises.jobs)
    for key in dice.sample(keys, min(ASKED_AGAIN, len(keys))):
        answer = await deck.http.get(f"/api/jobs/{promises.jobs[key]}")
        if answer.status_code != 200 or answer.json()["key"] != key:
            promises.broken.append(f"job {promises.jobs[key]} was promised, and is {answer.text[:200]}")
    for key, number in list(promises.unanswered.items()):
        _note(promises, key, await _order(deck, key, number))


async def _order(deck: DeckProcess, key: str, number: int) -> httpx2.Response:
    body = {"type": "chaos_step", "args": {"number": number}}
    return await deck.http.post("/api/jobs", json=body, headers={"Idempotency-Key": key})


def _note(promises: Promises, key: str, answer: httpx2.Response) -> None:
    if answer.status_code not in (200, 201):
        promises.broken.append(f"an order was answered {answer.status_code}: {answer.text[:200]}")
        return
    promises.jobs[key] = answer.json()["id"]
    promises.unanswered.pop(key, None)


async def _let_all_work_through(deck: DeckProcess) -> None:
    for name in ("chaos_feeder", SWITCHED):
        await deck.http.post(f"/api/daemons/{name}/stop", json={"mode": "drain"})
        await deck.until_daemon(name, lambda item: bool(item["state"] == "stopped"))
    async with asyncio.timeout(DRAIN_SECONDS):
        while True:
            answer = await deck.http.get("/api/jobs", params={"state": "queued,running,cancelling", "limit": 1})
            if not answer.json()["items"]:
                return
            await deck.until_job_ended(answer.json()["items"][0]["id"])


def _spread(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.2f} s (at most {max(seconds):.2f})" if seconds else "(never seen)"


def main() -> None:
    """Run the loop from the command line; the exit code tells whether every promise was kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="deck-") as folder:
        report = asyncio.run(_run_on(chosen.database, Path(folder), chosen.cycles, chosen.seed))
    print(f"seed {chosen.seed}: {report.summary()}")  # noqa: T201 - a program's result
    for problem in (report.problems + report.delays)[:40]:
        print(problem)  # noqa: T201
    raise SystemExit(1 if report.problems or report.delays else 0)


async def _run_on(kind: str, folder: Path, cycles: int, seed: int) -> Report:
    if kind == "sqlite":
        return await run(folder, f"sqlite:///{folder / 'deck.db'}", cycles, seed)
    from tests.postgres_server import open_server

    with open_server() as server:
        url = server.url(server.create()).render_as_string(hide_password=False)
        return await run(folder, url, cycles, seed)


if __name__ == "__main__":
    main()
