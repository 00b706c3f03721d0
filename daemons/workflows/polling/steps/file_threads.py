"""Reads and writes files in threads of their own: a dead network drive never answers, and takes no others along."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

AT_ONCE = 8
"""Files that are read or written at a time."""

T = TypeVar("T")
GoOn = Callable[[], None]
"""Called between two chunks; it raises once nobody waits for the work any more."""

_THREADS = ThreadPoolExecutor(AT_ONCE, "files")


class NobodyWaits(Exception):
    """The work was broken off, and nobody is there to hear of it."""


async def in_thread(work: Callable[[GoOn], T]) -> T:
    """Return what `work` returns. Cancelled, it waits for nothing: the work ends at its next `go_on`."""
    stopped = threading.Event()

    def go_on() -> None:
        if stopped.is_set():
            raise NobodyWaits

    try:
        return await asyncio.wrap_future(_THREADS.submit(work, go_on))
    finally:
        stopped.set()
