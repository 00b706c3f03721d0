"""P14: how the list of jobs, and the writer, stand up to many of them."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx2
from sqlalchemy import insert

from benchmarks.engine import folder
from benchmarks.report import Benchmark, Figure, Rounds, at_most, interleave, percentile
from benchmarks.whole_deck import timed, whole_deck
from daemons.database.transaction import Transaction
from daemons.jobs.filters import JobFilter
from daemons.jobs.rows import JOBS
from daemons.service import Service, open_service
from daemons.settings import Settings

FEW, MANY = 1_000, 100_000
STATES = ("completed",) * 8 + ("failed", "cancelled")
PATHS = {
    "first page": "/jobs?q=",
    "first page of failed ones of a daemon's code": "/jobs?q=state:failed+code:ERR_AWAY+since:1h",
    "first page of the API": "/api/jobs",
}
ROUNDS = 5
RETRIED = 10_000
RATIO_MOST = 3.0


async def first_page() -> list[Figure]:
    """P14: the first page, beside one with few jobs."""
    figures = []
    async with _deck(FEW) as few, _deck(MANY) as many:
        for what, path in PATHS.items():
            beside, measured = await interleave(timed(few, path), timed(many, path), rounds=ROUNDS)
            there = Rounds(measured, " ms")
            figures.append(Figure(f"{what}, {MANY:,} jobs", there, at_most(300, " ms")))
            # Flat, but for the counts of each state, which go as far as 10,000.
            figures.append(Figure("the same", there, at_most(RATIO_MOST), Rounds(beside, " ms"), f"with {FEW:,} jobs"))
    return figures


async def waits() -> list[Figure]:
    """P14: how long other writers wait while many jobs are retried at once."""
    with folder() as place:
        async with open_service(Settings(data_dir=place, token="benchmark-token")) as service:
            await _fill(service, RETRIED)
            chosen = JobFilter(q="state:completed,failed,cancelled")
            operation = await service.operations.begin("retry", who="benchmark", chosen=chosen)
            waited = []
            while not (await service.operations.get(operation.id)).is_finished:
                began = time.perf_counter()
                await service.database.write(lambda tx: None, durable=False)
                waited.append((time.perf_counter() - began) * 1000)
    most = Rounds([percentile(waited, 99)], " ms")
    return [Figure(f"wait of another writer while {RETRIED:,} jobs are retried, p99", most, at_most(50, " ms"))]


@asynccontextmanager
async def _deck(count: int) -> AsyncIterator[httpx2.AsyncClient]:
    """Open a deck with so many jobs, and a program that asks it in the same process."""
    async with whole_deck(lambda service: _fill(service, count)) as client:
        assert (await client.get("/jobs?q=")).status_code == 200
        yield client


def _insert(rows: list[dict[str, Any]], tx: Transaction) -> None:
    tx.execute(insert(JOBS), rows)


async def _fill(service: Service, count: int) -> None:
    now = service.clock.now()
    common = {"lane": "default", "args": {"path": "/a"}, "max_attempts": 3, "attempt": 1, "on_stop": "continue"}
    common |= {"run_after": now, "created_at": now, "started_at": now, "finished_at": now, "worker": "w"}
    for start in range(0, count, 5_000):
        rows = [
            {
                **common,
                "id": f"bench-{n}",
                "type": f"type_{n % 7}",
                "state": (state := STATES[n % len(STATES)]),
                "error": {"code": "ERR_AWAY", "message": "Away."} if state == "failed" else None,
                "error_code": "ERR_AWAY" if state == "failed" else None,
            }
            for n in range(start, min(count, start + 5_000))
        ]
        await service.database.write(partial(_insert, rows))


BENCHMARKS = [
    Benchmark(
        "P14",
        "the list of jobs with 100,000 of them",
        f"GET in the deck's own process, HTML and counts included, {ROUNDS} interleaved rounds; SQLite",
        first_page,
    ),
    Benchmark(
        "P14b",
        "other writers beside a retry of many jobs",
        "an empty unit is written again and again until the operation is over; SQLite",
        waits,
    ),
]
