"""Signing in and out. The link in a terminal is a GET, so it only shows a button: previews must not spend it."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from daemons.access import Role, SignInRefused
from daemons.errors import Invalid
from daemons.passwords import TooManyTries
from web.authentication import cookie_name, give_cookie, take_cookie
from web.context import origin_of, service, templates, viewer
from web.pages.forms import Form, back_to, own_page
from web.parsing import read_form
from web.problems import status_of


async def show_signin(request: Request) -> Response:
    return await _page(request, code=request.query_params.get("code"), next=request.query_params.get("next", ""))


async def sign_in(request: Request) -> Response:
    form = await read_form(request, names=["code", "name", "password", "next"])
    access, origin = service(request).access, origin_of(request.scope)
    try:
        if "code" in form:
            cookie = await access.sign_in_with_code(form["code"], origin=origin)
        elif "password" in form:
            cookie = await access.sign_in_with_password(form["password"], origin=origin, name=form.get("name", ""))
        else:
            raise Invalid("Sign in with a link or with the password.")
    except (SignInRefused, TooManyTries) as error:
        return await _refused(request, error, form.get("next", ""), form.get("name", ""))
    answer = back_to(request, await _first_page(request, cookie, own_page(form.get("next") or "/")))
    give_cookie(answer, request.scope, cookie)
    return answer


async def sign_out(request: Request) -> Response:
    identity = viewer(request)
    if identity.is_session and identity.id is not None:
        await service(request).access.sign_out(identity.id)
    answer = back_to(request, "/signin")
    take_cookie(answer, request.scope)
    return answer


async def _first_page(request: Request, cookie: str, wanted: str) -> str:
    """Return the page to begin with: the first steps, for the first admin who comes to a new deck."""
    access = service(request).access
    identity = await access.session(cookie)
    is_admin = identity is not None and identity.role is Role.ADMIN
    return "/welcome" if wanted == "/" and is_admin and await access.first_run.is_open() else wanted


async def _refused(request: Request, error: SignInRefused | TooManyTries, next: str, name: str) -> Response:
    problem = f"{error.message} {error.remedy or ''}".strip()
    answer = await _page(request, problem=problem, next=next, name=name, status=status_of(error))
    if isinstance(error, TooManyTries):
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer


async def _page(
    request: Request,
    *,
    code: str | None = None,
    problem: str | None = None,
    next: str = "",
    name: str = "",
    status: int = 200,
) -> Response:
    access = service(request).access
    cookie = request.cookies.get(cookie_name(request.scope))
    return templates(request).page(
        "pages/signin.html",
        status,
        viewer=None,
        code=code,
        mode=access.mode,
        password_login=await access.takes_password(),
        ended_at=await access.ended_at(cookie) if cookie else None,
        problem=problem,
        name=name[:100],
        next=own_page(next) if next else "",
    )


FORMS = [
    Form("/signin", sign_in, None, needs=Role.VIEWER),
    Form("/signout", sign_out, None, needs=Role.VIEWER),
]
ROUTES = [Route("/signin", show_signin), *(form.route() for form in FORMS)]
