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

from tests.chaos.deck_process import DeckProcess
from tests.chaos.invariants import Findings
from tests.chaos.promises import FEEDER, Promises

LIFE = (0.05, 0.4)
"""Seconds between being ready and being killed, drawn anew each cycle."""
OPENING = (0.02, 0.9)
"""Seconds between being started and being killed, for the decks that are killed while they open."""
KILLED_WHILE_OPENING = 0.15
"""Their share."""
CYCLES_BETWEEN_LOOKS = 5
"""Until the daemons are watched coming back, which takes its time."""
READY_SECONDS, DAEMONS_BACK_SECONDS = 3.0, 10.0


@dataclass
class Report:
    """What a loop of kills saw."""

    promises: Promises
    cycles: int = 0
    ready_after: list[float] = field(default_factory=list)
    daemons_back_after: list[float] = field(default_factory=list)
    findings: Findings = field(default_factory=lambda: Findings(0, []))

    @property
    def problems(self) -> list[str]:
        """Say what was lost or is not true."""
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
    promises = Promises(data_dir, database_url, random.Random(seed))
    dice = promises.dice
    report = Report(promises)
    for cycle in range(cycles):
        opens = cycle > 0 and dice.random() < KILLED_WHILE_OPENING
        async with promises.deck(awaits_ready=not opens) as deck:
            if opens:
                asyncio.get_running_loop().call_later(dice.uniform(*OPENING), deck.kill)
                await deck.ended()
            else:
                await _live_and_die(deck, report, cycle)
        report.cycles += 1
    report.findings = await promises.settle()
    return report


async def _live_and_die(deck: DeckProcess, report: Report, cycle: int) -> None:
    report.ready_after.append(deck.seconds_to_ready)
    if cycle == 0:
        await deck.http.post(f"/api/daemons/{FEEDER}/start", json={})
    elif cycle % CYCLES_BETWEEN_LOOKS == 0:
        report.daemons_back_after.append(await deck.running_after(FEEDER))
    await report.promises.ask_again(deck)
    asyncio.get_running_loop().call_later(report.promises.dice.uniform(*LIFE), deck.kill)
    await report.promises.load(deck)
    await deck.ended()


def _spread(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.2f} s (at most {max(seconds):.2f})" if seconds else "(never seen)"


def main() -> None:
    """Run the loop from the command line; the exit code tells whether every promise was kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    chosen = parser.parse_args()
    DeckProcess.forks = False
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
