"""The first steps on a new deck: an admin, something to do, and a daemon to watch. Each may be skipped."""

import asyncio
import os
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from daemons import describers
from daemons.access import Role
from daemons.errors import DaemonError, Invalid
from daemons.values import DaemonRow
from web.authentication import give_cookie
from web.context import origin_of, require, service, tell_target, templates, viewer
from web.pages.forms import Form, back_to
from web.parsing import read_form
from web.problems import status_of

DEMO = "demo"
DESCRIBERS_SHOWN = 5
STEPS = ("1", "2", "3")


async def show_welcome(request: Request) -> Response:
    require(request, Role.ADMIN)
    if not await service(request).access.first_run.is_open():
        return back_to(request, "/")
    step = request.query_params.get("step", "1")
    return _page(request, step if step in STEPS else "1")


async def add_admin(request: Request) -> Response:
    """Make the first admin, and let this browser go on as them."""
    form = await read_form(request, names=["name", "password"])
    name, password = form.get("name", ""), form.get("password", "")
    tell_target(request, name)
    access, before = service(request).access, viewer(request)
    try:
        await access.users.add(name, Role.ADMIN, password)
    except DaemonError as error:
        return _page(request, "1", problem=error, typed=name)
    answer = back_to(request, "/welcome?step=2")
    if before.is_session and before.id is not None:
        cookie = await access.sign_in_with_password(password, origin=origin_of(request.scope), name=name)
        give_cookie(answer, request.scope, cookie)
        await access.sign_out(before.id)
    return answer


async def describe_folder(request: Request) -> Response:
    """Start the daemon that describes the images of a folder; made now where there is none."""
    form = await read_form(request, names=["directory"])
    typed = form.get("directory", "").strip()
    try:
        directory = await asyncio.to_thread(_readable_folder, typed)
        rows = await service(request).roster.rows()
        known = describers.describer_of(rows, directory)
        name = known.name if known else describers.free_name(directory, [row.name for row in rows])
        tell_target(request, name)
        await _describe(request, known, name, directory)
    except DaemonError as error:
        return _page(request, "2", problem=error, typed=typed)
    return back_to(request, f"/welcome?step=3&already={name}" if known else "/welcome?step=3")


async def start_demo(request: Request) -> Response:
    tell_target(request, DEMO)
    await service(request).roster.start(DEMO)
    return back_to(request, "/welcome?step=3")


async def end_first_run(request: Request) -> Response:
    await service(request).access.first_run.end()
    return back_to(request, "/")


async def _describe(request: Request, known: DaemonRow | None, name: str, directory: Path) -> None:
    deck = service(request)
    if known is None:
        await deck.add_daemon(describers.TYPE, name, {"directory": str(directory)})
    elif not known.enabled:
        await deck.edit_daemon(name, enabled=True)
    await deck.roster.start(name, reason="first steps")


def _page(request: Request, step: str, *, problem: DaemonError | None = None, typed: str = "") -> Response:
    daemons = service(request).board.all()
    described = [one for one in daemons if one.row.type == describers.TYPE and one.row.configuration.get("directory")]
    return templates(request).page(
        "pages/welcome.html",
        status_of(problem) if problem else 200,
        viewer=viewer(request),
        step=step,
        demo=next((daemon for daemon in daemons if daemon.name == DEMO), None),
        described=described[:DESCRIBERS_SHOWN],
        already=request.query_params.get("already", ""),
        problem=problem,
        typed=typed,
    )


def _readable_folder(typed: str) -> Path:
    try:
        path = Path(typed).expanduser()
        is_good = path.is_absolute() and path.is_dir() and os.access(path, os.R_OK | os.X_OK)
    except (OSError, RuntimeError, ValueError):
        is_good = False
    if not is_good:
        raise Invalid(
            "There is no such folder on the machine where the deck runs, or it cannot be read there.",
            remedy="Give its whole path, such as /home/ana/Pictures or ~/Pictures.",
            code="ERR_NO_DIRECTORY",
        )
    return path.resolve()


FORMS = [
    Form("/welcome/admin", add_admin, "POST /api/users", Role.ADMIN),
    Form("/welcome/folder", describe_folder, "POST /api/daemons"),
    Form("/welcome/demo", start_demo, "POST /api/daemons/{name}/start"),
    Form("/welcome/end", end_first_run, None, Role.ADMIN),
]
ROUTES = [Route("/welcome", show_welcome), *(form.route() for form in FORMS)]
