"""One request to one site, over a connection to the very address that was checked.

name ─▶ all its addresses, once ─▶ each checked ─▶ connect to one of these ─▶ TLS by the name ─▶ read within limits

Between the check and the connection nobody asks for the name again, so a resolver that changes its answer changes
nothing.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import httpcore2

from daemons.clients.causes import cause_of, reason_of, tls_words
from daemons.clients.web_addresses import WebAddress, refusal
from daemons.clients.web_bodies import Answer, Unpacking, check_type, too_large
from daemons.clients.web_errors import NoSuchHost, PageAway, PageFailed, PageTooLarge, SiteFails, UrlRefused
from daemons.clock import Clock
from daemons.text import clean

CONNECT_SECONDS = 8.0
"""For one of a host's addresses, before the next one is tried."""
ADDRESSES_TRIED = 4
HEADERS_TOO_LARGE = 431

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a name. Raises socket.gaierror."""
T = TypeVar("T")


class Names:
    """Asks the system for the addresses of names, in threads of its own: one that hangs holds up no other work."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="names")

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _addresses_of, host, port)
        return list(dict.fromkeys(str(one[4][0]) for one in found))

    def close(self) -> None:
        """Ask nobody any more. Who is being asked is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _addresses_of(host: str, port: int) -> Sequence[tuple[Any, ...]]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


async def within(clock: Clock, seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """Return what `work` returns. Raises TimeoutError when it takes longer than `seconds`; it has ended then."""
    task = asyncio.ensure_future(work)
    try:
        if await clock.settle({task}, seconds):
            raise TimeoutError
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
            # What it ended with instead of its cancellation is nobody's any more.
            if not task.cancelled():
                task.exception()
    return task.result()


async def checked_addresses(address: WebAddress, resolve: Resolve, *, allow_private: bool) -> Sequence[str]:
    """Return every address of the host. Raises UrlRefused when one of them is not for us, NoSuchHost or PageAway."""
    is_literal = ":" in address.host or address.host.rpartition(".")[2].isdecimal()
    try:
        found = [address.host] if is_literal else await resolve(address.host, address.port)
    except socket.gaierror as error:
        if error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)):
            raise NoSuchHost(f"There is no host {address.host}.") from error
        raise PageAway(f"The name {address.host} cannot be looked up now: {error.strerror}.") from error
    except (OSError, UnicodeError) as error:
        raise PageAway(f"The name {address.host} cannot be looked up now: {reason_of(error)}.") from error
    if not found:
        raise NoSuchHost(f"There is no host {address.host}.")
    for one in found:
        if (why := refusal(one, allow_private=allow_private)) is not None:
            raise UrlRefused(address.url, why if is_literal else f"{address.host} is {why}")
    return found


class Pinned(httpcore2.AsyncNetworkBackend):
    """Connects to the addresses it was made with, whatever host it is asked for."""

    def __init__(self, addresses: Sequence[str], network: httpcore2.AsyncNetworkBackend, clock: Clock) -> None:
        self._addresses = addresses[:ADDRESSES_TRIED]
        self._network = network
        self._clock = clock

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        failed: Exception = httpcore2.ConnectError("no address")
        for address in self._addresses:
            try:
                return await within(self._clock, CONNECT_SECONDS, self._network.connect_tcp(address, port))
            except TimeoutError:
                failed = httpcore2.ConnectError(f"no connection within {CONNECT_SECONDS:g} seconds")
            except httpcore2.ConnectError as error:
                failed = error
        raise failed


async def exchange(
    address: WebAddress,
    headers: Sequence[tuple[str, str]],
    network: httpcore2.AsyncNetworkBackend,
    trust: ssl.SSLContext,
    *,
    limit: int,
    is_cut: bool,
) -> Answer:
    """Return what the site answers to a GET. Raises PageFailed or PageAway.

    `is_cut`: of a body of more than `limit` bytes the beginning is returned, and of any type.
    """
    given = [("Host", address.authority), *headers, ("Accept-Encoding", "gzip, deflate"), ("Connection", "close")]
    url = httpcore2.URL(
        scheme=address.scheme.encode(),
        host=address.host.encode(),
        port=address.port,
        target=address.target.encode(),
    )
    with _translated(address):
        async with (
            httpcore2.AsyncConnectionPool(trust, max_connections=1, network_backend=network) as connections,
            connections.stream("GET", url, headers=given) as response,
        ):
            said = _headers(response.headers)
            body = bytearray()
            # Of a redirect or a complaint nobody reads the body.
            if response.status in (200, 203):
                body = await _body(response, said, limit, is_cut=is_cut)
            return Answer(response.status, said, bytes(body))


async def _body(response: httpcore2.Response, said: dict[str, str], limit: int, *, is_cut: bool) -> bytearray:
    if not is_cut:
        check_type(said)
        length = said.get("content-length", "")
        if length.isdecimal() and int(length[:20]) > limit:
            raise too_large(limit)
    unpacking = Unpacking(said.get("content-encoding", ""), limit, is_cut=is_cut)
    async for bit in response.aiter_stream():
        if not unpacking.take(bit):
            break
    return unpacking.body


def _headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in raw:
        # Where a site sends a URL it sends UTF-8, if not ASCII.
        found.setdefault(name.decode("latin-1").lower(), value.decode("utf-8", "replace"))
    return found


@contextmanager
def _translated(address: WebAddress) -> Iterator[None]:
    try:
        yield
    except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.UnsupportedProtocol) as error:
        if tls := cause_of(error, ssl.SSLError):
            raise PageFailed(
                f"{address.host} cannot be trusted: {clean(tls_words(tls), 200)}.", code="ERR_URL_TLS"
            ) from error
        if isinstance(error, httpcore2.ConnectError):
            raise PageAway(f"{address.host} cannot be reached: {clean(reason_of(error), 200)}.") from error
        inner = cause_of(error, httpcore2.RemoteProtocolError)
        if inner is not None and "too long" in str(inner):
            raise PageTooLarge(f"{address.host} answers with more headers than anybody needs.") from error
        raise SiteFails(f"{address.host} broke off: {clean(str(error) or type(error).__name__, 200)}.") from error
