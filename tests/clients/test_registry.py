"""The clients of other systems, as daemons and jobs get at them."""

import pytest

from daemons.base import BaseDaemon, daemon
from daemons.bus import Bus
from daemons.clients.asking import Ask
from daemons.clients.errors import NotConfigured
from daemons.clients.registry import Clients
from daemons.clients.vision import VisionClient
from daemons.clock import SystemClock
from daemons.database import Database
from daemons.errors import UnknownName
from daemons.handlers import JobContext, job
from daemons.settings import Settings
from daemons.states import DaemonState, JobState
from tests.clients.bench import PICTURE
from tests.engine_deck import open_deck
from tests.fake_clock import FakeClock
from tests.fakes.openai_server import MODEL, serving


@job("look")
async def look(ctx: JobContext) -> str:
    """Has a picture described."""
    return (await ctx.client(VisionClient).describe(PICTURE, Ask("What is this?"))).text


@daemon("watcher")
class Watcher(BaseDaemon):
    """Looks at a picture by a job, then by itself."""

    async def run(self) -> None:
        done = await self.wait_for(await self.create_job("look"))
        said = done.result if done.error is None else f"{done.error.code} after {done.failures} failures"
        await self.log("info", f"job: {said}")  # type: ignore[arg-type]
        answer = await self.client(VisionClient).describe(PICTURE, Ask("What is this?"))
        await self.log("info", f"daemon: {answer.text}")  # type: ignore[arg-type]


def clients_of(url: str) -> Clients:
    return Clients(Settings(vision={"url": url, "model": MODEL}), SystemClock())  # type: ignore[arg-type]


@pytest.mark.databases("sqlite")
async def test_jobs_and_daemons_share_one_client(database: Database, clock: FakeClock, bus: Bus) -> None:
    async with (
        serving() as server,
        clients_of(server.url) as clients,
        open_deck(database, clock, bus, Watcher, look, clients=clients) as deck,
    ):
        await deck.roster.start("watcher")
        await deck.until("watcher", DaemonState.FINISHED)

        assert await deck.log_of("watcher") == ["job: A red square.", "daemon: A red square."]
        assert len(server.questions) == 2


@pytest.mark.databases("sqlite")
async def test_what_is_not_configured_fails_once_saying_what_to_set(
    database: Database, clock: FakeClock, bus: Bus
) -> None:
    async with clients_of("") as clients, open_deck(database, clock, bus, look, clients=clients) as deck:
        ended = await deck.orders.wait((await deck.orders.create("look")).job.id)

        assert ended.state is JobState.FAILED and ended.error is not None
        assert (ended.error.code, ended.error.message) == ("ERR_NOT_CONFIGURED", "Not configured: set vision.url.")
        assert ended.failures == 1


async def test_an_unknown_client_is_refused() -> None:
    async with clients_of("") as clients:
        with pytest.raises(NotConfigured):
            clients.get(VisionClient)
        with pytest.raises(UnknownName):
            clients.get(dict)
