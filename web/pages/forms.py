"""What the forms of all pages share."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from daemons.access import Role
from web.actions import action_of
from web.context import ACTION, own_path, require, templates, viewer


@dataclass(frozen=True)
class Form:
    """A button for people: what it posts to, and the call of the API that does the same for programs."""

    path: str
    handler: Callable[[Request], Awaitable[Response]]
    call: str | None
    """Method and path, such as "POST /api/daemons/{name}/start"; None where a program has no use for it."""
    needs: Role = Role.OPERATOR

    def route(self) -> Route:
        """Return the route that serves the form."""

        async def endpoint(request: Request) -> Response:
            request.scope[ACTION] = action_of(self.call or f"POST {self.path}")
            require(request, self.needs)
            return await self.handler(request)

        return Route(self.path, endpoint, methods=["POST"], name=f"POST {self.path}")


def back_to(request: Request, path: str) -> Response:
    """Answer a form: the browser reads `path`, and reloading it repeats nothing."""
    return RedirectResponse(templates(request).url(path), 303)


def ask_first(
    request: Request, section: str, title: str, sentence: str, button: str | None, *, back: tuple[str, str]
) -> Response:
    """Say what would come of a button before it is pressed, on its own path; None: it cannot be pressed now."""
    return templates(request).page(
        "pages/confirm.html",
        viewer=viewer(request),
        section=section,
        title=title,
        sentence=sentence,
        button=button,
        action=own_path(request.scope),
        back=back,
    )


def own_page(path: str) -> str:
    """Return `path` if it is a page of this deck, else the first page: a link must not lead elsewhere after sign-in."""
    is_own = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if is_own else "/"
