"""Work that takes long, in a thread beside the one that answers the manager, which says meanwhile that it goes on."""

import math
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from daemons.worker_process import Alive

ALIVE_SECONDS = 3.0

T = TypeVar("T")
Steps = Generator[Alive, None, T]
"""What has to be waited for, its result returned at the end: `result = yield from steps`."""

# A single one: a model is loaded and asked by the same thread, one picture after another.
_THREAD = ThreadPoolExecutor(1, thread_name_prefix="model")


def begin(work: Callable[[], T]) -> Future[T]:
    """Start `work` in the thread, once what was started before is done."""
    return _THREAD.submit(work)


def until_done(future: Future[T], seconds: float, every: float = ALIVE_SECONDS) -> Steps[T]:
    """Return the result of `future`. After `seconds` nothing is said any more, so that the manager ends what hangs."""
    for _ in range(math.ceil(seconds / every)):
        if wait([future], every).done:
            break
        yield Alive()
    return future.result()
