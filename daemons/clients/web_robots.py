"""What a site's robots.txt allows, asked for once in a while and kept (RFC 9309)."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from daemons.clients.web_addresses import WebAddress
from daemons.clock import Clock

if TYPE_CHECKING:
    from protego import Protego

KEPT_SECONDS = 3600.0
LIMIT = 512 * 1024
SITES_MOST = 500
DELAY_MOST = 30.0
"""The longest pause between two requests that a site's wish is heeded for, in seconds."""

Fetch = Callable[[WebAddress], Awaitable[bytes | None]]
"""Returns the beginning of a robots.txt, None where there is none. Raises PageAway."""


@dataclass(slots=True)
class _Site:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    rules: "Protego | None" = None
    until: float = 0.0


class Robots:
    """Knows the rules of the sites that were asked of lately."""

    def __init__(self, user_agent: str, clock: Clock) -> None:
        self._agent = user_agent.partition(" ")[0].partition("/")[0]
        self._clock = clock
        self._sites: OrderedDict[str, _Site] = OrderedDict()

    async def allow(self, address: WebAddress, fetch: Fetch) -> bool:
        """Return whether the site lets us read the page. Raises PageAway while nobody knows."""
        site = self._sites.setdefault(address.origin, _Site())
        self._sites.move_to_end(address.origin)
        while len(self._sites) > SITES_MOST:
            self._sites.popitem(last=False)
        async with site.lock:
            if self._clock.monotonic() >= site.until:
                text = await fetch(WebAddress(address.scheme, address.host, address.port, "/robots.txt"))
                site.rules = None if text is None else await asyncio.to_thread(_parsed, text)
                site.until = self._clock.monotonic() + KEPT_SECONDS
        return site.rules is None or site.rules.can_fetch(address.url, self._agent)

    def delay(self, address: WebAddress) -> float:
        """Return the seconds between two requests that the site wishes for, as far as is known and heeded."""
        site = self._sites.get(address.origin)
        wish = site.rules.crawl_delay(self._agent) if site is not None and site.rules is not None else None
        return min(max(0.0, wish or 0.0), DELAY_MOST)


def _parsed(text: bytes) -> "Protego":
    from protego import Protego

    return Protego.parse(text.decode("utf-8", "replace"))
