"""Keeps what the bus told, so that tests wait for what happened instead of for time to pass."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from daemons.events import Event

E = TypeVar("E")

_SECONDS = 10.0
"""Real seconds; a test that waits longer has found something."""


class Recorder:
    """All events since the test began, in order."""

    def __init__(self) -> None:
        self.all: list[Event] = []
        self._taken: dict[type[Any], int] = {}
        self._arrived = asyncio.Event()

    def record(self, event: Event) -> None:
        """Keep `event` and wake who waits."""
        self.all.append(event)
        self._arrived.set()

    async def next(self, kind: type[E], predicate: Callable[[E], bool] = lambda event: True) -> E:
        """Return the first event of `kind` that satisfies `predicate` after the last one returned of that kind.

        What happened before the call counts too. Fails after ten real seconds, telling what did happen.
        """
        try:
            async with asyncio.timeout(_SECONDS):
                while True:
                    self._arrived.clear()
                    for at in range(self._taken.get(kind, 0), len(self.all)):
                        event = self.all[at]
                        if isinstance(event, kind) and predicate(event):
                            self._taken[kind] = at + 1
                            return event
                    await self._arrived.wait()
        except TimeoutError:
            happened = "\n".join(str(event) for event in self.all[-20:]) or "nothing at all"
            raise AssertionError(f"No such {kind.__name__} happened. What did, last: {happened}") from None

    def seen(self, kind: type[E], predicate: Callable[[E], bool] = lambda event: True) -> list[E]:
        """Return every event of `kind` so far that satisfies `predicate`."""
        return [event for event in self.all if isinstance(event, kind) and predicate(event)]

    def forget(self) -> None:
        """Start anew."""
        self.all.clear()
        self._taken.clear()
