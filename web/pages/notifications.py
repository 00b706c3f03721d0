"""The page of notifications, and its buttons."""

import re

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from daemons.access import Role
from daemons.clock import local_zone
from daemons.errors import DaemonError, Invalid
from daemons.notices import Topic
from web.context import service, templates, viewer
from web.pages.forms import Form, back_to
from web.parsing import read_form
from web.problems import status_of

SHOWN = 50
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_TOPICS = [f"topic.{topic}" for topic in Topic]


async def show_notifications(request: Request) -> Response:
    return await _page(request, {}, None)


async def add(request: Request) -> Response:
    names = ["name", "kind", "url", "secret", "quiet_from", "quiet_until", "zone", *_TOPICS]
    form = await read_form(request, names=names)
    try:
        if not _NAME.fullmatch(form.get("name", "")):
            raise Invalid("A target's name begins with a small letter and has at most 63 of a-z, 0-9, _ and -.")
        values = {name: form.get(name) or None for name in ("secret", "quiet_from", "quiet_until")}
        values |= {"kind": form.get("kind", ""), "url": form.get("url", "")[:2000], "zone": form.get("zone", "")}
        events = [topic for topic in Topic if form.get(f"topic.{topic}")]
        await service(request).notifier.add(form["name"], {**values, "events": events, "enabled": True})
    except DaemonError as error:
        return await _page(request, {**form, "secret": ""}, error)
    return back_to(request, "/notifications")


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


async def _page(request: Request, typed: dict[str, str], error: DaemonError | None) -> Response:
    notices = service(request).notices
    return templates(request).page(
        "pages/notifications.html",
        status_of(error) if error else 200,
        viewer=viewer(request),
        targets=[target.as_dict() for target in await notices.targets()],
        incidents=await notices.open_incidents(),
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
    Form(_ONE + "/remove", remove, "DELETE /api/notifications/targets/{name}", needs=Role.ADMIN),
    Form(_ONE + "/switch", switch, "PATCH /api/notifications/targets/{name}", needs=Role.ADMIN),
    Form(_ONE + "/test", test, "POST /api/notifications/targets/{name}/test", needs=Role.ADMIN),
]
ROUTES = [Route("/notifications", show_notifications), *(form.route() for form in FORMS)]
