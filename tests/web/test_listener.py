"""One socket's sending side, against a client that takes its time."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.types import Message

from daemons.errors import Unavailable
from tests.fake_clock import FakeClock
from web.backlog import HELD_CHARACTERS, LINES_HELD, PAGES_HELD, FewPages, LatestWins
from web.frames import Frame
from web.listener import Listener, Telling


class Client:
    """Takes what it is sent while its gate is open."""

    def __init__(self) -> None:
        self.took: list[Message] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.is_cut = False

    async def send(self, message: Message) -> None:
        if self.is_cut:
            raise OSError("gone")
        await self.gate.wait()
        self.took.append(message)

    def cut(self) -> None:
        self.is_cut = True

    @property
    def texts(self) -> list[str]:
        return [message["text"] for message in self.took if message["type"] == "websocket.send"]


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
async def listener(client: Client, clock: FakeClock) -> Listener:
    """Return a listener that has said nothing yet and is open for frames."""
    listener = Listener(
        client.send, client.cut, clock, LatestWins(lambda seq, count: f"{count} dropped"), again=again, session_id=None
    )
    listener.begin(words())
    await clock.idle()
    return listener


def words(*texts: str, seq: int = 0) -> Telling:
    """Return what brings a client up to `seq`."""

    async def told() -> AsyncIterator[str]:
        for text in texts:
            yield text

    return Telling(seq, told())


def again(seq: int) -> Telling:
    """Return what a client is told that was too slow after `seq`."""
    return words(f"what came after {seq}", seq=1_000_000)


def frame(seq: int, name: str | None = None) -> Frame:
    """Return a frame of the daemon `name`, or a log line."""
    return Frame(seq, ("daemon", name) if name else None, f"{name or 'line'} {seq}")


async def test_an_idle_client_is_sent_each_frame_without_a_task(listener: Listener, client: Client) -> None:
    tasks = len(asyncio.all_tasks())

    for seq in range(100):
        listener.offer(frame(seq, "a"))

    assert client.texts == [f"a {seq}" for seq in range(100)]
    assert len(asyncio.all_tasks()) == tasks


async def test_a_slow_client_gets_the_newest_of_each_in_order(
    listener: Listener, client: Client, clock: FakeClock
) -> None:
    client.gate.clear()
    for seq, name in enumerate(["a", "b", "a", "c", "b", "a"]):
        listener.offer(frame(seq, name))

    client.gate.set()
    await clock.idle()

    assert client.texts == ["a 0", "c 3", "b 4", "a 5"]


async def test_what_is_offered_while_it_catches_up_comes_last(
    listener: Listener, client: Client, clock: FakeClock
) -> None:
    client.gate.clear()
    listener.offer(frame(1, "a"))
    listener.offer(frame(2, "b"))
    client.gate.set()
    listener.offer(frame(3, "c"))
    await clock.idle()
    listener.offer(frame(4, "d"))

    assert client.texts == ["a 1", "b 2", "c 3", "d 4"]


async def test_lines_are_bounded_and_the_loss_is_told(listener: Listener, client: Client, clock: FakeClock) -> None:
    client.gate.clear()
    for seq in range(LINES_HELD + 11):
        listener.offer(frame(seq))

    client.gate.set()
    await clock.idle()

    assert client.texts[:3] == ["line 0", "10 dropped", "line 11"]
    assert client.texts[-1] == f"line {LINES_HELD + 10}"


async def test_a_client_that_fell_far_behind_is_told_again_from_where_it_was(
    listener: Listener, client: Client, clock: FakeClock
) -> None:
    listener.offer(frame(6, "a"))
    client.gate.clear()
    for seq in range(7, 30):
        listener.offer(Frame(seq, ("job", str(seq)), "x" * (HELD_CHARACTERS // 10)))
    client.gate.set()
    await clock.idle()
    listener.offer(frame(1_000_001, "b"))

    assert client.texts == ["a 6", "x" * (HELD_CHARACTERS // 10), "what came after 7", "b 1000001"]


async def test_the_opening_comes_before_what_changed_meanwhile(client: Client, clock: FakeClock) -> None:
    listener = Listener(client.send, client.cut, clock, LatestWins(lambda seq, count: ""), again=again, session_id=None)
    listener.offer(frame(1, "a"))

    listener.begin(words("hello", "snapshot"))
    await clock.idle()

    assert client.texts == ["hello", "snapshot", "a 1"]


async def test_a_client_that_takes_nothing_is_cut_after_its_time(
    listener: Listener, client: Client, clock: FakeClock
) -> None:
    client.gate.clear()
    listener.offer(frame(1, "a"))
    await clock.advance(29)
    early = listener.check(30)
    await clock.advance(2)
    late = listener.check(30)

    assert (early, late, client.is_cut, listener.is_gone) == (False, True, True, True)


async def test_a_client_that_takes_a_little_is_not_cut(listener: Listener, client: Client, clock: FakeClock) -> None:
    for seq in range(5):
        client.gate.clear()
        listener.offer(frame(seq, "a"))
        await clock.advance(20)
        assert not listener.check(30)
        client.gate.set()
        await clock.idle()

    assert not client.is_cut


async def test_a_close_is_sent_once(listener: Listener, client: Client) -> None:
    listener.close(4401, "The session ended.")
    listener.close(1008, "Too late.")
    listener.offer(frame(1, "a"))

    assert client.took == [{"type": "websocket.close", "code": 4401, "reason": "The session ended."}]


async def test_a_slow_client_that_must_go_is_cut_a_second_later(
    listener: Listener, client: Client, clock: FakeClock
) -> None:
    client.gate.clear()
    listener.offer(frame(1, "a"))
    listener.close(4401, "The session ended.")
    await clock.advance(1.5)
    listener.check(30)

    assert client.is_cut


async def test_a_slow_client_that_wakes_in_time_hears_why_it_must_go(
    listener: Listener, client: Client, clock: FakeClock
) -> None:
    client.gate.clear()
    listener.offer(frame(1, "a"))
    listener.offer(frame(2, "b"))
    listener.close(4401, "The session ended.")
    client.gate.set()
    await clock.idle()

    assert client.texts == ["a 1"]
    assert client.took[-1]["code"] == 4401


async def test_a_client_that_went_away_is_not_sent_to_again(listener: Listener, client: Client) -> None:
    client.cut()

    listener.offer(frame(1, "a"))
    listener.offer(frame(2, "a"))

    assert listener.is_gone


async def test_stopping_ends_a_send_that_waits(listener: Listener, client: Client, clock: FakeClock) -> None:
    client.gate.clear()
    listener.offer(frame(1, "a"))
    tasks = len(asyncio.all_tasks())

    listener.stop()
    await clock.idle()

    assert len(asyncio.all_tasks()) == tasks - 1
    assert client.texts == []


async def test_a_database_that_is_away_closes_for_another_try(client: Client, clock: FakeClock) -> None:
    async def broken() -> AsyncIterator[str]:
        yield "hello"
        raise Unavailable()

    listener = Listener(client.send, client.cut, clock, LatestWins(lambda seq, count: ""), again=again, session_id=None)
    listener.begin(Telling(0, broken()))
    await clock.idle()

    assert client.took[-1]["code"] == 1013


async def test_a_fault_of_ours_closes_the_socket(
    client: Client, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def faulty() -> AsyncIterator[str]:
        yield "hello"
        raise ZeroDivisionError

    listener = Listener(client.send, client.cut, clock, LatestWins(lambda seq, count: ""), again=again, session_id=None)
    listener.begin(Telling(0, faulty()))
    await clock.advance(1.5)
    listener.check(30)

    assert client.texts == ["hello"]
    assert client.is_cut


async def test_a_page_that_falls_behind_reads_itself_again(client: Client, clock: FakeClock) -> None:
    listener = Listener(client.send, client.cut, clock, FewPages(), again=again, session_id=None)
    listener.begin(words())
    await clock.idle()
    client.gate.clear()
    for seq in range(PAGES_HELD + 5):
        listener.offer(frame(seq, "a"))

    client.gate.set()
    await clock.idle()
    listener.offer(frame(PAGES_HELD + 6, "a"))

    assert client.texts == ["a 0", "what came after 0", f"a {PAGES_HELD + 6}"]
