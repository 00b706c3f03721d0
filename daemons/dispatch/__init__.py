"""The seam between jobs that may run and workers with room.

Our table is the truth; a dispatcher only carries the word "(job_id, attempt) may run here". It may lose one, say one
twice, or say it of a job that ended long ago: the claim decides.
"""

from collections.abc import Callable
from typing import Protocol

from daemons.database.transaction import Transaction

Offered = Callable[[str, int], None]
"""Called on the event loop, from anywhere, as often as one likes."""


class Dispatcher(Protocol):
    """Carries (job_id, attempt) to a worker with room."""

    async def open(self, offered: Offered) -> None:
        """Begin to call `offered` for jobs that may run in this process."""
        ...

    def offer(self, tx: Transaction, job_id: str, attempt: int) -> None:
        """Pass on, if and when `tx` commits, that the job may be taken for its next attempt after `attempt`."""
        ...

    async def close(self) -> None:
        """Stop calling. Safe to call twice, or before `open`."""
        ...
