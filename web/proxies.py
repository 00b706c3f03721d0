"""Proxies in front of the deck: whom they speak for, believed only of those that the settings trust."""

from collections.abc import Sequence
from typing import Any, cast

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

FROM_PROXY = "daemondeck.from_proxy"
"""Key in the scope that is true where a trusted proxy sent the request."""


class Proxies:
    """Notes who connected, then takes the client's address and scheme from the headers of a trusted proxy.

    It has to be the outermost: behind it, the address is the one that the proxy tells.
    """

    def __init__(self, app: ASGIApp, trusted: Sequence[str]) -> None:
        self._inner = app
        self._forwarded = ProxyHeadersMiddleware(cast(Any, app), list(trusted))
        self._is_behind_any = bool(trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or not self._is_behind_any:
            return await self._inner(scope, receive, send)
        client = scope.get("client")
        scope[FROM_PROXY] = client is not None and client[0] in self._forwarded.trusted_hosts
        return await cast(ASGIApp, self._forwarded)(scope, receive, send)


class Voucher:
    """Reads from a trusted proxy's headers who signed in there."""

    def __init__(self, user_header: str, groups_header: str) -> None:
        self._user_header = user_header
        self._groups_header = groups_header

    def read(self, scope: Scope) -> tuple[str, list[str]] | None:
        """Return the user's name and groups, None where no trusted proxy names exactly one."""
        if not scope.get(FROM_PROXY):
            return None
        headers = Headers(scope=scope)
        names = headers.getlist(self._user_header)
        # Two headers of that name: one of them may be the visitor's own.
        if len(names) != 1 or not names[0].strip():
            return None
        return names[0], [group for line in headers.getlist(self._groups_header) for group in line.split(",")]
