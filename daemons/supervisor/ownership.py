"""Knows which tasks belong to which run, so that nothing a daemon started outlives it.

A task made while `current_owner` is set, by whatever library, is entered with that owner.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar
from typing import Any


class Owner:
    """The live tasks that were started on behalf of one run."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Future[Any]] = set()

    def enter(self, task: "asyncio.Future[Any]") -> None:
        """Count `task` as ours until it is done."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def owns(self, task: "asyncio.Future[Any] | None") -> bool:
        """Whether `task` is one of ours and not done. May be asked from any thread."""
        return task in self._tasks

    def tasks(self) -> "set[asyncio.Future[Any]]":
        """Return the tasks that are not done."""
        return {task for task in self._tasks if not task.done()}


current_owner: ContextVar[Owner | None] = ContextVar("current_owner", default=None)


@contextmanager
def on_own_account() -> Iterator[None]:
    """Run the engine's part of a daemon's call: what it starts belongs to the engine, not to the run."""
    owner = current_owner.get()
    current_owner.set(None)
    try:
        yield
    finally:
        # Not `reset`: a coroutine that is closed by the garbage collector ends in a foreign context.
        current_owner.set(owner)


@contextmanager
def tracked_tasks() -> Iterator[None]:
    """Enter every task made on this loop with its owner, while the context lasts."""
    loop = asyncio.get_running_loop()
    before = loop.get_task_factory()

    def make(loop: asyncio.AbstractEventLoop, coroutine: Any, **details: Any) -> "asyncio.Future[Any]":
        task: asyncio.Future[Any]
        task = before(loop, coroutine, **details) if before else asyncio.Task(coroutine, loop=loop, **details)
        context: Context | None = details.get("context")
        owner = context.get(current_owner) if context is not None else current_owner.get()
        if owner is not None:
            owner.enter(task)
        return task

    loop.set_task_factory(make)
    try:
        yield
    finally:
        if loop.get_task_factory() is make:
            loop.set_task_factory(before)
