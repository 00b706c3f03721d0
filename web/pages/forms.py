"""What the forms of all pages share."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from web.context import templates


def back_to(request: Request, path: str) -> Response:
    """Answer a form: the browser reads `path`, and reloading it repeats nothing."""
    return RedirectResponse(templates(request).url(path), 303)


def own_page(path: str) -> str:
    """Return `path` if it is a page of this deck, else the first page: a link must not lead elsewhere after sign-in."""
    is_own = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if is_own else "/"
