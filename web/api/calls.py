"""A call of the API, declared once: it parses what its handler takes, and the schema is drawn from the same words.

A handler is `async def handler(request, query: SomeQuery, body: SomeBody) -> Response`, either or both left out.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, get_type_hints

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from daemons.access import Role
from web.actions import action_of
from web.context import ACTION, require, tell_target
from web.parsing import Body, NoBody, NoQuery, Query, check_kind, read_body, read_query
from web.security import SAFE_METHODS

Handler = Callable[..., Awaitable[Response]]
TEXT = {"type": "string"}
"""The schema of a file that is no JSON."""


@dataclass(frozen=True)
class Call:
    """One method on one path, what it does in a sentence, and what it answers."""

    method: str
    path: str
    handler: Handler
    summary: str
    answer: type[BaseModel] | None = None
    status: int = 200
    also: Mapping[int, type[BaseModel]] = field(default_factory=dict)
    """What it answers under another status, which is no refusal."""
    files: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    """The kinds of file it answers with, and the schema of each, where that is no model."""
    takes: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    """The kinds of file it takes as its body, which the handler reads, and the schema of each."""
    headers: Sequence[dict[str, Any]] = ()
    """Request headers it heeds, as the schema describes parameters."""
    command: str | None = None
    """The command line that does the same, such as "daemondeck start {name}"; None where none makes sense."""
    needs: Role | None = None
    """Who may call it, at least; unless said, everybody may look and operators may change."""

    @property
    def role(self) -> Role:
        return self.needs or (Role.VIEWER if self.method in SAFE_METHODS else Role.OPERATOR)

    @property
    def query(self) -> type[Query]:
        return self._taken(Query, NoQuery)

    @property
    def body(self) -> type[Body] | None:
        """The model of the body; None for safe methods, which have none, and where it is a file."""
        return None if self.method in SAFE_METHODS or self.takes else self._taken(Body, NoBody)

    @cached_property
    def _hints(self) -> dict[str, Any]:
        return get_type_hints(self.handler)

    def _taken(self, kind: type[Any], otherwise: type[Any]) -> type[Any]:
        hints = self._hints.values()
        return next((hint for hint in hints if isinstance(hint, type) and issubclass(hint, kind)), otherwise)

    def route(self) -> Route:
        """Return the route that serves the call."""
        query, body = self.query, self.body
        names = {hint: name for name, hint in self._hints.items()}

        async def endpoint(request: Request) -> Response:
            request.scope[ACTION] = action_of(f"{self.method} {self.path}")
            require(request, self.role)
            # Read also where nothing is taken: an unknown name is refused everywhere.
            asked: dict[type[BaseModel], BaseModel] = {query: read_query(request, query)}
            if self.takes:
                check_kind(request, self.takes)
            if body is not None:
                asked[body] = taken = await read_body(request, body)
                if isinstance(name := getattr(taken, "name", None), str):
                    tell_target(request, name)
            return await self.handler(request, **{names[kind]: value for kind, value in asked.items() if kind in names})

        return Route(self.path, endpoint, methods=[self.method], name=f"{self.method} {self.path}")
