"""P12: what starting processes adds to describing, beside a new process for each batch as the old guide had it."""

import tempfile
import time
from pathlib import Path

from benchmarks.report import Benchmark, Figure, Rounds, at_most, interleave
from daemons.clock import SystemClock
from daemons.folders.paths import wire_path
from daemons.subprocess_work import Worker
from daemons.subprocess_work.pool import WorkerPool
from daemons.workflows.describe.worker_specs import worker_of
from tests.pictures.samples import busy, saved

BATCHES = 10
IMAGES = 10
ROUNDS = 5


async def overhead() -> list[Figure]:
    """P12: milliseconds an image costs beyond describing it."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [wire_path(saved(busy(number, 320, 240), Path(folder, f"{number}.jpg"))) for number in range(IMAGES)]

        async def pooled() -> float:
            return await _pooled(paths)

        async def anew() -> float:
            return await _anew(paths)

        ours, theirs = await interleave(pooled, anew, rounds=ROUNDS)
    return [
        Figure(
            f"start-up an image, {BATCHES} batches of {IMAGES}",
            Rounds(ours, " ms"),
            at_most(1 / 5),
            Rounds(theirs, " ms"),
            "a new process for each batch",
        )
    ]


async def _pooled(paths: list[str]) -> float:
    began, described = time.perf_counter(), 0.0
    async with WorkerPool(SystemClock()) as pool:
        for _ in range(BATCHES):
            async with pool.borrow(worker_of("basic")) as worker:
                described += await _describe(worker, paths)
        # Closing the pool is not part of it: a deck does it once in days.
        return _beyond(began, described)


async def _anew(paths: list[str]) -> float:
    began, described = time.perf_counter(), 0.0
    for _ in range(BATCHES):
        async with Worker(worker_of("basic"), SystemClock()) as worker:
            described += await _describe(worker, paths)
    return _beyond(began, described)


async def _describe(worker: Worker, paths: list[str]) -> float:
    return sum([float(result["seconds"]) async for result in worker.run({"describer": "basic", "paths": paths})])


def _beyond(began: float, described: float) -> float:
    return (time.perf_counter() - began - described) * 1000 / (BATCHES * IMAGES)


BENCHMARKS = [
    Benchmark(
        "P12",
        "what worker processes cost beyond the images",
        f"{BATCHES} batches of {IMAGES} images of 320 x 240, through a pool that keeps its worker for "
        f"{worker_of('basic').recycle_requests} of them, and through a new process for each",
        overhead,
    )
]
