"""What takes long to find out is found out once for all who ask meanwhile."""

import asyncio

from daemons.errors import Invalid
from daemons.kept import Kept
from tests.fake_clock import FakeClock


async def test_what_is_kept_is_found_out_once_for_all_who_ask_and_never_after_a_failure(clock: FakeClock) -> None:
    asked: list[str] = []
    kept: Kept[str] = Kept(clock, 10)

    async def answer() -> str:
        asked.append("")
        if len(asked) == 1:
            raise Invalid("Not now.")
        return "yes"

    first = await asyncio.gather(kept.get(1, answer), kept.get(1, answer), return_exceptions=True)
    again = await asyncio.gather(*(kept.get(1, answer) for _ in range(5)))

    assert [type(one) for one in first] == [Invalid, Invalid]
    assert (again, len(asked)) == (["yes"] * 5, 2)


async def test_who_asks_while_it_is_found_out_waits_along_however_short_it_is_kept(clock: FakeClock) -> None:
    asked, ends = 0, asyncio.Event()
    kept: Kept[int] = Kept(clock, 0)

    async def answer() -> int:
        nonlocal asked
        asked += 1
        await ends.wait()
        return asked

    first = [asyncio.create_task(kept.get(None, answer)) for _ in range(3)]
    await clock.idle()
    await clock.advance(60)
    late = asyncio.create_task(kept.get(None, answer))
    await clock.idle()
    ends.set()

    assert [await one for one in (*first, late)] == [1, 1, 1, 1]
    assert await kept.get(None, answer) == 2


async def test_who_goes_does_not_take_the_answer_from_the_others(clock: FakeClock) -> None:
    ends = asyncio.Event()
    kept: Kept[bool] = Kept(clock, 0)
    hasty, patient = (asyncio.create_task(kept.get(None, ends.wait)) for _ in range(2))
    await clock.idle()

    hasty.cancel()
    ends.set()

    assert await patient
