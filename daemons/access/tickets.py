"""Tickets: the way onto the events socket for a page that can send no header, since addresses carry no tokens."""

import secrets

from daemons.access.identities import Identity
from daemons.access.record import digest_of
from daemons.clock import Clock

TICKET_SECONDS = 30.0
TICKETS = 1_000
"""Tickets that are good at once; the oldest gives way."""


class Tickets:
    """Gives out tickets that let one socket in, once, within half a minute. They are in memory only."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._holders: dict[str, tuple[Identity, float]] = {}

    def give(self, identity: Identity) -> str:
        """Return a new ticket for `identity`."""
        ticket = secrets.token_urlsafe(24)
        self._holders[digest_of(ticket)] = identity, self._clock.monotonic() + TICKET_SECONDS
        while len(self._holders) > TICKETS:
            del self._holders[next(iter(self._holders))]
        return ticket

    def spend(self, ticket: str) -> Identity | None:
        """Return who the ticket was given to, this once, or None."""
        identity, until = self._holders.pop(digest_of(ticket), (None, 0.0))
        return identity if self._clock.monotonic() < until else None
