"""What a person should know of and mend, as the health page and the banner show it."""

from datetime import datetime
from typing import Any, Literal, NamedTuple


class Finding(NamedTuple):
    """One thing that is wrong although the service runs."""

    code: str
    severity: Literal["warning", "error"]
    message: str
    remedy: str | None = None
    subject: str | None = None
    """What it is about where several may be wrong in the same way: a daemon's name, a path."""
    since: datetime | None = None
    link: str | None = None
    """A page of the deck that shows or mends it, such as "/daemons/night_watch"."""

    def as_dict(self) -> dict[str, Any]:
        """Return the finding of the HTTP API."""
        return self._asdict()
