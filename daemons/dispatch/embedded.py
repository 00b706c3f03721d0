"""Carries offers within this process, over the bus."""

from contextlib import ExitStack

from daemons.bus import Bus
from daemons.database.transaction import Transaction
from daemons.dispatch import Offered
from daemons.events import Event, JobOffered


class EmbeddedDispatcher:
    """The default: whoever creates a job and whoever runs it share one process."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._listening = ExitStack()

    async def open(self, offered: Offered) -> None:
        """Begin to call `offered` after each commit that offers a job."""

        def hear(event: Event) -> None:
            if isinstance(event, JobOffered):
                offered(event.id, event.attempt)

        self._listening.enter_context(self._bus.listen(hear))

    def offer(self, tx: Transaction, job_id: str, attempt: int) -> None:
        """Announce the offer with the commit of `tx`."""
        tx.announce(JobOffered(job_id, attempt))

    async def close(self) -> None:
        """Stop calling."""
        self._listening.close()
