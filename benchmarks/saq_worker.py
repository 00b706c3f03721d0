"""SAQ's worker, in a process of its own: `python -m benchmarks.saq_worker URL CONCURRENCY`.

Writes one JSON line for every job that ended: `[when it started, when it ended]`, by the machine's monotonic clock.
"""

import asyncio
import sys
import time
from typing import Any

from saq import Queue, Worker

PAUSE = 0.01


def _tell(started: float) -> None:
    sys.stdout.write(f"[{started},{time.monotonic()}]\n")
    sys.stdout.flush()


async def nothing(ctx: Any) -> None:
    """Do nothing."""
    _tell(time.monotonic())


async def pause(ctx: Any) -> None:
    """Wait ten milliseconds."""
    started = time.monotonic()
    await asyncio.sleep(PAUSE)
    _tell(started)


async def work(url: str, concurrency: int) -> None:
    """Work until the process is ended."""
    queue = Queue.from_url(url)
    await queue.connect()
    await Worker(queue, functions=[nothing, pause], concurrency=concurrency).start()


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], int(sys.argv[2])))
