"""Keeps a ladder and its FileMaker layout in step: looks there now and then, and writes back what changes here."""

import asyncio
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
) -> None:
    """Never returns. `changed` is set when a record changes here; `report` hears what went wrong, with what it hit.

    While FileMaker is away nothing is lost: what has to be written back stays noted, and is written when it is there.
    """
    failures = 0
    while True:
        try:
            pushed = await store.push()
            for code, error in pushed.failed:
                await report(code, error)
            await store.pull()
            failures = 0
            pause = interval()
        except (ServerAway, BadAnswer) as error:
            pause = min(LONGEST_WAIT, interval() * 2**failures)
            failures = min(failures + 1, 10)
            await report("FileMaker", error)
        changed.clear()
        if await clock.wait(changed, pause) and not failures:
            await clock.sleep(GATHERING_SECONDS)
