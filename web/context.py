"""What every request carries: the service, the page's tools, and who asks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import Scope

from daemons.access import Identity, Role
from daemons.errors import Denied
from daemons.service import Service
from web.live import Hub
from web.look import Look
from web.signals import Signals
from web.templating import Templates

ACTION, TARGET = "daemondeck.action", "daemondeck.target"
"""Keys in the scope under which the record finds what is done, and to what."""


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of the application, made once."""

    service: Service
    templates: Templates
    hub: Hub
    document: Callable[[], dict[str, Any]]  #: the OpenAPI document; drawing it takes a while, once
    signals: Signals


def context_of(scope: Scope) -> Context:
    context = scope["app"].state.context
    assert isinstance(context, Context)
    return context


def service(connection: HTTPConnection) -> Service:
    """Return the service behind this request."""
    return context_of(connection.scope).service


def templates(connection: HTTPConnection) -> Templates:
    """Return what draws pages, as this viewer wants them to look."""
    return templates_for(connection.scope)


def templates_for(scope: Scope) -> Templates:
    """Return what draws pages, as the viewer behind `scope` wants them to look."""
    return context_of(scope).templates.looking(look_of(scope))


def look_of(scope: Scope) -> Look:
    """Return how who asks wants pages to look, and which page it is."""
    query = scope["query_string"].decode("latin-1")
    return Look.read(HTTPConnection(scope).cookies, own_path(scope) + ("?" + query if query else ""))


def viewer_of(scope: Scope) -> Identity | None:
    """Return who asks, None on the few paths that are open to anyone and before it is known."""
    identity: Identity | None = scope.get("daemondeck.identity")
    return identity


def viewer(connection: HTTPConnection) -> Identity:
    """Return who asks, on a path where only known people get."""
    identity = viewer_of(connection.scope)
    assert identity is not None
    return identity


def require(connection: HTTPConnection, role: Role) -> None:
    """Raise Denied unless who asks is at least a `role`; on the few open paths nobody is asked."""
    identity = viewer_of(connection.scope)
    if identity is None or identity.role.rank >= role.rank:
        return
    if role is Role.ADMIN:
        raise Denied("Only an admin may do that.", code="ERR_NOT_ADMIN")
    raise Denied("You may look, but not change anything.", code="ERR_VIEWER")


def tell_target(connection: HTTPConnection, target: str) -> None:
    """Have the record name `target` where the path does not."""
    connection.scope[TARGET] = target


def origin_of(scope: Scope) -> str:
    """Return the address the request comes from."""
    client = scope.get("client")
    return str(client[0]) if client else "local"


def own_path(scope: Scope) -> str:
    """Return the path below the base path."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")) or "/"


def is_api(scope: Scope) -> bool:
    """Whether the answer has to be JSON."""
    path = own_path(scope)
    return path == "/api" or path.startswith("/api/") or path in ("/healthz", "/readyz", "/metrics")


def own_address(scope: Scope) -> str:
    """Return the address under which this request reached us, base path included; its host was checked."""
    scheme = "https" if scope["scheme"] in ("https", "wss") else "http"
    return f"{scheme}://{Headers(scope=scope)['host']}{scope.get('root_path', '')}"
