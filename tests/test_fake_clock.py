import asyncio

from sqlalchemy import insert

from daemons.database import Database
from daemons.database.transaction import Transaction
from daemons.models import LogTable
from tests.fake_clock import FakeClock


async def test_sleepers_wake_in_the_order_of_their_due_times(clock: FakeClock) -> None:
    woken: list[tuple[str, float]] = []
    start = clock.monotonic()

    async def sleeper(name: str, *seconds: float) -> None:
        for pause in seconds:
            await clock.sleep(pause)
            woken.append((name, clock.monotonic() - start))

    async with asyncio.TaskGroup() as group:
        group.create_task(sleeper("slow", 5))
        group.create_task(sleeper("quick", 2, 2, 2))
        await clock.advance(10)

    assert woken == [("quick", 2), ("quick", 4), ("slow", 5), ("quick", 6)]


async def test_time_waits_for_work_in_the_database(clock: FakeClock, database: Database) -> None:
    written: list[float] = []
    start = clock.monotonic()

    def unit(tx: Transaction) -> None:
        tx.execute(insert(LogTable), {"at": tx.now, "level": "info", "message": "x"})

    async def writer() -> None:
        for _ in range(3):
            await clock.sleep(10)
            await database.write(unit)
            written.append(clock.monotonic() - start)

    async with asyncio.TaskGroup() as group:
        group.create_task(writer())
        await clock.advance(100)

    assert written == [10, 20, 30]


async def test_a_wait_ends_by_its_event_or_by_time(clock: FakeClock) -> None:
    event = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        late = group.create_task(clock.wait(event, 5))
        await clock.advance(5)
        assert late.done()
        timely = group.create_task(clock.wait(event, 5))
        await clock.advance(4)
        event.set()

    assert (late.result(), timely.result()) == (False, True)


async def test_settle_returns_what_is_pending_in_time(clock: FakeClock) -> None:
    quick = asyncio.ensure_future(clock.sleep(1))
    slow = asyncio.ensure_future(clock.sleep(9))

    settled = asyncio.ensure_future(clock.settle({quick, slow}, 3))
    await clock.advance(3)

    assert await settled == {slow}
    slow.cancel()
