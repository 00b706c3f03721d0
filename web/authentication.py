"""Who asks: a bearer token, a session's cookie, or nobody; and whether they may."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import structlog
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from daemons.access import ANYONE, SESSION_LIFE, Access, Identity
from daemons.errors import DaemonError, Denied
from web.context import ACTION, TARGET, is_api, origin_of, own_path
from web.listener import SESSION_ENDED
from web.problems import NotSignedIn
from web.proxies import Voucher
from web.security import SAFE_METHODS, is_secure, no_tokens_in_addresses, ticket_of

OPEN_PATHS = frozenset({"/signin", "/healthz", "/readyz"})
_OWN_AFFAIRS = frozenset({"/signin", "/signout", "/appearance"})

log = structlog.get_logger("daemondeck.web")


class Authentication:
    """Lets known people pass, records what they change, and sends the others to the sign-in page."""

    def __init__(self, app: ASGIApp, access: Access, voucher: Voucher) -> None:
        self._app = app
        self._access = access
        self._voucher = voucher

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        path = own_path(scope)
        if path.startswith("/static/"):
            return await self._app(scope, receive, send)
        await self._refuse_tokens_in(scope)
        scope["daemondeck.identity"] = identity = await self._identify(HTTPConnection(scope))
        if scope["type"] == "websocket":
            return await self._socket(identity, scope, receive, send)
        if path in OPEN_PATHS:
            return await self._app(scope, receive, send)
        if identity is None:
            return await self._turn_away(scope, receive, send)
        if scope["method"] in SAFE_METHODS:
            return await self._app(scope, receive, send)
        return await self._command(identity, scope, receive, send)

    async def _identify(self, connection: HTTPConnection) -> Identity | None:
        if (ticket := ticket_of(connection.scope)) is not None:
            # A ticket stands alone: with a cookie beside it, any page could take its visitor along.
            return await self._access.spend_ticket(ticket)
        if self._access.is_open:
            return ANYONE
        kind, _, token = connection.headers.get("authorization", "").partition(" ")
        if kind:
            # A bad token is not helped by a good cookie.
            return await self._access.bearer(token.strip()) if kind.lower() == "bearer" else None
        vouched = self._voucher.read(connection.scope) if self._access.mode == "proxy" else None
        if vouched is not None:
            return await self._access.vouched(*vouched)
        cookie = connection.cookies.get(cookie_name(connection.scope))
        return await self._access.session(cookie) if cookie else None

    async def _refuse_tokens_in(self, scope: Scope) -> None:
        try:
            no_tokens_in_addresses(scope)
        except DaemonError:
            with self._unrecorded(scope):
                await self._access.record_stranger(origin_of(scope), "secret in an address", own_path(scope))
            raise

    async def _socket(self, identity: Identity | None, scope: Scope, receive: Receive, send: Send) -> None:
        if identity is not None:
            return await self._app(scope, receive, send)
        if "authorization" in HTTPConnection(scope).headers or ticket_of(scope) is not None:
            raise NotSignedIn()
        # A refused handshake reads as 1006 in a browser, which would try for ever: accept, then say why.
        await receive()
        await send({"type": "websocket.accept"})
        return await send({"type": "websocket.close", "code": SESSION_ENDED, "reason": "Sign in again."})

    async def _turn_away(self, scope: Scope, receive: Receive, send: Send) -> None:
        if is_api(scope) or scope["method"] not in SAFE_METHODS:
            with self._unrecorded(scope):
                await self._access.record_stranger(origin_of(scope), scope["method"], own_path(scope))
            raise NotSignedIn()
        query = scope["query_string"].decode("latin-1")
        wanted = quote(own_path(scope) + ("?" + query if query else ""), safe="")
        return await RedirectResponse(f"{scope.get('root_path', '')}/signin?next={wanted}", 303)(scope, receive, send)

    async def _command(self, identity: Identity, scope: Scope, receive: Receive, send: Send) -> None:
        status = 0

        async def heard(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            if not identity.may_command and not _is_own_affair(own_path(scope)):
                raise Denied("You may look, but not change anything.", code="ERR_VIEWER")
            await self._app(scope, receive, heard)
        finally:
            with self._unrecorded(scope):
                await self._access.record(identity.name, origin_of(scope), *_deed(scope), _outcome(status))

    @contextmanager
    def _unrecorded(self, scope: Scope) -> Iterator[None]:
        # Whoever asked is answered all the same.
        try:
            yield
        except DaemonError as error:
            log.warning("A command could not be recorded.", path=scope["path"], error=error.message)


def _is_own_affair(path: str) -> bool:
    return path in _OWN_AFFAIRS or path.startswith(("/api/me/", "/me/", "/api/events/ticket"))


def _deed(scope: Scope) -> tuple[str, str]:
    """Return what was done and to what; the path stands for both where no call was reached."""
    action = scope.get(ACTION)
    if action is None:
        return scope["method"], own_path(scope)
    named = scope.get(TARGET) or "/".join(str(value) for value in scope.get("path_params", {}).values())
    return action, named


def _outcome(status: int) -> str:
    if status == 0:
        return "refused"
    if status < 400:
        return "done"
    return f"{'refused' if status < 500 else 'failed'} {status}"


def cookie_name(scope: Scope) -> str:
    """Return the cookie's name: browsers share cookies between the ports of a host, so the port is part of it."""
    _, port = scope.get("server") or ("", 0)
    return f"{'__Host-' if is_secure(scope) else ''}daemondeck_{port}"


def give_cookie(response: Response, scope: Scope, cookie: str) -> None:
    """Have the browser keep the session."""
    response.set_cookie(
        cookie_name(scope),
        cookie,
        max_age=int(SESSION_LIFE.total_seconds()),
        path="/",
        secure=is_secure(scope),
        httponly=True,
        # Strict would show the sign-in page to who follows a link from elsewhere; no GET changes anything.
        samesite="lax",
    )


def take_cookie(response: Response, scope: Scope) -> None:
    """Have the browser forget the session."""
    response.delete_cookie(cookie_name(scope), path="/", secure=is_secure(scope), httponly=True, samesite="lax")
