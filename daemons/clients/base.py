"""The one way to other systems over HTTP: bounded in time and in size, and what is told of it holds no secret.

connect ─▶ wait for the head ─▶ read bit by bit        each with its limit, all of it with another
"""

import asyncio
import json
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from daemons.clients.causes import cause_of, reason_of, tls_words
from daemons.clients.errors import BadAnswer, ServerAway, ServerRefuses
from daemons.clock import Clock
from daemons.settings import MASK
from daemons.text import clean
from daemons.values import JsonValue

# A tenth of a second to import, which a deck without other systems need not spend.
if TYPE_CHECKING:
    import httpx2

LATE = "ERR_ANSWER_LATE"
MEBIBYTE = 1024 * 1024
RETRY_MOST = 3600.0
"""The longest wait in seconds that a server may ask for."""
SAID_CHARACTERS = 300
"""So much of what a server says is told to people."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds for connecting, between two bits of an answer, and in all; bytes of an answer."""

    total: float
    connect: float = 10.0
    silence: float = 60.0
    size: int = 4 * MEBIBYTE


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered, whatever it means."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float

    def retry_after(self, now: datetime) -> float | None:
        """Return the seconds, or those until the date, after which the server wants to be asked again."""
        value = self.headers.get("retry-after", "").strip()
        try:
            seconds = float(value) if value.isdecimal() else (parsedate_to_datetime(value) - now).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
        return max(0.0, min(RETRY_MOST, seconds))


class HttpClient:
    """Speaks to one server. Nothing is followed, retried or believed."""

    def __init__(
        self,
        name: str,
        url: str,
        clock: Clock,
        *,
        setting: str,
        secrets: Iterable[str] = (),
        tls: Callable[[], ssl.SSLContext] | None = None,
        certificate: str = "",
    ) -> None:
        self.name = name
        """What people call the server: the vision server."""
        self.url = url
        self._where = urlsplit(url).netloc
        self._clock = clock
        self._setting = setting
        self._tls = tls
        """Makes what servers are trusted by; None: the machine's certificates."""
        self._certificate = certificate
        """The setting that names a certificate to trust besides, where there is one."""
        # The longest first: one may begin with another.
        self._secrets = sorted((secret for secret in secrets if secret), key=len, reverse=True)
        self._client: httpx2.AsyncClient | None = None

    async def close(self) -> None:
        """Close every connection. The next request opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def told(self, text: str, limit: int = SAID_CHARACTERS) -> str:
        """Return what a server said as people may see it: in one line, short, its secrets masked."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return clean(" ".join(text[: 10 * limit].split()), limit)

    async def request(
        self,
        method: str,
        path: str,
        limits: Limits,
        *,
        body: JsonValue | bytes = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Return what the server answers below its address. Raises ServerAway, ServerRefuses or BadAnswer.

        A `body` of bytes is sent as it is, with the Content-Type that `headers` give it; any other as JSON.
        """
        timing = _Timing(self._clock, limits)
        exchange = asyncio.ensure_future(self._exchange(method, path, limits, timing, body, headers or {}))
        exchange.add_done_callback(lambda _: timing.moved.set())
        try:
            while not exchange.done():
                timing.moved.clear()
                if timing.left() <= 0:
                    raise self._late(timing, limits)
                await self._clock.wait(timing.moved, timing.left())
        finally:
            if not exchange.done():
                exchange.cancel()
                await asyncio.wait({exchange})
                _forget(exchange)
        return exchange.result()

    async def _exchange(
        self,
        method: str,
        path: str,
        limits: Limits,
        timing: "_Timing",
        body: JsonValue | bytes,
        headers: Mapping[str, str],
    ) -> Reply:
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        given = {"Accept": "application/json", "Accept-Encoding": "identity", **headers}
        if content is not None and not isinstance(body, bytes):
            given["Content-Type"] = "application/json"
        began, received = self._clock.monotonic(), bytearray()
        with self._translated():
            asking = self._opened().stream(
                method, self.url + path, content=content, headers=given, extensions={"trace": timing.trace}
            )
            async with asking as answer:
                self._check_head(answer)
                timing.reading()
                async for bit in answer.aiter_raw():
                    timing.reading()
                    received += bit
                    if len(received) > limits.size:
                        raise self._too_large(limits)
        return Reply(answer.status_code, answer.headers, bytes(received), self._clock.monotonic() - began)

    def _opened(self) -> "httpx2.AsyncClient":
        import httpx2

        if self._client is None:
            # Reading the machine's certificates holds the loop for a while; without TLS none is believed.
            has_tls = self.url.startswith("https:")
            trusted = self._tls() if has_tls and self._tls is not None else has_tls
            verify = trusted or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            # Time is the clock's, of which `request` takes care. Redirects and proxies could lead secrets elsewhere.
            self._client = httpx2.AsyncClient(verify=verify, timeout=None, follow_redirects=False, trust_env=False)
        return self._client

    def _check_head(self, answer: "httpx2.Response") -> None:
        if 300 <= answer.status_code < 400:
            raise ServerRefuses(
                f"{self.name} at {self._where} sends us elsewhere ({answer.status_code}), which is not followed.",
                remedy=f"Set {self._setting} to the address that answers itself.",
                code="ERR_SERVER_REDIRECTS",
            )
        # What is packed may unpack to any size; nobody was asked to pack.
        if answer.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
            raise BadAnswer(f"{self.name} packed its answer, although it was asked not to.", code="ERR_ANSWER_PACKED")

    def _too_large(self, limits: Limits) -> BadAnswer:
        most = f"{limits.size / MEBIBYTE:g} MiB"
        return BadAnswer(
            f"{self.name} answered with more than {most}; the rest was not read.", code="ERR_ANSWER_TOO_LARGE"
        )

    def _late(self, timing: "_Timing", limits: Limits) -> ServerAway | BadAnswer:
        if timing.is_connecting:
            return self._away(f"no connection within {limits.connect:g} seconds")
        if timing.is_over:
            return BadAnswer(f"{self.name} did not finish its answer within {limits.total:g} seconds.", code=LATE)
        return BadAnswer(
            f"{self.name} fell silent in the middle of its answer for {limits.silence:g} seconds.",
            code=LATE,
        )

    def _away(self, why: str) -> ServerAway:
        return ServerAway(
            f"{self.name} at {self._where} cannot be reached: {why}.",
            remedy=f"Start it, or correct {self._setting}; the work goes on by itself.",
        )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        import httpx2

        try:
            yield
        except (httpx2.ConnectError, httpx2.UnsupportedProtocol, httpx2.LocalProtocolError) as error:
            if certificate := cause_of(error, ssl.SSLError):
                remedy = f"Mend its certificate, or correct {self._setting}: http:// or https://."
                if self._certificate:
                    remedy += f" Where the server signed for itself, name its certificate in {self._certificate}."
                raise ServerRefuses(
                    f"{self.name} at {self._where} cannot be trusted: {self.told(tls_words(certificate))}.",
                    remedy=remedy,
                    code="ERR_SERVER_TLS",
                ) from error
            raise self._away(self.told(reason_of(error))) from error
        except httpx2.TransportError as error:
            raise BadAnswer(
                f"{self.name} broke off: {self.told(str(error) or type(error).__name__)}",
                code="ERR_ANSWER_BROKEN_OFF",
                may_pass=True,
            ) from error


def as_sentence(text: str) -> str:
    """Return `text` with a full stop, unless it ends as a sentence does."""
    return text if text.endswith((".", "!", "?", "…")) else text + "."


class _Timing:
    """How far an exchange is, and how long its present part may take."""

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self.moved = asyncio.Event()
        """Set when somebody who waits should look again."""
        self.is_connecting = True
        self._clock = clock
        self._silence = limits.silence
        now = clock.monotonic()
        self._end = now + limits.total
        self._due = min(self._end, now + limits.connect)

    @property
    def is_over(self) -> bool:
        """Whether the time for all of it has run out."""
        return self._clock.monotonic() >= self._end

    def left(self) -> float:
        """Return the seconds left for the present part."""
        return self._due - self._clock.monotonic()

    async def trace(self, event: str, details: Mapping[str, Any]) -> None:
        """Hear of the transport that it is connected, once it speaks HTTP."""
        if self.is_connecting and event.startswith("http"):
            self.is_connecting = False
            self._due = self._end

    def reading(self) -> None:
        """Note that a bit of the answer came."""
        due = min(self._end, self._clock.monotonic() + self._silence)
        if due < self._due:
            self.moved.set()
        self._due = due


def _forget(exchange: "asyncio.Future[Reply]") -> None:
    # What it ended with instead of its cancellation is nobody's any more, and nothing to log.
    if not exchange.cancelled():
        exchange.exception()
