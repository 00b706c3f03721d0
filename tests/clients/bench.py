"""A vision client before a server that plays its part, with time that stands still."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from daemons.clients.asking import Answer, Ask
from daemons.clients.errors import BadAnswer, ImageFailed, ServerAway
from daemons.clients.tiny_picture import tiny_picture
from daemons.clients.vision import VisionClient
from daemons.errors import DaemonError
from daemons.settings.vision import VisionSettings
from tests.fake_clock import FakeClock
from tests.fakes.openai_server import MODEL, OpenAIServer, Step, chat, serving

ASK = Ask("Describe this picture.", max_tokens=64, temperature=0.2, timeout=30.0)
PICTURE = b"\xff\xd8 a picture of a red square \xff\xd9"
_ROUNDS = 30
"""Turns of the loop without a change after which nothing goes on by itself."""

T = TypeVar("T")


class Bench:
    """A client, its server and its clock."""

    def __init__(self, server: OpenAIServer, clock: FakeClock, **settings: Any) -> None:
        self.server, self.clock = server, clock
        self.settings = VisionSettings(**{"url": server.url, "model": MODEL, **settings})
        self.client = VisionClient(self.settings, clock, chance=lambda: 0.5)
        self.told: list[str] = []

    async def describe(self, picture: bytes = PICTURE, ask: Ask = ASK) -> Answer:
        """Describe a picture, with as much time as it takes between two tries."""
        return await self.resting(self.client.describe(picture, ask, tell=self.tell))

    async def failure(self, picture: bytes = PICTURE, ask: Ask = ASK) -> ServerAway | ImageFailed:
        """Return how describing fails: as somebody can act upon, and without a word of a key."""
        try:
            answer = await self.describe(picture, ask)
        except (ServerAway, ImageFailed) as error:
            check_words(error, self.settings.keys())
            return error
        raise AssertionError(f"it was described: {answer}")

    async def resting(self, work: Any) -> Any:
        """Await `work`, and move time on whenever all that goes on is one rest between two tries."""
        task, quiet = asyncio.ensure_future(work), 0
        while not task.done():
            await asyncio.sleep(0)
            # While a question is out, there are sleepers that limit it.
            is_resting = self.server.at_work == 0 and len(self.clock.sleepers) == 1
            quiet = quiet + 1 if is_resting else 0
            if quiet > _ROUNDS:
                await self.clock.advance(self.clock.sleepers[0])
        return await task

    async def tell(self, reason: str) -> None:
        self.told.append(reason)


async def until(claim: Callable[[], Any]) -> None:
    """Return once `claim` is true of what goes on in this loop by itself."""
    async with asyncio.timeout(10):
        while not claim():
            await asyncio.sleep(0)


def fails_for_pictures_only(step: Step) -> Callable[[Any], Step]:
    """Return a server's ways: a tiny picture is answered, others as `step` does."""
    return lambda question: chat("Blue.") if question.jpeg == tiny_picture() else step


def check_words(error: DaemonError, secrets: list[str]) -> None:
    """Fail unless the error says what is so and what to do, without secrets."""
    assert error.error_code.startswith("ERR_") and error.remedy and 10 < len(error.message) < 700
    inner: BaseException | None = error
    while inner is not None:
        assert not [secret for secret in secrets if secret in str(inner)]
        inner = inner.__cause__
    assert not isinstance(error, BadAnswer)


@asynccontextmanager
async def open_bench(*, with_tls: bool = False, **settings: Any) -> AsyncIterator[Bench]:
    """Open a server, and a client for it."""
    async with serving(with_tls=with_tls) as server:
        bench = Bench(server, FakeClock(), **settings)
        async with bench.client:
            yield bench
