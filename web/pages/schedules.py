"""The pages of schedules, and their buttons."""

import json
import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from daemons.clock import local_zone
from daemons.errors import DaemonError, Invalid
from daemons.schedules import Action, Missed, Schedule, StaleSchedule
from daemons.timetable import Kind
from web.context import service, templates, viewer
from web.pages.forms import Form, back_to
from web.parsing import parse_json, read_form
from web.problems import status_of

TIMES_SHOWN = 10
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
RUNS_SHOWN = 50
_FIELDS = ("kind", "expression", "zone", "action", "job_type", "args", "daemon_name", "pause", "missed")
_EMPTY = {"name": "", "kind": "cron", "expression": "", "action": "create_job", "args": "{}", "missed": "once"}


async def show_schedules(request: Request) -> Response:
    schedules = service(request).schedules
    return templates(request).page(
        "pages/schedules.html",
        viewer=viewer(request),
        schedules=await schedules.list(),
        last_runs=await schedules.last_runs(),
        zone=local_zone(),
    )


async def show_new(request: Request) -> Response:
    return _form_page(request, {**_EMPTY, "zone": local_zone(), "job_type": "", "daemon_name": ""})


async def show_schedule(request: Request) -> Response:
    schedule = await service(request).schedules.get(request.path_params["name"])
    return await _schedule_page(request, schedule, _typed(schedule))


async def add(request: Request) -> Response:
    form = await read_form(request, names=["name", *_FIELDS])
    try:
        made = await service(request).scheduler.add(_name(form.get("name", "")), {**_values(form), "enabled": True})
    except DaemonError as error:
        return _form_page(request, form, error)
    return back_to(request, f"/schedules/{made.name}")


async def edit(request: Request) -> Response:
    form = await read_form(request, names=["revision", *_FIELDS])
    schedule = await service(request).schedules.get(request.path_params["name"])
    try:
        revision = int(form["revision"]) if form.get("revision", "").isdecimal() else None
        await service(request).scheduler.edit(schedule.name, _values(form), revision=revision)
    except DaemonError as error:
        # Somebody else's change is shown above; what was typed here stays to be saved over it.
        schedule = await service(request).schedules.get(schedule.name)
        return await _schedule_page(request, schedule, form, error)
    return back_to(request, f"/schedules/{schedule.name}")


async def remove(request: Request) -> Response:
    await service(request).schedules.remove(request.path_params["name"])
    return back_to(request, "/schedules")


async def run(request: Request) -> Response:
    await service(request).scheduler.run_now(request.path_params["name"])
    return back_to(request, f"/schedules/{request.path_params['name']}")


async def switch(request: Request) -> Response:
    form = await read_form(request, names=["enabled"])
    await service(request).scheduler.edit(request.path_params["name"], {"enabled": form.get("enabled") == "yes"})
    return back_to(request, "/schedules")


def _values(form: Mapping[str, str]) -> dict[str, Any]:
    """Read a posted form. Raises Invalid naming what is wrong."""
    for name, known in (("kind", Kind), ("action", Action), ("missed", Missed)):
        if form.get(name) not in list(known):
            raise Invalid(f"{name} has to be one of {', '.join(known)}.")
    for name in ("expression", "zone"):
        if not 0 < len(form.get(name, "")) <= 200:
            raise Invalid(f"{name} is missing, or too long.")
    if len(form.get("pause", "")) > 20:
        raise Invalid("pause is too long: 8h, or 07:00.")
    try:
        args = parse_json((form.get("args") or "{}").encode())
    except Invalid as error:
        raise Invalid(f"The arguments are not JSON: {error.message}") from error
    empty_is_none = {name: form.get(name) or None for name in ("job_type", "daemon_name", "pause")}
    named = {name: form[name] for name in ("kind", "expression", "zone", "action", "missed")}
    return {**named, **empty_is_none, "args": args}


def _name(name: str) -> str:
    if not _NAME.fullmatch(name) or name == "new":
        raise Invalid("A schedule's name begins with a small letter and has at most 63 of a-z, 0-9, _ and -.")
    return name


def _typed(schedule: Schedule) -> dict[str, str]:
    typed = {name: getattr(schedule, name) or "" for name in _FIELDS}
    return {**typed, "args": json.dumps(schedule.args if schedule.args is not None else {}, ensure_ascii=False)}


def _choices(request: Request) -> dict[str, Any]:
    deck = service(request)
    return {
        "job_types": sorted(deck.registry.jobs),
        "daemons": [daemon.name for daemon in deck.board.all()],
        "zone": local_zone(),
    }


def _form_page(request: Request, typed: Mapping[str, str], error: DaemonError | None = None) -> Response:
    return templates(request).page(
        "pages/new_schedule.html",
        status_of(error) if error else 200,
        viewer=viewer(request),
        typed={**_EMPTY, "zone": "", "job_type": "", "daemon_name": "", "pause": "", **typed},
        problem=error,
        **_choices(request),
    )


async def _schedule_page(
    request: Request, schedule: Schedule, typed: Mapping[str, str], error: DaemonError | None = None
) -> Response:
    deck = service(request)
    times = schedule.timetable.next(deck.clock.now(), TIMES_SHOWN) if schedule.enabled else []
    return templates(request).page(
        "pages/schedule.html",
        status_of(error) if error else 200,
        viewer=viewer(request),
        schedule=schedule,
        times=times,
        runs=await deck.schedules.runs(schedule.id, limit=RUNS_SHOWN),
        typed={"pause": "", **typed},
        problem=error,
        is_stale=isinstance(error, StaleSchedule),
        **_choices(request),
    )


_ONE = "/schedules/{name}"
FORMS = [
    Form("/schedules", add, "POST /api/schedules"),
    Form(_ONE, edit, "PATCH /api/schedules/{name}"),
    Form(_ONE + "/remove", remove, "DELETE /api/schedules/{name}"),
    Form(_ONE + "/run", run, "POST /api/schedules/{name}/run"),
    Form(_ONE + "/switch", switch, "PATCH /api/schedules/{name}"),
]
ROUTES = [
    Route("/schedules", show_schedules),
    Route("/schedules/new", show_new),
    Route(_ONE, show_schedule),
    *(form.route() for form in FORMS),
]
