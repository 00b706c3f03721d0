"""Questions to the file system, each in a thread that may hang: a dead network drive never answers."""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from daemons.clock import Clock

T = TypeVar("T")

ANSWER_SECONDS = 5.0
"""How long an answer is waited for."""


class Looker:
    """Asks, and gives up on who does not answer; nobody is asked again while an answer is still due."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._asked: dict[str, asyncio.Future[object]] = {}

    async def look(self, whom: str, question: Callable[[], T]) -> T | None:
        """Return what `question` returns, None if it does not within ANSWER_SECONDS. Raises what it raises."""
        pending = self._asked.get(whom)
        if pending is not None and not pending.done():
            return None
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._asked[whom] = answer  # type: ignore[assignment]
        # Not the loop's own threads: one that hangs there would hold up the end of the process.
        threading.Thread(target=_ask, args=(question, answer), name=f"look at {whom}", daemon=True).start()
        if await self._clock.settle({answer}, ANSWER_SECONDS):
            return None
        del self._asked[whom]
        return answer.result()


def _ask(question: Callable[[], T], answer: "asyncio.Future[T]") -> None:
    tell: Callable[[], None]
    try:
        result = question()
    except OSError as error:
        failure = error
        tell = lambda: None if answer.cancelled() else answer.set_exception(failure)  # noqa: E731
    else:
        tell = lambda: None if answer.cancelled() else answer.set_result(result)  # noqa: E731
    try:
        answer.get_loop().call_soon_threadsafe(tell)
    except RuntimeError:
        return  # Nobody waits any more: the loop is closed.
