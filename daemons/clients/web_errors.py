"""How reading a page of the web can fail, told apart by what the caller should do.

DaemonError
    PageFailed          there is nothing to be had at this address: another try would end the same
        UrlRefused      we do not go there
        PageTooLarge · PageNotText · PageForbidden · PageMissing
    PageAway            not now: another try may do
        PageLate · SiteFails
"""

from daemons.errors import DaemonError, Permanent
from daemons.text import clean

SHOWN_CHARACTERS = 200
"""So much of an address is told to people."""


class PageFailed(Permanent):
    """The page cannot be read."""

    code = "ERR_URL_FAILED"
    remedy = "Open the address in a browser; correct or remove it."


class UrlRefused(PageFailed):
    """The address is not one that pages are read from."""

    code = "ERR_URL_REFUSED"
    remedy = "Correct the address. One in the own network is read once web_pages.allow_private names its host."

    def __init__(self, url: str, reason: str) -> None:
        self.reason = reason
        """A clause without a full stop: what is wrong with the address."""
        super().__init__(f"{shown(url)} is not read: {reason}.")


class PageTooLarge(PageFailed):
    """The page is larger than what is read."""

    code = "ERR_URL_TOO_LARGE"
    remedy = "Choose a smaller page, or raise web_pages.megabytes."


class PageNotText(PageFailed):
    """What is at the address is no text."""

    code = "ERR_URL_NOT_TEXT"
    remedy = "Choose the address of a page rather than of a file."


class PageForbidden(PageFailed):
    """The site asks programs to leave this page alone."""

    code = "ERR_URL_ROBOTS"
    remedy = "Ask the site, copy what is needed by hand, or turn web_pages.robots off where you may."


class PageMissing(PageFailed):
    """The site has no such page, or not for us."""

    code = "ERR_URL_ANSWER"


class NoSuchHost(PageFailed):
    """There is no such host."""

    code = "ERR_URL_NO_HOST"


class PageAway(DaemonError):
    """The page cannot be read at the moment."""

    code = "ERR_URL_AWAY"
    remedy = "Wait; it is tried again. Check the network, and whether a browser shows the page."
    retry_after: float | None = None
    """Seconds the site asked to be left alone, if it said so."""


class PageLate(PageAway):
    """The page took too long."""

    code = "ERR_URL_TIMEOUT"


class SiteFails(PageAway):
    """The site has trouble of its own, or wants to be asked later."""

    code = "ERR_URL_ANSWER"


def shown(url: str) -> str:
    """Return an address as people may see it: in one line, short."""
    return clean(" ".join(url[: 10 * SHOWN_CHARACTERS].split()), SHOWN_CHARACTERS) or "An empty address"
