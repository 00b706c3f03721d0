"""Every error's status on the wire, and its shape: JSON below /api, a page elsewhere. Never a traceback."""

import http
from contextlib import suppress
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from daemons.access import SignInRefused
from daemons.errors import (
    Conflict,
    DaemonError,
    Denied,
    Invalid,
    LeaseLost,
    NotFound,
    StorageFull,
    Superseded,
    Unavailable,
)
from daemons.passwords import TooManyTries
from web.context import context_of, is_api, origin_of, own_path, templates_for, viewer_of
from web.encoding import JsonResponse
from web.headers import HEADERS

log = structlog.get_logger("daemondeck.web")


class NotSignedIn(Denied):
    """You are not signed in."""

    code = "ERR_NOT_SIGNED_IN"
    remedy = "Open the sign-in link that `daemondeck serve` printed, or send the header Authorization: Bearer TOKEN."


class ForeignHost(Denied):
    """This deck is not known under that host name."""

    code = "ERR_FOREIGN_HOST"


class ForeignOrigin(Denied):
    """The request comes from another site."""

    code = "ERR_FOREIGN_ORIGIN"
    remedy = "Programs send a bearer token and no Origin; browsers use the deck's own pages."


class TokenInAddress(Denied):
    """A secret does not belong into an address."""

    code = "ERR_TOKEN_IN_ADDRESS"
    remedy = "Send it as the header Authorization: Bearer TOKEN, and make a new one: this one may be in logs now."


class WrongType(Invalid):
    """The body has to be JSON."""

    code = "ERR_CONTENT_TYPE"
    remedy = "Send it with the header Content-Type: application/json."


class TooLarge(Invalid):
    """The body is larger than 1 MiB."""

    code = "ERR_BODY_TOO_LARGE"


class TooSlow(Invalid):
    """The body did not arrive within 30 seconds."""

    code = "ERR_BODY_TOO_SLOW"


#: The first class that fits decides; subclasses stand before their parents.
STATUSES: tuple[tuple[type[DaemonError], int], ...] = (
    (NotSignedIn, 401),
    (ForeignHost, 421),
    (SignInRefused, 401),
    (Denied, 403),
    (TooSlow, 408),
    (TooLarge, 413),
    (WrongType, 415),
    (Invalid, 422),
    (NotFound, 404),
    (Conflict, 409),
    (Superseded, 409),
    (LeaseLost, 409),
    (TooManyTries, 429),
    (StorageFull, 507),
    (Unavailable, 503),
)
#: Codes that stand for another status than their class.
CODES = {"ERR_KEY_REUSED": 422}
RETRY_SECONDS = 5


def status_of(error: DaemonError) -> int:
    """Return the HTTP status that tells what kind of error this is."""
    if error.error_code in CODES:
        return CODES[error.error_code]
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 500)


def problem(error: DaemonError) -> dict[str, Any]:
    """Return `error` as the API shows it."""
    shown: dict[str, Any] = {"code": error.error_code, "message": error.message, "remedy": error.remedy}
    # A stale edit names both revisions.
    for name in ("expected", "actual"):
        if hasattr(error, name):
            shown[name] = getattr(error, name)
    return shown


async def answer_error(connection: HTTPConnection, error: Exception) -> Response:
    """Turn an error of ours into an answer."""
    assert isinstance(error, DaemonError)
    if isinstance(error, ForeignHost | ForeignOrigin):
        await _record_stranger(connection.scope, error)
    status = status_of(error)
    headers = {}
    if isinstance(error, NotSignedIn):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, TooManyTries | Unavailable):
        headers["Retry-After"] = str(getattr(error, "retry_after", RETRY_SECONDS))
    return _answer(connection.scope, status, problem(error), headers)


async def _record_stranger(scope: Scope, error: DaemonError) -> None:
    # What the database cannot keep now is no reason to let a stranger in, or to answer otherwise.
    with suppress(DaemonError):
        what = "foreign host" if isinstance(error, ForeignHost) else "foreign page"
        await context_of(scope).service.access.record_stranger(origin_of(scope), what, own_path(scope))


async def answer_http_error(connection: HTTPConnection, error: Exception) -> Response:
    """Turn what the router refuses (404, 405) into an answer of the same shape."""
    assert isinstance(error, HTTPException)
    phrase = http.HTTPStatus(error.status_code).phrase
    shown = {
        "code": "ERR_" + phrase.upper().replace(" ", "_"),
        "message": f"{phrase}: {error.detail}" if error.detail != phrase else f"{phrase}.",
        "remedy": "GET /api/openapi.json lists every call." if is_api(connection.scope) else None,
    }
    return _answer(connection.scope, error.status_code, shown, dict(error.headers or {}))


def _answer(scope: Scope, status: int, shown: dict[str, Any], headers: dict[str, str]) -> Response:
    if scope["type"] == "websocket":
        # The refusal of a handshake does not pass the door that dresses answers: sockets send too much for that.
        return JsonResponse({"error": shown}, status, headers={**HEADERS, **headers})
    if is_api(scope):
        return JsonResponse({"error": shown}, status, headers=headers)
    page = templates_for(scope).page("pages/error.html", status, viewer=viewer_of(scope), status=status, error=shown)
    page.headers.update(headers)
    return page


class Failures:
    """Answers what went wrong anywhere below: our errors by their kind, anything else as a bare 500."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            # Not between a socket and its many frames: what is refused there, is refused before it is accepted.
            await self._app(scope, receive, watched if scope["type"] == "http" else send)
        except DaemonError as error:
            if started:
                raise
            await _deliver(await answer_error(HTTPConnection(scope), error), scope, receive, send)
        except Exception as error:
            log.exception("A request failed.", method=scope.get("method"), path=scope["path"])
            if started or scope["type"] == "websocket":
                raise
            internal = DaemonError("Something went wrong inside; the log has the details.")
            internal.__cause__ = error
            await _deliver(await answer_error(Request(scope), internal), scope, receive, send)


async def _deliver(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Send an answer; to a socket that was not accepted it is the refusal of the handshake."""
    if scope["type"] == "http":
        return await response(scope, receive, send)
    if "websocket.http.response" not in scope.get("extensions", {}) or response.status_code in (403, 421):
        return await send({"type": "websocket.close", "code": 1008})
    return await response(scope, receive, send)
