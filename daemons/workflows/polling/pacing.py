"""How long a step that failed waits until it is tried again."""

from datetime import datetime, timedelta

FIRST_WAIT, LONGEST_WAIT = 2.0, 600.0
"""Seconds; each failure doubles the wait."""
PAUSE_MOST = 86_400.0
"""Seconds; a server that wants to be left alone for longer is asked once a day."""


def retry_at(now: datetime, attempts: int, pause: float = 0.0) -> datetime:
    """Return when a step that failed `attempts` times is tried again, after `pause` seconds at the least."""
    wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(attempts - 1, 20))
    return now + timedelta(seconds=max(wait, min(pause, PAUSE_MOST)))
