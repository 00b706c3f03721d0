"""The one way to other systems: how long each part of an exchange may take, and what is left of it when it is cut."""

import asyncio
import socket

import pytest

from daemons.clients.base import HttpClient, Limits
from daemons.clients.errors import BadAnswer, ServerAway
from tests.clients.bench import until
from tests.fake_clock import FakeClock
from tests.fakes.openai_server import falls_silent, hangs, serving

LIMITS = Limits(total=300.0, connect=10.0, silence=60.0)


def client_of(url: str, clock: FakeClock, *secrets: str) -> HttpClient:
    return HttpClient("The server", url, clock, setting="vision.url", secrets=secrets)


async def test_each_part_of_an_exchange_has_its_time(clock: FakeClock) -> None:
    async with serving() as server:
        client = client_of(server.url, clock)
        for step, seconds, words in (
            (falls_silent, 60, "fell silent in the middle of its answer for 60 seconds"),
            (hangs, 300, "did not finish its answer within 300 seconds"),
        ):
            server.models = step
            asking = asyncio.create_task(client.request("GET", "/models", LIMITS))
            await until(lambda: server.at_work == 1)
            await clock.advance(seconds - 1)
            assert not asking.done()

            await clock.advance(1)
            with pytest.raises(BadAnswer, match=words) as late:
                await asking
            assert late.value.error_code == "ERR_ANSWER_LATE"
            await until(lambda: server.at_work == 0)
        await client.close()


async def test_a_host_that_takes_no_connection_is_away_after_a_while(clock: FakeClock) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        port = deaf.getsockname()[1]
        # Who is in the queue of a listener that accepts nobody keeps all others out.
        with socket.create_connection(("127.0.0.1", port)):
            client = client_of(f"http://127.0.0.1:{port}", clock)
            asking = asyncio.create_task(client.request("GET", "/models", LIMITS))
            await clock.idle()
            await clock.advance(9)
            assert not asking.done()

            await clock.advance(1)
            with pytest.raises(ServerAway, match="no connection within 10 seconds"):
                await asking
            await client.close()


async def test_who_gives_up_hangs_up(clock: FakeClock) -> None:
    async with serving() as server:
        server.models = hangs
        client = client_of(server.url, clock)
        asking = asyncio.create_task(client.request("GET", "/models", LIMITS))
        await until(lambda: server.at_work == 1)

        asking.cancel()

        await asyncio.wait({asking})
        await until(lambda: server.at_work == 0)
        assert asking.cancelled() and clock.sleepers == []
        await client.close()


def test_what_a_server_says_is_told_without_secrets(clock: FakeClock) -> None:
    client = client_of("http://127.0.0.1:1", clock, "sk-1234", "sk-1234-longer")

    assert client.told("Bad key:\n sk-1234-longer, sk-1234\u202e!") == "Bad key: ••••, ••••\\u202e!"
    assert client.told("sk-1234" * 10_000).count("•") <= 300
