"""Clients that do not read, talk too much, stop in the middle, or were put out."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterator
from dataclasses import replace

import pytest
from websockets.exceptions import ConnectionClosed

import web.live
import web.server
from daemons.events import DaemonChanged
from daemons.service import Service
from tests.web.served import SECONDS, Served, handshake, next_frame, opening


def shout(service: Service, number: int) -> None:
    """Tell of a daemon with a description that fills buffers."""
    daemon = service.board.get("talker")
    row = replace(daemon.row, description="x" * 50_000)
    live = daemon.live._replace(revision=daemon.revision + number, current_status=str(number))
    service.bus.publish(DaemonChanged(daemon._replace(row=row, live=live)))


@contextlib.contextmanager
def closing_with(code: int) -> Iterator[None]:
    """Expect the server to close the socket with `code`."""
    with pytest.raises(ConnectionClosed) as closed:
        yield
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == code


async def test_a_client_that_does_not_read_is_cut_and_nobody_else_notices(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web.live, "STALLED_SECONDS", 1.5)
    monkeypatch.setattr(web.live, "PACE_SECONDS", 0.0)
    hub = served.server.config.app.state.context.hub  # type: ignore[union-attr]
    async with served.client("/api/events?topics=daemons") as healthy:
        await opening(healthy)
        with served.deaf("/api/events?topics=daemons"):
            number = 0
            async with asyncio.timeout(SECONDS * 2):
                while hub.stalled_listeners == 0:
                    number += 1
                    shout(served.service, number)
                    frame = await next_frame(healthy, lambda frame: frame["type"] == "daemon")
                    assert frame["data"]["current_status"] == str(number)
        shout(served.service, number + 1)
        assert (await next_frame(healthy, lambda frame: frame["type"] == "daemon"))["data"]["current_status"] == str(
            number + 1
        )

    assert number > 1


async def test_a_flood_of_messages_is_closed(served: Served) -> None:
    async with served.client("/api/events") as events:
        await opening(events)
        with closing_with(1008):
            for _ in range(1_000):
                await events.send("{}")
            await next_frame(events, lambda frame: False)


async def test_a_few_messages_are_ignored(served: Served) -> None:
    async with served.client("/api/events") as events:
        await opening(events)
        for _ in range(50):
            await events.send('{"command": "stop", "daemon": "talker"}')
        await events.send(b"\x00")
        pong = await events.ping()
        async with asyncio.timeout(SECONDS):
            await pong


async def test_a_message_that_is_too_big_is_closed(served: Served) -> None:
    async with served.client("/api/events") as events:
        await opening(events)
        with closing_with(1009):
            await events.send("x" * 70_000)
            await next_frame(events, lambda frame: False)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"\x81\x02hi", 1002),  # unmasked
        (b"\x83\x80\x00\x00\x00\x00", 1002),  # an opcode that does not exist
        (b"\x89\xfe\x00\x7e" + b"\x00" * 130, 1002),  # a ping that is too long
        (b"\x81\x82\x00\x00\x00\x00\xff\xfe", 1007),  # not UTF-8
    ],
)
async def test_malformed_frames_are_closed_with_their_code_and_without_a_traceback(
    served: Served, raw: bytes, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await served.raw(handshake(served.host, "/api/events?topics=jobs", served.bearer))
    await reader.readuntil(b"\r\n\r\n")

    writer.write(raw)
    received = await asyncio.wait_for(reader.read(-1), SECONDS)

    at = received.index(b"\x88")
    assert struct.unpack("!H", received[at + 2 : at + 4]) == (code,)
    assert not [record for record in caplog.records if record.exc_info]
    writer.close()


async def test_a_message_that_never_ends_is_cut(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web.server, "REQUEST_SECONDS", 0.2)
    reader, writer = await served.raw(handshake(served.host, "/api/events", served.bearer))
    await reader.readuntil(b"\r\n\r\n")

    writer.write(b"\x01\x82\x00\x00\x00\x00hi")  # text, more to come

    with contextlib.suppress(ConnectionError):
        await asyncio.wait_for(reader.read(-1), SECONDS)
    writer.close()


async def test_a_socket_on_which_nothing_is_asked_stays_open(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web.server, "REQUEST_SECONDS", 0.2)
    async with served.client("/api/events") as events:
        await opening(events)

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(events.wait_closed(), 1)


@pytest.mark.parametrize("head", ["", "GET / HTTP/1.1\r\nHost: "])
async def test_who_connects_and_does_not_ask_is_cut(served: Served, monkeypatch: pytest.MonkeyPatch, head: str) -> None:
    monkeypatch.setattr(web.server, "REQUEST_SECONDS", 0.2)

    reader, writer = await served.raw(head)

    with contextlib.suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(-1), SECONDS) == b""
    writer.close()


async def test_a_second_request_may_not_dawdle_either(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web.server, "REQUEST_SECONDS", 0.2)
    reader, writer = await served.raw(f"GET /healthz HTTP/1.1\r\nHost: {served.host}\r\n\r\n")
    await reader.readuntil(b'{"alive":true}')

    writer.write(b"GET /hea")

    with contextlib.suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(-1), SECONDS) == b""
    writer.close()


async def test_an_address_has_a_bounded_number_of_connections(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web.server, "is_loopback", lambda host: False)
    monkeypatch.setattr(web.server, "CONNECTIONS_A_GUEST", 3)
    crowd = [await served.raw("") for _ in range(3)]

    reader, writer = await served.raw(f"GET /healthz HTTP/1.1\r\nHost: {served.host}\r\n\r\n")

    with contextlib.suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(-1), SECONDS) == b""
    for _, one in [*crowd, (reader, writer)]:
        one.close()
        with contextlib.suppress(ConnectionError):
            await one.wait_closed()


async def test_shutdown_closes_sockets_for_a_restart(served: Served) -> None:
    async with served.client("/api/events") as events, served.client("/live") as live:
        await opening(events)
        served.server.should_exit = True
        with closing_with(1012):
            await next_frame(events, lambda frame: False)
        with closing_with(1012):
            await next_frame(live, lambda frame: False)


async def test_shutdown_does_not_wait_for_a_client_that_does_not_read(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web.live, "PACE_SECONDS", 0.0)
    hub = served.server.config.app.state.context.hub  # type: ignore[union-attr]
    with served.deaf("/api/events?topics=daemons"):
        number = 0
        async with asyncio.timeout(SECONDS):
            while not hub.listeners or hub.listeners[0].is_waiting:
                await asyncio.sleep(0)  # it is still being told what is
            while not hub.listeners[0].is_waiting:
                number += 1
                shout(served.service, number)
                await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        began = loop.time()
        served.server.should_exit = True
        async with asyncio.timeout(SECONDS):
            while served.server.server_state.connections:
                await asyncio.sleep(0)
        assert loop.time() - began < 4


async def test_a_small_frame_does_not_wait_for_the_one_before(served: Served) -> None:
    async with served.client("/api/events") as events:
        await opening(events)
        (connection,) = served.server.server_state.connections
        raw = connection.transport.get_extra_info("socket")

        assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
