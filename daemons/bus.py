"""Carries events from where they became true to whoever listens, in this process."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from daemons.events import Event, LogWritten

LINES_HELD = 2_000
"""Log lines one mailbox holds before the oldest are dropped and counted."""


class Mailbox:
    """What one subscriber has not taken yet: the newest event of each entity, and a bounded run of log lines."""

    def __init__(self, wants: Callable[[Event], bool] | None) -> None:
        self._wants = wants
        self._latest: dict[tuple[str, str], Event] = {}
        self._lines: deque[LogWritten] = deque(maxlen=LINES_HELD)
        self._arrived = asyncio.Event()
        self.dropped = 0

    def put(self, event: Event) -> None:
        """Keep `event` if it is wanted; never waits."""
        if self._wants is not None and not self._wants(event):
            return
        if isinstance(event, LogWritten):
            self.dropped += len(self._lines) == LINES_HELD
            self._lines.append(event)
        else:
            # Re-inserted at the end, so that events come out in the order of their newest change.
            key = event.key
            self._latest.pop(key, None)
            self._latest[key] = event
        self._arrived.set()

    async def take(self) -> list[Event]:
        """Return everything waiting, at least one event, and forget it."""
        await self._arrived.wait()
        return self.take_now()

    def take_now(self) -> list[Event]:
        """Return everything waiting, perhaps nothing, and forget it."""
        events: list[Event] = [*self._latest.values(), *self._lines]
        self._latest.clear()
        self._lines.clear()
        self._arrived.clear()
        return events


class Bus:
    """Hands each event to every listener at once. Used from the event loop only."""

    def __init__(self) -> None:
        self._mailboxes: list[Mailbox] = []
        self._listeners: list[Callable[[Event], None]] = []

    def publish(self, event: Event) -> None:
        """Tell everybody. Costs the speaker one dictionary write per listener."""
        for listener in self._listeners:
            listener(event)
        for mailbox in self._mailboxes:
            mailbox.put(event)

    @contextmanager
    def subscribe(self, wants: Callable[[Event], bool] | None = None) -> Iterator[Mailbox]:
        """Open a mailbox for as long as the context lasts. `wants` is asked for each event."""
        mailbox = Mailbox(wants)
        self._mailboxes = [*self._mailboxes, mailbox]
        try:
            yield mailbox
        finally:
            self._mailboxes = [other for other in self._mailboxes if other is not mailbox]

    @contextmanager
    def listen(self, listener: Callable[[Event], None]) -> Iterator[None]:
        """Call `listener` with every event while the context lasts. It must be quick and must not raise."""
        self._listeners = [*self._listeners, listener]
        try:
            yield
        finally:
            self._listeners = [other for other in self._listeners if other is not listener]
