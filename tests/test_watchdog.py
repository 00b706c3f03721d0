"""The watchdog sees a loop that stands still, and where. It measures the machine, so these tests take real seconds."""

import asyncio
import threading

from daemons.supervisor.watchdog import BLOCKED_AFTER, PERIOD, Block, Watchdog


def compute(enough: threading.Event) -> None:
    """Block the calling thread like a computation would."""
    enough.wait(10)


async def test_a_blocked_loop_is_noticed_within_two_seconds_with_its_line() -> None:
    noticed, told = threading.Event(), asyncio.Event()
    blocks: list[Block] = []

    def tell(block: Block) -> None:
        blocks.append(block)
        told.set()

    async with Watchdog(tell) as watchdog:
        loop = asyncio.get_running_loop()

        async def block() -> None:
            until_noticed = threading.Thread(target=_wait_until, args=(watchdog, noticed))
            until_noticed.start()
            compute(noticed)

        began = loop.time()
        blocker = asyncio.create_task(block(), name="the blocker")
        await blocker
        lasted = loop.time() - began
        await told.wait()

    assert lasted < PERIOD + BLOCKED_AFTER + 0.5
    assert watchdog.blocks == 1
    assert watchdog.present is None
    assert blocks[0].task is blocker
    assert "compute" in [frame.function for frame in blocks[0].frames]
    assert not any("base_events" in frame.file for frame in blocks[0].frames)


def _wait_until(watchdog: Watchdog, noticed: threading.Event) -> None:
    tick = threading.Event()
    while watchdog.present is None:
        tick.wait(0.02)
    noticed.set()


async def test_a_turning_loop_is_left_in_peace() -> None:
    async with Watchdog(lambda block: None) as watchdog:
        loop = asyncio.get_running_loop()
        over = asyncio.Event()
        loop.call_later(PERIOD * 2.5, over.set)
        await over.wait()

    assert watchdog.blocks == 0
