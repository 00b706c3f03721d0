"""What takes long to find out and may be a little old: found out once for all who ask in that time."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from contextvars import Context
from typing import Generic, NamedTuple, TypeVar

from daemons.clock import Clock

T = TypeVar("T")

KEYS_MOST = 16


class _Making(NamedTuple, Generic[T]):
    since: float
    task: "asyncio.Task[T]"


class Kept(Generic[T]):
    """Answers by key, the newest of them, each for some seconds; for none, only while it is being found out."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._known: dict[Hashable, _Making[T]] = {}

    async def get(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """Return what `make` returned for `key` not long ago, or returns now; whoever asks meanwhile waits along."""
        known = self._known.get(key)
        if known is None or (known.task.done() and self._is_over(known)):
            self._known.pop(key, None)
            # The empty context makes it nobody's task: who asked first may be gone before the others are told.
            task = asyncio.get_running_loop().create_task(_made(make), name="finding out", context=Context())
            known = self._known[key] = _Making(self._clock.monotonic(), task)
            while len(self._known) > KEYS_MOST:
                del self._known[next(iter(self._known))]
        # Who is cancelled leaves the others their answer.
        return await asyncio.shield(known.task)

    def _is_over(self, known: _Making[T]) -> bool:
        return _is_spoilt(known.task) or self._clock.monotonic() - known.since >= self._seconds


async def _made(make: Callable[[], Awaitable[T]]) -> T:
    return await make()


def _is_spoilt(task: "asyncio.Task[T]") -> bool:
    return task.cancelled() or task.exception() is not None
