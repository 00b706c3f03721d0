"""The record of who did what, and the digests that stand for secrets."""

import hashlib
from collections import deque

from sqlalchemy import insert

from daemons.clock import Clock
from daemons.database.transaction import Transaction
from daemons.models import AuditTable

DAY_SECONDS = 86_400.0


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
    """Says whether one more refusal is worth a line: what anybody can cause must not fill the disk."""

    def __init__(self, clock: Clock, *, a_minute: int, a_day: int) -> None:
        self._clock = clock
        self._windows = [(deque[float](maxlen=a_minute), 60.0), (deque[float](maxlen=a_day), DAY_SECONDS)]

    def takes_one(self) -> bool:
        now = self._clock.monotonic()
        if any(len(moments) == moments.maxlen and now - moments[0] < span for moments, span in self._windows):
            return False
        for moments, _ in self._windows:
            moments.append(now)
        return True
