"""Stacks of waiting tasks: the line that waits, through tasks that wait for tasks."""

import asyncio

from daemons.supervisor.stacks import SLEEP, codes_of_task, stack_of_task


async def wait_for_ever() -> None:
    await asyncio.Event().wait()


async def doze() -> None:
    await asyncio.sleep(3600)


async def through_another_task() -> None:
    await asyncio.create_task(doze())


async def test_the_stack_ends_where_the_task_waits() -> None:
    task = asyncio.create_task(wait_for_ever())
    await asyncio.sleep(0)

    outermost = stack_of_task(task)[0]

    assert (outermost.function, outermost.code) == ("wait_for_ever", "await asyncio.Event().wait()")
    assert outermost.file == __file__
    task.cancel()


async def test_the_stack_goes_on_in_the_task_that_is_waited_for() -> None:
    task = asyncio.create_task(through_another_task())
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert [frame.function for frame in stack_of_task(task)][:3] == ["through_another_task", "doze", "sleep"]
    assert codes_of_task(task)[-1] is SLEEP
    task.cancel()


async def test_a_task_that_is_done_stands_nowhere() -> None:
    task = asyncio.create_task(asyncio.sleep(0))
    await task

    assert stack_of_task(task) == ()
