"""Every task knows for whom it was started, whoever made it."""

import asyncio

from daemons.supervisor.ownership import Owner, current_owner, on_own_account, tracked_tasks


async def test_tasks_of_tasks_belong_to_the_same_owner() -> None:
    owner, go_on = Owner(), asyncio.Event()
    inner: list[asyncio.Task[bool]] = []

    async def outer() -> None:
        inner.append(asyncio.create_task(go_on.wait()))
        await inner[0]

    with tracked_tasks():
        current_owner.set(owner)
        task = asyncio.create_task(outer())
        await asyncio.sleep(0)

        assert owner.tasks() == {task, *inner}
        assert owner.owns(inner[0])

        go_on.set()
        await task
    assert owner.tasks() == set()


async def test_what_the_engine_starts_on_its_own_account_belongs_to_nobody() -> None:
    owner = Owner()
    with tracked_tasks():
        current_owner.set(owner)
        with on_own_account():
            task = asyncio.create_task(asyncio.sleep(0))
        later = asyncio.create_task(asyncio.sleep(0))

        assert owner.tasks() == {later}
        await asyncio.gather(task, later)


async def test_the_loop_is_left_as_it_was_found() -> None:
    loop = asyncio.get_running_loop()

    with tracked_tasks():
        assert loop.get_task_factory() is not None

    assert loop.get_task_factory() is None
