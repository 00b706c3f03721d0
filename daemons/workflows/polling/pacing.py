"""How long a step that failed waits until it is tried again."""

from datetime import datetime, timedelta

FIRST_WAIT, LONGEST_WAIT = 2.0, 600.0
"""Seconds; each failure doubles the wait."""


def retry_at(now: datetime, attempts: int) -> datetime:
    """Return when a step that failed `attempts` times is tried again."""
    return now + timedelta(seconds=min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(attempts - 1, 20)))
