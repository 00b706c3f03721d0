"""Keeps a ladder and its FileMaker layout in step: looks there now and then, and writes back what changes here."""

import asyncio
import math
from collections.abc import Awaitable, Callable

from daemons.clients.errors import BadAnswer, ServerAway
from daemons.clock import Clock
from daemons.errors import DaemonError
from daemons.workflows.polling.stores.filemaker import FileMakerStore

GATHERING_SECONDS = 1.0
"""After a change until it is written back: others come with it."""
LONGEST_WAIT = 300.0
"""Seconds between two tries while FileMaker is away."""


async def keep_in_step(
    store: FileMakerStore,
    changed: asyncio.Event,
    interval: Callable[[], float],
    report: Callable[[str, DaemonError], Awaitable[None]],
    clock: Clock,
    in_step: Callable[[], None],
) -> None:
    """Never returns. `changed` is set when a record changes here; `report` hears what went wrong, with what it hit.

    `in_step` is called when both sides have the same, as far as is known.

    While FileMaker is away nothing is lost: what has to be written back stays noted, and is written when it is there.
    """
    failures, looked_at = 0, -math.inf
    while True:
        try:
            pushed = await store.push()
            for code, error in pushed.failed:
                await report(code, error)
            # What changes here is no reason to look there: each look takes all that is open over the wire.
            if clock.monotonic() >= looked_at + interval():
                looked_at = clock.monotonic()
                await store.pull()
            failures = 0
            pause = max(0.0, looked_at + interval() - clock.monotonic())
            if not changed.is_set():
                in_step()
        except (ServerAway, BadAnswer) as error:
            pause = min(LONGEST_WAIT, interval() * 2**failures)
            failures = min(failures + 1, 10)
            await report("FileMaker", error)
            looked_at = -math.inf
        changed.clear()
        if await clock.wait(changed, pause) and not failures:
            await clock.sleep(GATHERING_SECONDS)
