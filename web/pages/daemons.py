"""Pages about daemons, and their buttons."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, time, timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from daemons.errors import Invalid, UnknownName
from daemons.roster import Roster
from daemons.states import StopMode
from daemons.values import DaemonRow
from web.context import service, templates, viewer
from web.pages.forms import Form, back_to
from web.parsing import read_form

PAUSE_MINUTES = range(1, 10_081)


async def show_daemons(request: Request) -> Response:
    deck = service(request)
    return templates(request).page(
        "pages/daemons.html",
        viewer=viewer(request),
        tally=deck.tallies.now.as_dict(),
        questions=deck.questions.open_count,
        daemons=deck.board.all(),
        activity=[happening.as_dict() for happening in deck.activity.newest],
        broken=deck.registry.broken,
    )


async def show_stop(request: Request) -> Response:
    """What stopping would touch, and the ways to do it."""
    deck = service(request)
    daemon = deck.board.get(request.path_params["name"])
    touched = await deck.jobs.touched_by_stop(daemon.id)
    return templates(request).page(
        "pages/stop_daemon.html",
        viewer=viewer(request),
        daemon=daemon,
        jobs=touched.jobs,
        kept=touched.kept,
        cancelled=touched.cancelled,
    )


async def _start(request: Request, roster: Roster, name: str) -> DaemonRow:
    return await roster.start(name)


async def _stop(request: Request, roster: Roster, name: str) -> DaemonRow:
    form = await read_form(request, names=["mode", "confirm"])
    return await roster.stop(name, stop_mode(form), confirm=form.get("confirm"))


async def _restart(request: Request, roster: Roster, name: str) -> DaemonRow:
    form = await read_form(request, names=["mode", "confirm"])
    return await roster.restart(name, stop_mode(form), confirm=form.get("confirm"))


async def _pause(request: Request, roster: Roster, name: str) -> DaemonRow:
    form = await read_form(request, names=["minutes", "until", "reason", "confirm"])
    until = pause_end(form, service(request).clock.now())
    return await roster.pause(name, until, reason=form.get("reason") or None, confirm=form.get("confirm"))


async def _resume(request: Request, roster: Roster, name: str) -> DaemonRow:
    return await roster.resume(name)


async def _wake(request: Request, roster: Roster, name: str) -> DaemonRow:
    return await roster.wake(name)


async def _reset(request: Request, roster: Roster, name: str) -> DaemonRow:
    return await roster.reset(name)


def stop_mode(form: Mapping[str, str]) -> StopMode:
    """Return the mode that a form names, `now` for none. Raises UnknownName."""
    mode = form.get("mode", StopMode.NOW)
    if mode not in list(StopMode):
        raise UnknownName(f"There is no way to stop called {mode[:50]}; there are {', '.join(StopMode)}.")
    return StopMode(mode)


def pause_end(form: Mapping[str, str], now: datetime) -> datetime:
    """Return when a pause ends: at the next HH:MM of the deck's own clock, or after so many minutes. Raises Invalid."""
    if form.get("until"):
        try:
            wanted = time.fromisoformat(form["until"])
        except ValueError:
            raise Invalid("Say until when to pause as HH:MM.") from None
        local = now.astimezone()
        end = local.replace(hour=wanted.hour, minute=wanted.minute, second=0, microsecond=0)
        return end if end > local else end + timedelta(days=1)
    minutes = form.get("minutes", "")
    if not (minutes.isascii() and minutes.isdecimal() and int(minutes[:6]) in PAUSE_MINUTES):
        raise Invalid("Say for how many minutes to pause: 1 to 10080, which is a week.")
    return now + timedelta(minutes=int(minutes))


Command = Callable[[Request, Roster, str], Awaitable[DaemonRow]]
_COMMANDS: dict[str, Command] = {
    "start": _start,
    "stop": _stop,
    "restart": _restart,
    "pause": _pause,
    "resume": _resume,
    "wake": _wake,
    "reset": _reset,
}


def _button(command: Command) -> Callable[[Request], Awaitable[Response]]:
    async def press(request: Request) -> Response:
        deck = service(request)
        row = await command(request, deck.roster, deck.board.get(request.path_params["name"]).name)
        return back_to(request, f"/daemons#d-{row.id}")

    return press


FORMS = [
    Form(f"/daemons/{{name}}/{name}", _button(command), f"POST /api/daemons/{{name}}/{name}")
    for name, command in _COMMANDS.items()
]
ROUTES = [
    Route("/", show_daemons),
    Route("/daemons", show_daemons),
    Route("/daemons/{name}/stop", show_stop),
    *(form.route() for form in FORMS),
]
