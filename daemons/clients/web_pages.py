"""Pages of the web, read as strangers' words: only from the internet, bounded in time and size, at the sites' pace.

the URL itself ─▶ robots.txt ─▶ our turn at this host ─▶ its addresses, checked ─▶ read
     ▲                                                                              │
     └────────────── a redirect is looked at like a new address, five times at most ┘
"""

import asyncio
import ssl
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

from daemons.clients.web_addresses import WebAddress, follow, parse_url
from daemons.clients.web_bodies import MEGABYTE, Answer, text_type
from daemons.clients.web_errors import (
    PageFailed,
    PageForbidden,
    PageLate,
    PageMissing,
    SiteFails,
    UrlRefused,
    shown,
)
from daemons.clients.web_robots import LIMIT as ROBOTS_LIMIT
from daemons.clients.web_robots import Robots
from daemons.clock import Clock
from daemons.findings import Finding
from daemons.settings.web_pages import WebPagesSettings

# A tenth of a second to import, which a deck that reads no pages need not spend.
if TYPE_CHECKING:
    import httpcore2

    from daemons.clients.web_connection import Names, Resolve

REDIRECTS_MOST = 5
AT_ONCE = 8
"""Requests at a time, to all sites together."""
TEXTS_AT_ONCE = 3
PATIENCE = 120.0
"""The longest wait for a turn at one host, in seconds; who would have to wait longer is told to come again."""
RETRY_MOST = 3600.0
"""The longest that a site may ask to be left alone, in seconds."""
_HOSTS_MOST = 1000
_REDIRECTS = (301, 302, 303, 307, 308)
_FOR_LATER = (408, 425, 429)
_ACCEPT = ("Accept", "text/html, application/xhtml+xml, text/plain;q=0.9")


@dataclass(frozen=True, slots=True)
class Page:
    """What was found, as it came: nothing in it can be believed."""

    url: str  #: where it was found in the end
    media_type: str  #: of `web_bodies.TEXT_TYPES`
    charset: str | None  #: as the site names it
    body: bytes
    redirects: int
    read_at: datetime


class _Budget:
    """The seconds that are left for one page. Waiting for a turn costs none."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds


class WebPages:
    """Reads pages for all jobs of this process; made by `Clients`."""

    def __init__(
        self,
        settings: WebPagesSettings,
        clock: Clock,
        *,
        resolve: "Resolve | None" = None,
        network: "httpcore2.AsyncNetworkBackend | None" = None,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self.settings = settings
        self._clock = clock
        self._resolve = resolve
        self._network = network
        self._trust = trust
        self._names: Names | None = None
        self._robots = Robots(settings.user_agent, clock)
        self._places = asyncio.Semaphore(AT_ONCE)
        self.text_places = asyncio.Semaphore(TEXTS_AT_ONCE)
        """For those who make text of what was read: each takes a process, and its memory."""
        self._due: dict[str, float] = {}
        """When each host may be asked again."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._names is not None:
            self._names.close()

    def findings(self) -> list[Finding]:
        """Return nothing: what is wrong with a page is told by whoever wanted it."""
        return []

    async def read(self, url: str) -> Page:
        """Return the page at `url`. Raises PageFailed when there is none to be had, PageAway when there may be later.

        Raises UrlRefused for whatever is not out on the internet, unless `allow_private` names its host.
        """
        address, budget = parse_url(url, self.settings.ports), _Budget(self.settings.seconds)
        seen = {address.url}
        for redirects in range(REDIRECTS_MOST + 1):
            try:
                answer = await self._ask_politely(address, budget)
            except UrlRefused as error:
                raise (UrlRefused(url, _where_to(address, error)) if redirects else error) from error
            if answer.status not in _REDIRECTS:
                return self._page(address, answer, redirects)
            address = self._next(url, address, answer)
            if address.url in seen:
                raise UrlRefused(url, f"its redirects go in a circle, back to {shown(address.url)}")
            seen.add(address.url)
        raise UrlRefused(url, f"it redirects more than {REDIRECTS_MOST} times")

    # One step of the way.

    def _next(self, url: str, address: WebAddress, answer: Answer) -> WebAddress:
        location = answer.headers.get("location")
        if not location:
            raise PageMissing(f"{address.host} redirects ({answer.status}), but does not say where to.")
        try:
            return follow(address, location, self.settings.ports)
        except UrlRefused as error:
            raise UrlRefused(url, f"it leads to {shown(location)}, and {error.reason}") from error

    def _page(self, address: WebAddress, answer: Answer, redirects: int) -> Page:
        if answer.status in (200, 203):
            if not answer.body.strip():
                raise PageMissing(f"{address.host} answers with nothing.")
            kind, charset = text_type(answer)
            return Page(address.url, kind, charset, answer.body, redirects, self._clock.now())
        self._check_status(address, answer)
        raise PageMissing(f"{address.host} answers {answer.status} for this page.")

    def _check_status(self, address: WebAddress, answer: Answer) -> None:
        """Raise SiteFails for what may be over later, and leave the host alone for as long as it asks."""
        if answer.status < 500 and answer.status not in _FOR_LATER:
            return
        failed = SiteFails(f"{address.host} answers {answer.status}.")
        failed.retry_after = self._retry_after(answer)
        if failed.retry_after:
            until = self._clock.monotonic() + failed.retry_after
            self._due[address.host] = max(self._due.get(address.host, until), until)
        raise failed

    def _retry_after(self, answer: Answer) -> float | None:
        value = answer.headers.get("retry-after", "").strip()
        try:
            left = (
                float(value)
                if value.isdecimal()
                else (parsedate_to_datetime(value) - self._clock.now()).total_seconds()
            )
        except (ValueError, TypeError, OverflowError):
            return None
        return max(0.0, min(RETRY_MOST, left))

    async def _ask_politely(self, address: WebAddress, budget: _Budget) -> Answer:
        limit = int(self.settings.megabytes * MEGABYTE)
        if not self.settings.robots:
            return await self._ask(address, budget, limit)
        if not await self._robots.allow(address, lambda robots: self._robots_text(robots, budget)):
            raise PageForbidden(f"The robots.txt of {address.host} asks programs to leave {shown(address.url)} alone.")
        return await self._ask(address, budget, limit)

    async def _robots_text(self, address: WebAddress, budget: _Budget) -> bytes | None:
        for redirects in range(REDIRECTS_MOST + 1):
            try:
                answer = await self._ask(address, budget, ROBOTS_LIMIT, is_cut=True)
                if answer.status not in _REDIRECTS:
                    break
                address = self._next(address.url, address, answer)
            except PageFailed:
                # That the host itself is not for us is told; rules that nobody can read are none.
                if not redirects:
                    raise
                return None
        else:
            return None
        self._check_status(address, answer)
        return answer.body if answer.status in (200, 203) else None

    async def _ask(self, address: WebAddress, budget: _Budget, limit: int, *, is_cut: bool = False) -> Answer:
        from daemons.clients.web_connection import within

        await self._turn(address)
        async with self._places:
            began = self._clock.monotonic()
            try:
                return await within(self._clock, budget.left, self._get(address, limit, is_cut))
            except TimeoutError:
                seconds = self.settings.seconds
                raise PageLate(f"{address.host} did not send the page within {seconds:g} seconds.") from None
            finally:
                budget.left = max(0.0, budget.left - (self._clock.monotonic() - began))

    async def _get(self, address: WebAddress, limit: int, is_cut: bool) -> Answer:
        import httpcore2

        from daemons.clients.web_connection import Names, Pinned, checked_addresses, exchange

        if self._resolve is None:
            self._names = Names()
            self._resolve = self._names.resolve
        is_own = address.host in self.settings.allow_private
        addresses = await checked_addresses(address, self._resolve, allow_private=is_own)
        if self._trust is None:
            self._trust = await asyncio.to_thread(httpcore2.default_ssl_context)
        pinned = Pinned(addresses, self._network or httpcore2.AnyIOBackend(), self._clock)
        headers = [("User-Agent", self.settings.user_agent), _ACCEPT]
        return await exchange(address, headers, pinned, self._trust, limit=limit, is_cut=is_cut)

    async def _turn(self, address: WebAddress) -> None:
        """Wait until the host may be asked again. Raises SiteFails when that is too long."""
        now = self._clock.monotonic()
        at = max(now, self._due.get(address.host, now))
        if at - now > PATIENCE:
            late = SiteFails(f"{address.host} is not asked for another {at - now:,.0f} seconds.", code="ERR_URL_BUSY")
            late.retry_after = at - now
            raise late
        if len(self._due) > _HOSTS_MOST:
            self._due = {host: due for host, due in self._due.items() if due > now}
        self._due[address.host] = at + max(self.settings.interval, self._robots.delay(address))
        if at > now:
            await self._clock.sleep(at - now)


def _where_to(address: WebAddress, error: UrlRefused) -> str:
    return f"it leads to {shown(address.url)}, and {error.reason}"
