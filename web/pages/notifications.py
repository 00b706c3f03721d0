"""The pages of notifications, and their buttons."""

import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from daemons.access import Role
from daemons.clock import local_zone
from daemons.errors import DaemonError, Invalid, NotFound
from daemons.notices import StaleTarget, Topic
from web.context import service, templates, viewer
from web.pages.forms import Form, ask_first, back_to
from web.parsing import read_form
from web.problems import status_of
from web.words import _

SHOWN = 50
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_TOPICS = [f"topic.{topic}" for topic in Topic]
_RULES = ["quiet_from", "quiet_until", "errors_at_once", "zone", *_TOPICS]


async def show_notifications(request: Request) -> Response:
    return await _page(request, {}, None)


async def add(request: Request) -> Response:
    form = await read_form(request, names=["name", "kind", "url", "secret", *_RULES])
    try:
        if not _NAME.fullmatch(form.get("name", "")):
            raise Invalid("A target's name begins with a small letter and has at most 63 of a-z, 0-9, _ and -.")
        where = {"kind": form.get("kind", ""), "url": form.get("url", "")[:2000], "secret": form.get("secret") or None}
        await service(request).notifier.add(form["name"], {**where, **_rules(form), "enabled": True})
    except DaemonError as error:
        return await _page(request, {**form, "secret": ""}, error)
    return back_to(request, "/notifications")


async def show_target(request: Request) -> Response:
    target = await service(request).notices.target(request.path_params["name"])
    rules = {name: getattr(target, name) or "" for name in ("quiet_from", "quiet_until", "errors_at_once", "zone")}
    return await _target_page(request, {**rules, **{f"topic.{topic}": "yes" for topic in target.events}}, None)


async def edit(request: Request) -> Response:
    form = await read_form(request, names=["revision", "url", "secret", *_RULES])
    try:
        revision = int(form["revision"]) if form.get("revision", "").isdecimal() else None
        given = {name: form[name][:2000] for name in ("url", "secret") if form.get(name)}
        await service(request).notices.edit(request.path_params["name"], {**given, **_rules(form)}, revision=revision)
    except NotFound:
        raise
    except DaemonError as error:
        return await _target_page(request, form, error)
    return back_to(request, "/notifications")


async def show_removal(request: Request) -> Response:
    target = await service(request).notices.target(request.path_params["name"])
    what = _(
        "It is told nothing more, and its address is forgotten. "
        "What waits to be sent to it is dropped; what was sent stays in the list."
    )
    title, back = f"{_('Remove')} {target.name}", ("/notifications", _("Notifications"))
    return ask_first(request, "notifications", title, what, _("Remove"), back=back)


async def remove(request: Request) -> Response:
    await service(request).notices.remove(request.path_params["name"])
    return back_to(request, "/notifications")


async def switch(request: Request) -> Response:
    form = await read_form(request, names=["enabled"])
    await service(request).notices.edit(request.path_params["name"], {"enabled": form.get("enabled") == "yes"})
    return back_to(request, "/notifications")


async def test(request: Request) -> Response:
    await service(request).notifier.test(request.path_params["name"])
    return back_to(request, "/notifications#log")


def _rules(form: Mapping[str, str]) -> dict[str, Any]:
    quiet = {name: form.get(name) or None for name in ("quiet_from", "quiet_until")}
    events = [topic for topic in Topic if form.get(f"topic.{topic}")]
    return {**quiet, "errors_at_once": bool(form.get("errors_at_once")), "zone": form.get("zone", ""), "events": events}


async def _target_page(request: Request, typed: Mapping[str, Any], error: DaemonError | None) -> Response:
    target = await service(request).notices.target(request.path_params["name"])
    return templates(request).page(
        "pages/target.html",
        status_of(error) if error else 200,
        viewer=viewer(request),
        target=target.as_dict(),
        topics=list(Topic),
        typed=typed,
        problem=error,
        is_stale=isinstance(error, StaleTarget),
        zone=local_zone(),
    )


async def _page(request: Request, typed: dict[str, str], error: DaemonError | None) -> Response:
    notices = service(request).notices
    return templates(request).page(
        "pages/notifications.html",
        status_of(error) if error else 200,
        viewer=viewer(request),
        targets=[target.as_dict() for target in await notices.targets()],
        incidents=await service(request).incidents.open_ones(),
        deliveries=await notices.deliveries(limit=SHOWN),
        topics=list(Topic),
        typed=typed,
        problem=error,
        zone=local_zone(),
        after=service(request).settings.notify_after,
    )


_ONE = "/notifications/{name}"
FORMS = [
    Form("/notifications", add, "POST /api/notifications/targets", needs=Role.ADMIN),
    Form(_ONE, edit, "PATCH /api/notifications/targets/{name}", needs=Role.ADMIN),
    Form(_ONE + "/remove", remove, "DELETE /api/notifications/targets/{name}", needs=Role.ADMIN),
    Form(_ONE + "/switch", switch, "PATCH /api/notifications/targets/{name}", needs=Role.ADMIN),
    Form(_ONE + "/test", test, "POST /api/notifications/targets/{name}/test", needs=Role.ADMIN),
]
ROUTES = [
    Route("/notifications", show_notifications),
    Route(_ONE, show_target),
    Route(_ONE + "/remove", show_removal),
    *(form.route() for form in FORMS),
]
