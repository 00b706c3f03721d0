"""Doors in front of the router: headers, sizes, paths, hosts, origins. Sign-in is authentication.py.

A deck on 127.0.0.1 is reached by every page its owner's browser visits, so none of them may be left out there.
"""

import asyncio
import ipaddress
import re
from collections.abc import Callable, Sequence

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from daemons.errors import NotFound
from web.headers import HEADERS
from web.problems import ForeignHost, ForeignOrigin, TokenInAddress, TooLarge, TooSlow

Door = Callable[[Scope], None]

BODY_BYTES = 1024 * 1024
BODY_SECONDS = 30.0
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
_WILDCARDS = frozenset({"0.0.0.0", "[::]"})  # noqa: S104 - refused, not bound
_HOST = re.compile(r"(?P<name>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?")
_SECRET_PARAMETER = re.compile(
    rb"(?:^|&)(?P<name>(?:access[-_]?|auth[-_]?|bearer[-_]?)?token|api[-_]?key|authorization|password)=", re.IGNORECASE
)
# A slash, backslash, NUL or percent sign that hides behind an escape.
_HIDDEN = re.compile(rb"%(?:2f|5c|00|25)|\\", re.IGNORECASE)


def is_secure(scope: Scope) -> bool:
    """Whether the request came over TLS, here or at a trusted proxy."""
    return scope["scheme"] in ("https", "wss")


class SafeHeaders:
    """Puts the security headers on every answer, whoever made it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    # An answer may ask for more than the policy of all; browsers then heed both.
                    own = headers.get(name) if name == "Content-Security-Policy" else None
                    headers[name] = f"{own}, {value}" if own else value
                headers.setdefault("Cache-Control", "no-store")
                if is_secure(scope):
                    headers["Strict-Transport-Security"] = "max-age=31536000"
            await send(message)

        return await self._app(scope, receive, dressed)


class Doors:
    """Asks one door after the other; each lets a request pass or raises why not.

    They are one middleware, not one each: what stands around an open socket is kept for as long as it is open.
    """

    def __init__(self, app: ASGIApp, doors: Sequence[Door]) -> None:
        self._app = app
        self._doors = doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            for door in self._doors:
                door(scope)
        return await self._app(scope, receive, send)


class PlainPaths:
    """Refuses paths that mean another path than they show, and takes the base path off.

    A proxy may strip the base path or leave it on: both arrive as `root_path` and a full `path`.
    """

    def __init__(self, base_path: str) -> None:
        self._base = base_path.rstrip("/")

    def __call__(self, scope: Scope) -> None:
        path: str = scope["path"]
        segments = path.split("/")[1:]
        crooked = any(segment in (".", "..") for segment in segments) or "" in segments[:-1]
        if crooked or not path.isprintable() or _HIDDEN.search(scope.get("raw_path") or b""):
            raise NotFound("There is nothing behind that path.", code="ERR_PATH")
        if self._base:
            is_full = path == self._base or path.startswith(self._base + "/")
            scope["path"] = self._base + "/" if path == self._base else path if is_full else self._base + path
            scope["root_path"] = self._base


class KnownHosts:
    """Refuses requests for host names that are not ours: how a foreign page reaches us by rebinding DNS.

    Ours are the loopback names, the address the connection came to and the one we bind, each with our port, and
    `allowed_hosts`, exactly as written; one written without a port stands for no port and for ours.
    """

    def __init__(self, bind_host: str, allowed_hosts: Sequence[str]) -> None:
        # Browsers reach 0.0.0.0 too, as a name of its own that nobody was told.
        self._ours = _LOOPBACK | ({_bracketed(bind_host.lower())} - _WILDCARDS)
        self._allowed = frozenset(host.lower() for host in allowed_hosts)

    def __call__(self, scope: Scope) -> None:
        given = Headers(scope=scope).getlist("host")
        if len(given) != 1 or not self._is_known(given[0].lower(), scope):
            shown = given[0] if given and given[0].isprintable() else "that name"
            raise ForeignHost(
                f"This deck does not answer to {shown[:100]}.",
                remedy="Use the address that `daemondeck serve` prints, or add this one to allowed_hosts.",
            )

    def _is_known(self, host: str, scope: Scope) -> bool:
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        address, our_port = scope.get("server") or ("", None)
        name, port = match["name"], match["port"]
        asked = int(port) if port else (443 if is_secure(scope) else 80)
        if asked == our_port and (name in self._ours or (_is_address(address) and name == _bracketed(address))):
            return True
        return host in self._allowed or (name in self._allowed and (port is None or asked == our_port))


def same_origin(scope: Scope) -> None:
    """Refuse what another site's page sends: everything but safe methods, and sockets before they are accepted.

    Browsers say where a request comes from in Sec-Fetch-Site (over TLS and to loopback) and Origin. What says
    neither is no browser, and then only a bearer token, which no page can make a browser send, may stand for it.
    """
    if scope["type"] == "http" and scope["method"] in SAFE_METHODS:
        return
    if ticket_of(scope) is not None:
        # No page gets one by its visitor's cookie, so whoever shows one is meant to come in; see authentication.py.
        return
    headers = Headers(scope=scope)
    site = headers.get("sec-fetch-site")
    if site not in (None, "same-origin", "none"):
        raise ForeignOrigin()
    origin = headers.get("origin")
    if origin is None:
        if site != "same-origin" and not headers.get("authorization", "").lower().startswith("bearer "):
            raise ForeignOrigin("The request does not say which page it comes from.")
        return
    if origin == "null" and site == "same-origin" and scope["type"] == "http":
        # A form below a no-referrer policy; Sec-Fetch-Site cannot be set by a page.
        return
    scheme = "https" if is_secure(scope) else "http"
    if origin.lower() != f"{scheme}://{headers['host'].lower()}":
        raise ForeignOrigin()


def ticket_of(scope: Scope) -> str | None:
    """Return the ticket by which a socket of events wants in; nothing else takes any."""
    if scope["type"] != "websocket" or not scope["path"].endswith("/api/events"):
        return None
    return QueryParams(scope["query_string"]).get("ticket")


def no_tokens_in_addresses(scope: Scope) -> None:
    """Refuse addresses that hold a secret: they are kept in histories, logs and proxies. Raises TokenInAddress."""
    if found := _SECRET_PARAMETER.search(scope["query_string"]):
        raise TokenInAddress(
            f"A secret does not belong into an address, and there is one in {found['name'].decode('ascii')}.",
        )


class SmallBodies:
    """Refuses bodies of more than BODY_BYTES, by what they announce and by what arrives, and those that never end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdecimal() and int(announced) > BODY_BYTES:
            raise TooLarge()
        received = 0

        deadline = asyncio.get_running_loop().time() + BODY_SECONDS
        is_whole = False

        async def counted() -> Message:
            nonlocal received, is_whole
            try:
                async with asyncio.timeout_at(None if is_whole else deadline):
                    message = await receive()
            except TimeoutError as error:
                raise TooSlow() from error
            is_whole = not message.get("more_body", False)
            received += len(message.get("body", b""))
            if received > BODY_BYTES:
                raise TooLarge()
            return message

        return await self._app(scope, counted, send)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
