"""Kills a busy deck again and again, then counts what it still knows.

    python -m tests.chaos.kill_loop --cycles 1000 [--database postgresql]
"""

import argparse
import asyncio
import random
import statistics
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import httpx2

from tests.chaos.deck_process import DeckProcess
from tests.chaos.invariants import Findings, check

CALLERS = 4
"""Callers that create jobs at once while the deck lives."""
LIFE = (0.06, 0.4)
"""Seconds between being ready and being killed, drawn anew each cycle."""
DRAIN_SECONDS = 120.0


@dataclass
class Report:
    """What a loop of kills saw."""

    cycles: int = 0
    acknowledged: set[str] = field(default_factory=set)
    ready_after: list[float] = field(default_factory=list)
    daemons_back_after: list[float] = field(default_factory=list)
    findings: Findings = field(default_factory=lambda: Findings(0, []))

    def summary(self) -> str:
        """Say it in one line."""
        back = self.daemons_back_after or [0.0]
        return (
            f"{self.cycles} kills, {len(self.acknowledged)} acknowledged of {self.findings.jobs} jobs, "
            f"ready after {statistics.median(self.ready_after):.2f} s (at most {max(self.ready_after):.2f}), "
            f"daemons back after {statistics.median(back):.2f} s (at most {max(back):.2f}), "
            f"{len(self.findings.problems)} problems"
        )


async def run(data_dir: Path, database_url: str, cycles: int, seed: int) -> Report:
    """Kill a deck `cycles` times at random moments, let it finish its work, and check what is left."""
    dice = random.Random(seed)
    report = Report()
    for cycle in range(cycles):
        async with DeckProcess(data_dir, database_url=database_url) as deck:
            report.ready_after.append(deck.seconds_to_ready)
            if cycle == 0:
                await deck.http.post("/api/daemons/chaos_feeder/start", json={})
            await _live_and_die(deck, report, dice.uniform(*LIFE), watch=cycle % 10 == 9)
        report.cycles += 1
    async with DeckProcess(data_dir, database_url=database_url) as deck:
        await deck.http.post("/api/daemons/chaos_feeder/stop", json={"mode": "drain"})
        await _until_all_jobs_ended(deck)
        deck.terminate()
        await deck.ended()
    report.findings = check(database_url, report.acknowledged)
    return report


async def _live_and_die(deck: DeckProcess, report: Report, life: float, *, watch: bool) -> None:
    if watch:
        report.daemons_back_after.append(await deck.running_after("chaos_feeder"))
    callers = [asyncio.create_task(_create_jobs(deck, report.acknowledged)) for _ in range(CALLERS)]
    asyncio.get_running_loop().call_later(life, deck.kill)
    await deck.ended()
    await asyncio.gather(*callers)


async def _create_jobs(deck: DeckProcess, acknowledged: set[str]) -> None:
    """Create one job after another until the deck is gone; note what it has answered for."""
    for number in range(100_000):
        body = {"type": "chaos_step", "args": {"number": number}}
        try:
            answer = await deck.http.post("/api/jobs", json=body, headers={"Idempotency-Key": str(uuid4())})
        except httpx2.HTTPError:
            return
        if answer.status_code == 201:
            acknowledged.add(answer.json()["id"])


async def _until_all_jobs_ended(deck: DeckProcess) -> None:
    async with asyncio.timeout(DRAIN_SECONDS):
        while True:
            answer = await deck.http.get("/api/jobs", params={"state": "queued,running,cancelling", "limit": 1})
            if not answer.json()["items"]:
                return
            job_id = answer.json()["items"][0]["id"]
            await deck.until_job_ended(job_id)


def main() -> None:
    """Run the loop from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="deck-") as folder:
        report = asyncio.run(_run_on(chosen.database, Path(folder), chosen.cycles, chosen.seed))
    print(f"seed {chosen.seed}: {report.summary()}")  # noqa: T201 - a program's result
    for problem in report.findings.problems[:20]:
        print(problem)  # noqa: T201
    raise SystemExit(1 if report.findings.problems else 0)


async def _run_on(kind: str, folder: Path, cycles: int, seed: int) -> Report:
    if kind == "sqlite":
        return await run(folder, f"sqlite:///{folder / 'deck.db'}", cycles, seed)
    from tests.postgres_server import open_server

    with open_server() as server:
        url = server.url(server.create()).render_as_string(hide_password=False)
        return await run(folder, url, cycles, seed)


if __name__ == "__main__":
    main()
