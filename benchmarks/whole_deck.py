"""A whole deck in this process, filled and asked by a program, and how long its answers take."""

import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx2

from benchmarks.engine import folder
from daemons.service import Service, open_service
from daemons.settings import Settings
from web.app import create_app


@asynccontextmanager
async def whole_deck(fill: Callable[[Service], Awaitable[None]]) -> AsyncIterator[httpx2.AsyncClient]:
    """Open a deck, have it filled, and yield a client that asks it."""
    with folder() as place:
        async with open_service(Settings(data_dir=place, token="benchmark-token")) as service:
            await fill(service)
            app = create_app(service)
            # As the served deck does after its imports: else each look for garbage goes through all modules.
            gc.collect()
            gc.freeze()
            transport = httpx2.ASGITransport(app, client=("127.0.0.1", 50_000))
            headers = {"Authorization": "Bearer benchmark-token"}
            async with (
                app.router.lifespan_context(app),
                httpx2.AsyncClient(
                    transport=transport, base_url="http://127.0.0.1:8420", headers=headers, timeout=60
                ) as client,
            ):
                yield client


def timed(client: httpx2.AsyncClient, path: str) -> Callable[[], Awaitable[float]]:
    """Return what asks once, and says how many milliseconds the answer took."""

    async def once() -> float:
        began = time.perf_counter()
        answer = await client.get(path)
        taken = (time.perf_counter() - began) * 1000
        assert answer.status_code == 200, answer.text
        return taken

    return once
