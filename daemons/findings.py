"""What a person should know of and mend, as the health page and the banner show it."""

from datetime import datetime
from typing import Any, Literal, NamedTuple

Severity = Literal["info", "warning", "error"]


class Finding(NamedTuple):
    """One thing that is wrong although the service runs; "info" is merely good to know, and counted nowhere."""

    code: str
    severity: Severity
    message: str
    remedy: str | None = None
    subject: str | None = None
    """What it is about where several may be wrong in the same way: a daemon's name, a path."""
    since: datetime | None = None
    link: str | None = None
    """A page of the deck that shows or mends it, such as "/daemons/night_watch"."""
    dismissable: bool = False
    """It does not clear by itself: a person says that it is known."""

    @property
    def key(self) -> tuple[str, str | None]:
        """What stays the same while this is wrong, whatever the message says."""
        return self.code, self.subject

    @property
    def is_trouble(self) -> bool:
        """Whether somebody has to do something."""
        return self.severity != "info"

    def as_dict(self) -> dict[str, Any]:
        """Return the finding of the HTTP API."""
        return self._asdict()
