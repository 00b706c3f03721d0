"""How pages look to who asks, and the page of everything that has no room in a phone's navigation."""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from daemons.access import Role
from daemons.errors import UnknownName
from web.context import look_of, templates, viewer
from web.look import COOKIE, THEMES
from web.pages.forms import Form, back_to, own_page
from web.parsing import read_form
from web.security import is_secure

_YEAR_SECONDS = 365 * 24 * 3600
_SWITCHES = {"on": True, "off": False}


async def show_more(request: Request) -> Response:
    return templates(request).page("pages/more.html", viewer=viewer(request))


async def set_appearance(request: Request) -> Response:
    form = await read_form(request, names=["theme", "keys", "next"])
    look = look_of(request.scope)
    theme, keys = form.get("theme", look.theme), form.get("keys", "on" if look.keys else "off")
    if theme not in THEMES or keys not in _SWITCHES:
        raise UnknownName(f"A theme is one of {', '.join(THEMES)}; keys are on or off.")
    answer = back_to(request, own_page(form.get("next", "/")))
    answer.set_cookie(
        COOKIE,
        replace(look, theme=theme, keys=_SWITCHES[keys]).cookie(),
        max_age=_YEAR_SECONDS,
        secure=is_secure(request.scope),
        httponly=True,
        samesite="lax",
    )
    return answer


FORMS = [Form("/appearance", set_appearance, None, needs=Role.VIEWER)]
ROUTES = [Route("/more", show_more), *(form.route() for form in FORMS)]
