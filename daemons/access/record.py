"""The record of who did what, and the digests that stand for secrets."""

import hashlib
from collections import deque

from sqlalchemy import insert

from daemons.clock import Clock
from daemons.database.transaction import Transaction
from daemons.models import AuditTable

REFUSALS_A_MINUTE = 30
"""Refusals of strangers that are kept: what anybody can cause must not fill the disk."""


def record_audit(tx: Transaction, who: str, origin: str, action: str, target: str | None, outcome: str) -> None:
    """Keep who did what, in the transaction that does it."""
    values = {
        "at": tx.now,
        "who": who[:100],
        "origin": origin[:100],
        "action": action[:100],
        "target": target and target[:255],
        "outcome": outcome[:40],
    }
    tx.execute(insert(AuditTable).values(values))


def digest_of(secret: str) -> str:
    """Return what is kept of a secret of 192 random bits and more; only passwords need a slow hash."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


class Seldom:
    """Says whether one more refusal of a stranger is worth a line."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._moments: deque[float] = deque(maxlen=REFUSALS_A_MINUTE)

    def takes_one(self) -> bool:
        now = self._clock.monotonic()
        if len(self._moments) == REFUSALS_A_MINUTE and now - self._moments[0] < 60.0:
            return False
        self._moments.append(now)
        return True
