"""The page of people, tokens and sessions: everybody's own account, and for admins everybody's."""

from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from daemons.access import Role
from daemons.errors import DaemonError, Invalid, NotFound, UnknownName
from web.context import origin_of, own_address, require, service, tell_target, templates, viewer
from web.pages.forms import Form, ask_first, back_to
from web.parsing import NoQuery, read_form, read_query
from web.problems import status_of
from web.words import N_, _

PAGE = "/people"
DAYS = range(1, 3651)


async def show_people(request: Request) -> Response:
    return await _page(request)


async def show_user(request: Request) -> Response:
    """Show what can be changed about one person."""
    require(request, Role.ADMIN)
    user = await service(request).access.users.get(request.path_params["name"])
    return templates(request).page("pages/person.html", viewer=viewer(request), user=user, roles=list(Role))


# One's own affairs.


async def change_own_password(request: Request) -> Response:
    form = await read_form(request, names=["old", "new"])
    access = service(request).access
    try:
        await access.change_own_password(
            viewer(request), form.get("old", ""), form.get("new", ""), origin=origin_of(request.scope)
        )
    except DaemonError as error:
        return await _page(request, problem=error)
    return await _page(request, done=N_("Your password is changed. Everywhere else you are signed out."))


async def end_own_session(request: Request) -> Response:
    await service(request).access.end_session(request.path_params["id"], identity=viewer(request))
    return back_to(request, PAGE)


async def end_other_sessions(request: Request) -> Response:
    await service(request).access.end_others(viewer(request))
    return back_to(request, PAGE)


# For admins.


async def add_user(request: Request) -> Response:
    form = await read_form(request, names=["name", "role", "password"])
    tell_target(request, form.get("name", ""))
    try:
        password = form.get("password") or None
        await service(request).access.users.add(form.get("name", ""), _role(form), password)
    except DaemonError as error:
        return await _page(request, problem=error, typed=form)
    return back_to(request, PAGE)


async def change_role(request: Request) -> Response:
    form = await read_form(request, names=["role"])
    await service(request).access.users.change_role(request.path_params["name"], _role(form))
    return back_to(request, PAGE)


async def set_password(request: Request) -> Response:
    form = await read_form(request, names=["password"])
    await service(request).access.users.set_password(request.path_params["name"], form.get("password", ""))
    return back_to(request, PAGE)


async def remove_user(request: Request) -> Response:
    await service(request).access.users.remove(request.path_params["name"])
    return back_to(request, PAGE)


async def add_token(request: Request) -> Response:
    form = await read_form(request, names=["name", "role", "days"])
    name = form.get("name", "")
    tell_target(request, name)
    try:
        secret, _ = await service(request).access.create_token(name, _role(form), _expiry(request, form))
    except DaemonError as error:
        return await _page(request, problem=error, typed=form)
    return await _page(request, secret=secret, secret_of=name)


async def show_revocation(request: Request) -> Response:
    """What comes of taking a token back."""
    require(request, Role.ADMIN)
    read_query(request, NoQuery)
    name = request.path_params["name"]
    if name not in {token.name for token in await service(request).access.tokens()}:
        raise NotFound(f"There is no token named {name[:100]}.")
    what = _("Programs that use it are refused from now on. It cannot be taken back; a new one has another secret.")
    return ask_first(request, "people", f"{_('Revoke')} {name}", what, _("Revoke"), back=(PAGE, _("People")))


async def revoke_token(request: Request) -> Response:
    await service(request).access.revoke_token(request.path_params["name"])
    return back_to(request, PAGE)


async def add_link(request: Request) -> Response:
    form = await read_form(request, names=["role"])
    code = await service(request).access.new_code(_role(form))
    return await _page(request, link=f"{own_address(request.scope)}/signin?code={code}")


async def end_session(request: Request) -> Response:
    await service(request).access.end_session(request.path_params["id"])
    return back_to(request, PAGE)


async def show_end_of_all(request: Request) -> Response:
    """What comes of signing everybody out."""
    require(request, Role.ADMIN)
    read_query(request, NoQuery)
    what = _("Every browser has to sign in again, yours too. Tokens of programs stay as they are.")
    return ask_first(
        request, "people", _("Sign everybody out"), what, _("Sign everybody out, me too"), back=(PAGE, _("People"))
    )


async def end_all_sessions(request: Request) -> Response:
    await service(request).access.sign_out_everywhere()
    return back_to(request, PAGE)


async def _page(
    request: Request, *, problem: DaemonError | None = None, typed: dict[str, str] | None = None, **shown: str
) -> Response:
    """Draw the page; what is shown once (a secret) or was refused stands on a page that does not change by itself."""
    access, identity = service(request).access, viewer(request)
    everybody: dict[str, Any] = {}
    if identity.role is Role.ADMIN:
        everybody = {
            "users": await access.users.list(),
            "tokens": await access.tokens(),
            "all_sessions": await access.sessions(),
        }
    return templates(request).page(
        "pages/people.html",
        status_of(problem) if problem else 200,
        viewer=identity,
        is_still=problem is not None or bool(shown),
        mode=access.mode,
        has_owner_password=access.has_owner_password,
        sessions=await access.sessions(identity),
        roles=list(Role),
        problem=problem,
        typed=typed or {},
        shown=shown,
        **everybody,
    )


def _role(form: dict[str, str]) -> Role:
    try:
        return Role(form.get("role", ""))
    except ValueError:
        raise UnknownName(f"There is no such role; there are {', '.join(Role)}.") from None


def _expiry(request: Request, form: dict[str, str]) -> datetime | None:
    days = form.get("days", "").strip()
    if not days:
        return None
    if not (days.isascii() and days.isdecimal() and len(days) < 5 and int(days) in DAYS):
        raise Invalid(f"A token is good for {DAYS[0]} to {DAYS[-1]} days, or without an end.")
    return service(request).clock.now() + timedelta(days=int(days))


_ANYBODY, _ADMIN = Role.VIEWER, Role.ADMIN
FORMS = [
    Form("/me/password", change_own_password, "POST /api/me/password", _ANYBODY),
    Form("/me/sessions/end-others", end_other_sessions, "POST /api/me/sessions/end-others", _ANYBODY),
    Form("/me/sessions/{id}/end", end_own_session, "DELETE /api/me/sessions/{id}", _ANYBODY),
    Form("/people/users/add", add_user, "POST /api/users", _ADMIN),
    Form("/people/users/{name}/role", change_role, "PATCH /api/users/{name}", _ADMIN),
    Form("/people/users/{name}/password", set_password, "POST /api/users/{name}/password", _ADMIN),
    Form("/people/users/{name}/remove", remove_user, "DELETE /api/users/{name}", _ADMIN),
    Form("/people/tokens/add", add_token, "POST /api/tokens", _ADMIN),
    Form("/people/tokens/{name}/revoke", revoke_token, "DELETE /api/tokens/{name}", _ADMIN),
    Form("/people/links/add", add_link, "POST /api/signin-links", _ADMIN),
    Form("/people/sessions/{id}/end", end_session, "DELETE /api/sessions/{id}", _ADMIN),
    Form("/people/sessions/end-all", end_all_sessions, "POST /api/sessions/end-all", _ADMIN),
]
ROUTES = [
    Route(PAGE, show_people),
    Route("/people/users/{name}", show_user),
    Route("/people/tokens/{name}/revoke", show_revocation),
    Route("/people/sessions/end-all", show_end_of_all),
    *(form.route() for form in FORMS),
]
