"""Commands for all daemons at once: what they touch is shown before, and those that are vital are left out."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from daemons.states import Desired
from daemons.values import Daemon, DaemonRow
from web.api.daemons import command_each
from web.context import service, templates, viewer
from web.marks import daemon_accepts
from web.pages.daemons import pause_end, stop_mode
from web.pages.forms import Form, back_to
from web.parsing import read_form


def _ask_before(command: str) -> Callable[[Request], Awaitable[Response]]:
    async def show(request: Request) -> Response:
        touched = [daemon for daemon in service(request).board.all() if _touches(command, daemon)]
        return templates(request).page(
            "pages/command_all.html",
            viewer=viewer(request),
            command=command,
            touched=[daemon for daemon in touched if not daemon.row.vital],
            vital=[daemon for daemon in touched if daemon.row.vital],
        )

    return show


def _touches(command: str, daemon: Daemon) -> bool:
    if command == "restart":
        return daemon.row.enabled
    return daemon.row.enabled and daemon_accepts(daemon, command) and daemon.row.desired is not Desired.OFF


async def start_all(request: Request) -> Response:
    return await _all(request, service(request).roster.start)


async def resume_all(request: Request) -> Response:
    return await _all(request, service(request).roster.resume)


async def stop_all(request: Request) -> Response:
    mode = stop_mode(await read_form(request, names=["mode"]))
    return await _all(request, lambda name: service(request).roster.stop(name, mode))


async def restart_all(request: Request) -> Response:
    mode = stop_mode(await read_form(request, names=["mode"]))
    return await _all(request, lambda name: service(request).roster.restart(name, mode))


async def pause_all(request: Request) -> Response:
    form = await read_form(request, names=["minutes", "until", "reason"])
    until = pause_end(form, service(request).clock.now())
    return await _all(
        request, lambda name: service(request).roster.pause(name, until, reason=form.get("reason") or None)
    )


async def _all(request: Request, command: Callable[[str], Awaitable[DaemonRow]]) -> Response:
    await command_each(service(request), command)
    return back_to(request, "/daemons")


_COMMANDS = {"start": start_all, "stop": stop_all, "restart": restart_all, "pause": pause_all, "resume": resume_all}
FORMS = [Form(f"/{name}-all", handler, f"POST /api/daemons/{name}-all") for name, handler in _COMMANDS.items()]
ROUTES = [
    *(Route(f"/{name}-all", _ask_before(name)) for name in ("stop", "restart", "pause")),
    *(form.route() for form in FORMS),
]
