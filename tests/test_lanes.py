"""Slots are never given out twice, and who comes back goes first."""

import asyncio

import pytest

from daemons.executor.lanes import SLOTS, Lane, Lanes
from daemons.executor.run import Slot


def nothing() -> None:
    return


async def test_who_comes_back_gets_the_slot_before_new_jobs() -> None:
    freed: list[str] = []
    lane = Lane(1, lambda: freed.append("freed"))
    lane.reserve(1)
    returning = asyncio.create_task(lane.retake())
    await asyncio.sleep(0)

    lane.release()
    await returning

    assert (lane.taken, lane.free, freed) == (1, 0, [])


async def test_those_who_come_back_do_so_in_order() -> None:
    lane = Lane(1, nothing)
    lane.reserve(1)
    order: list[int] = []

    async def come_back(number: int) -> None:
        await lane.retake()
        order.append(number)
        lane.release()

    tasks = [asyncio.create_task(come_back(number)) for number in range(3)]
    await asyncio.sleep(0)
    lane.release()
    await asyncio.gather(*tasks)

    assert order == [0, 1, 2]
    assert lane.taken == 0


async def test_what_a_handler_left_waiting_takes_no_slot_after_its_end() -> None:
    lane = Lane(1, nothing)
    lane.reserve(1)
    slot = Slot(lane)
    slot.leave()

    slot.give_up()
    await slot.come_back()

    assert lane.taken == 0


@pytest.mark.parametrize("handed_over", [False, True])
async def test_a_cancelled_return_leaves_no_slot_behind(handed_over: bool) -> None:
    lane = Lane(1, nothing)
    lane.reserve(1)
    returning = asyncio.create_task(lane.retake())
    await asyncio.sleep(0)
    if handed_over:
        lane.release()
    returning.cancel()
    await asyncio.wait({returning})
    if not handed_over:
        lane.release()

    assert (lane.taken, lane.free) == (0, 1)


async def test_only_lanes_with_work_are_asked_for_their_slots() -> None:
    wakes: list[str] = []
    lanes = Lanes({"io": 2}, lambda: wakes.append("wake"))
    lanes.open("io")
    lanes.open("unheard of")

    first = lanes.reserve_all()
    lanes.settle(first, {"io": 2})
    second = lanes.reserve_all()
    lanes["io"].release()
    third = lanes.reserve_all()

    assert first == {"io": 2, "unheard of": SLOTS}
    assert second == {}
    assert (third, wakes) == ({"io": 1}, ["wake"])
