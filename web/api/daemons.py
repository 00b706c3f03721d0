"""Calls about daemons: see them, command them, change them."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, StringConstraints, model_validator
from starlette.requests import Request
from starlette.responses import Response

from daemons.errors import DaemonError
from daemons.service import Service
from daemons.states import StopMode
from daemons.values import Daemon, DaemonRow
from web.api import shapes
from web.api.calls import Call
from web.api.paging import LIMIT_MOST, ListQuery, cursor_of, next_id, place_of
from web.context import service
from web.encoding import JsonResponse, Listing
from web.parsing import Body, Length, Moment, Query
from web.problems import problem

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
Configuration = dict[str, Any]


class NewDaemon(Body):
    """A new instance of a type."""

    type: str = Field(max_length=100)
    name: Name
    configuration: Configuration = Field(default_factory=dict)
    enabled: bool = True
    auto_start: bool = False


class DaemonChange(Body):
    """What to change; `configuration` replaces the old one."""

    enabled: bool | None = None
    auto_start: bool | None = None
    vital: bool | None = Field(None, description="Whether whoever stops it has to write its name.")
    configuration: Configuration | None = None
    configuration_revision: int | None = Field(None, description="The revision the change was made on.")


class Stop(Body):
    """How to stop."""

    mode: StopMode = StopMode.NOW
    confirm: str | None = Field(None, max_length=63, description="The name of the daemon, where it is vital.")


class Pause(Body):
    """How long to pause: for a time, until a time, or until resumed."""

    for_: Length | None = Field(None, alias="for", description="Seconds, or ISO 8601 (PT1H).")
    until: Moment | None = None
    reason: str | None = Field(None, max_length=500)
    confirm: str | None = Field(None, max_length=63, description="The name of the daemon, where it is vital.")

    @model_validator(mode="after")
    def _one_end(self) -> "Pause":
        if self.for_ is not None and self.until is not None:
            raise ValueError("give `for` or `until`, not both")
        return self

    def end(self, now: datetime) -> datetime | None:
        try:
            return self.until if self.for_ is None else now + self.for_
        except OverflowError:
            return None


class HistoryQuery(Query):
    """Which changes to show."""

    before: int | None = Field(None, ge=0, lt=2**63)
    limit: int = Field(50, ge=1, le=LIMIT_MOST)


async def list_daemons(request: Request, query: ListQuery) -> Response:
    after = place_of(query.cursor) if query.cursor else ""
    daemons = [daemon for daemon in service(request).board.all() if daemon.name > after]
    page = daemons[: query.limit]
    return Listing(
        [daemon.as_dict() for daemon in page], cursor_of(page[-1].name) if len(daemons) > len(page) else None
    )


async def get_daemon(request: Request) -> Response:
    return JsonResponse(_daemon(request).as_dict())


async def add_daemon(request: Request, body: NewDaemon) -> Response:
    row = await service(request).add_daemon(
        body.type, body.name, body.configuration, enabled=body.enabled, auto_start=body.auto_start
    )
    return _shown(request, row, 201, {"Location": f"{request.scope['path']}/{row.name}"})


async def remove_daemon(request: Request) -> Response:
    await service(request).roster.remove(_daemon(request).name)
    return Response(status_code=204)


async def change_daemon(request: Request, body: DaemonChange) -> Response:
    row = await service(request).edit_daemon(
        _daemon(request).name,
        enabled=body.enabled,
        auto_start=body.auto_start,
        vital=body.vital,
        configuration=body.configuration,
        configuration_revision=body.configuration_revision,
    )
    return _shown(request, row, 200)


# Commands: durable when they are answered; what comes of them is told by the events socket.


async def start(request: Request) -> Response:
    return _shown(request, await service(request).roster.start(_daemon(request).name))


async def stop(request: Request, body: Stop) -> Response:
    row = await service(request).roster.stop(_daemon(request).name, body.mode, confirm=body.confirm)
    return _shown(request, row)


async def restart(request: Request, body: Stop) -> Response:
    row = await service(request).roster.restart(_daemon(request).name, body.mode, confirm=body.confirm)
    return _shown(request, row)


async def pause(request: Request, body: Pause) -> Response:
    until = body.end(service(request).clock.now())
    name = _daemon(request).name
    return _shown(request, await service(request).roster.pause(name, until, reason=body.reason, confirm=body.confirm))


async def resume(request: Request) -> Response:
    return _shown(request, await service(request).roster.resume(_daemon(request).name))


async def wake(request: Request) -> Response:
    return _shown(request, await service(request).roster.wake(_daemon(request).name))


async def reset(request: Request) -> Response:
    return _shown(request, await service(request).roster.reset(_daemon(request).name))


async def start_all(request: Request) -> Response:
    return await _each(service(request), service(request).roster.start)


async def stop_all(request: Request, body: Stop) -> Response:
    return await _each(service(request), lambda name: service(request).roster.stop(name, body.mode))


async def restart_all(request: Request, body: Stop) -> Response:
    return await _each(service(request), lambda name: service(request).roster.restart(name, body.mode))


async def pause_all(request: Request, body: Pause) -> Response:
    until = body.end(service(request).clock.now())
    return await _each(service(request), lambda name: service(request).roster.pause(name, until, reason=body.reason))


async def resume_all(request: Request) -> Response:
    return await _each(service(request), service(request).roster.resume)


async def get_history(request: Request, query: HistoryQuery) -> Response:
    entries = await service(request).journal.history(_daemon(request).id, before=query.before, limit=query.limit)
    newest_first = [entry.as_dict() for entry in reversed(entries)]
    return Listing(newest_first, next_id(entries, query.limit, forward=False))


async def get_stack(request: Request) -> Response:
    return JsonResponse(service(request).supervisor.stack(_daemon(request).name).as_dict())


def _daemon(request: Request) -> Daemon:
    return service(request).board.get(request.path_params["name"])


def _shown(request: Request, row: DaemonRow, status: int = 202, headers: dict[str, str] | None = None) -> Response:
    return JsonResponse(service(request).board.get(row.id).as_dict(), status, headers)


async def command_each(deck: Service, command: Callable[[str], Awaitable[DaemonRow]]) -> list[dict[str, Any]]:
    """Command every enabled daemon; return what came of it for each. A vital one is left out with its error."""

    async def one(name: str) -> dict[str, Any]:
        state = deck.board.get(name).state
        error: dict[str, Any] | None = None
        try:
            state = (await command(name)).state
        except DaemonError as refused:
            error = problem(refused)
        return {"name": name, "state": state.value, "error": error}

    names = [daemon.name for daemon in deck.board.all() if daemon.row.enabled]
    # Together, so that they are committed together.
    return await asyncio.gather(*map(one, names))


async def _each(deck: Service, command: Callable[[str], Awaitable[DaemonRow]]) -> Response:
    return JsonResponse({"items": await command_each(deck, command)}, 202)


async def preview_stop(request: Request) -> Response:
    touched = await service(request).jobs.touched_by_stop(_daemon(request).id)
    cancelled = {"now": touched.cancelled, "drain": 0, "cancel_jobs": touched.kept + touched.cancelled}
    total = touched.kept + touched.cancelled
    return JsonResponse(
        {
            "vital": _daemon(request).row.vital,
            "modes": {mode: {"cancels": n, "keeps": total - n} for mode, n in cancelled.items()},
            "jobs": [job.as_dict() for job in touched.jobs],
        }
    )


class FateShape(shapes.Shape):
    """How many unfinished jobs a way to stop cancels, and how many go on."""

    cancels: int
    keeps: int


class StopPreviewShape(shapes.Shape):
    """What stopping a daemon would touch, by mode; `jobs` are the newest of its unfinished jobs."""

    vital: bool
    modes: dict[StopMode, FateShape]
    jobs: list[shapes.JobShape]


_ONE = "/api/daemons/{name}"
_SHAPE = shapes.DaemonShape
CALLS = [
    Call("GET", "/api/daemons", list_daemons, "All daemons, by name.", shapes.DaemonPage, command="daemondeck status"),
    Call(
        "POST",
        "/api/daemons",
        add_daemon,
        "Add an instance of a type.",
        _SHAPE,
        201,
        command="daemondeck daemon add {type} {name}",
    ),
    Call(
        "POST",
        "/api/daemons/start-all",
        start_all,
        "Start every enabled daemon.",
        shapes.CommandedPage,
        202,
        command="daemondeck start --all",
    ),
    Call(
        "POST",
        "/api/daemons/stop-all",
        stop_all,
        "Stop every enabled daemon.",
        shapes.CommandedPage,
        202,
        command="daemondeck stop --all",
    ),
    Call(
        "POST",
        "/api/daemons/restart-all",
        restart_all,
        "Restart every enabled daemon.",
        shapes.CommandedPage,
        202,
        command="daemondeck restart --all",
    ),
    Call(
        "POST",
        "/api/daemons/pause-all",
        pause_all,
        "Pause every enabled daemon.",
        shapes.CommandedPage,
        202,
        command="daemondeck pause --all",
    ),
    Call(
        "POST",
        "/api/daemons/resume-all",
        resume_all,
        "End every pause.",
        shapes.CommandedPage,
        202,
        command="daemondeck resume --all",
    ),
    Call("GET", _ONE, get_daemon, "One daemon, by name or id.", _SHAPE, command="daemondeck status {name}"),
    Call(
        "PATCH",
        _ONE,
        change_daemon,
        "Change what a daemon may do and how it is configured.",
        _SHAPE,
        command="daemondeck config set {name} {option}={value}",
    ),
    Call("DELETE", _ONE, remove_daemon, "Remove a stopped instance.", None, 204, command="daemondeck daemon rm {name}"),
    Call(
        "POST",
        _ONE + "/start",
        start,
        "Ask for a run; on a failed daemon also a reset.",
        _SHAPE,
        202,
        command="daemondeck start {name}",
    ),
    Call("POST", _ONE + "/stop", stop, "Ask for no run.", _SHAPE, 202, command="daemondeck stop {name}"),
    Call(
        "POST",
        _ONE + "/restart",
        restart,
        "Ask for a new run in place of this one.",
        _SHAPE,
        202,
        command="daemondeck restart {name}",
    ),
    Call("POST", _ONE + "/pause", pause, "Ask for no run for a while.", _SHAPE, 202, command="daemondeck pause {name}"),
    Call("POST", _ONE + "/resume", resume, "End a pause.", _SHAPE, 202, command="daemondeck resume {name}"),
    Call(
        "POST", _ONE + "/wake", wake, "Have a sleeping daemon look now.", _SHAPE, 202, command="daemondeck wake {name}"
    ),
    Call("POST", _ONE + "/reset", reset, "Forget a failure.", _SHAPE, 202, command="daemondeck reset {name}"),
    Call(
        "GET",
        _ONE + "/stop-preview",
        preview_stop,
        "What stopping it would touch, by mode.",
        StopPreviewShape,
        command="daemondeck stop {name} --dry-run",
    ),
    Call(
        "GET",
        _ONE + "/history",
        get_history,
        "What was asked of it and what became of it.",
        shapes.HistoryPage,
        command="daemondeck history {name}",
    ),
    Call(
        "GET",
        _ONE + "/stack",
        get_stack,
        "The line of code where it stands now.",
        shapes.StackShape,
        command="daemondeck stack {name}",
    ),
]
