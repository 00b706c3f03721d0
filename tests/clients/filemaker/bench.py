"""A FileMaker client before a server that plays its part, with time that stands still."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from daemons.clients.filemaker import FileMakerClient
from daemons.settings.filemaker import FileMakerSettings
from tests.fake_clock import FakeClock
from tests.fakes.filemaker import DATABASE, PASSWORD, USER, FileMakerServer, Table, serving

STATUS, CODE, CONSOLE, FILE = "AutoLog_Status", "INFO_STILLS_ID", "AI_DevConsole", "SPECS_Filepath_Import"
_ROUNDS = 30
"""Turns of the loop without a change after which nothing goes on by itself."""


class Bench:
    """A client, its server with one table, and its clock."""

    def __init__(self, server: FileMakerServer, clock: FakeClock, **settings: Any) -> None:
        self.server, self.clock = server, clock
        given = {"url": server.url, "database": DATABASE, "user": USER, "password": PASSWORD, "page_size": 10}
        self.settings = FileMakerSettings(**{**given, **settings})
        self.client = FileMakerClient(self.settings, clock, chance=lambda: 0.5)
        self.stills: Table = server.table("Stills", *self.settings.stills.named(), Picture="Container")

    async def resting(self, work: Any) -> Any:
        """Await `work`, and move time on whenever all that goes on is a rest between two tries."""
        task, quiet = asyncio.ensure_future(work), 0
        while not task.done():
            await asyncio.sleep(0)
            quiet = quiet + 1 if self.server.at_work == 0 and self.clock.sleepers else 0
            # What limits a call sleeps longer than any rest does, and while one is out the server is soon at work.
            if quiet > _ROUNDS and self.clock.sleepers[0] < self.settings.timeout:
                await self.clock.advance(self.clock.sleepers[0])
        return await task

    async def codes(self, status: str = "") -> list[str]:
        """Return the codes of all stills, or of those at a status, as the client finds them."""
        found = self.client.find_exact("Stills", STATUS, status) if status else self.client.find("Stills", {CODE: "*"})
        return [record.text(CODE) async for record in found]


async def until(claim: Callable[[], Any]) -> None:
    """Return once `claim` is true of what goes on in this loop by itself."""
    async with asyncio.timeout(10):
        while not claim():
            await asyncio.sleep(0)


@asynccontextmanager
async def open_bench(clock: FakeClock, *, with_tls: bool = False, **settings: Any) -> AsyncIterator[Bench]:
    """Open a server, and a client for it."""
    async with serving(clock, with_tls=with_tls) as server:
        bench = Bench(server, clock, **settings)
        async with bench.client:
            yield bench
