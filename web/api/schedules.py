"""Calls about schedules: when jobs are created, and daemons are woken, paused and resumed."""

from typing import Any

from pydantic import AwareDatetime, Field
from starlette.requests import Request
from starlette.responses import Response

from daemons.clock import local_zone
from daemons.schedules import Action, Missed, Schedule
from daemons.timetable import Kind, Timetable
from web.api import shapes
from web.api.calls import Call
from web.api.daemons import Name
from web.api.paging import LIMIT_MOST, next_id
from web.context import service
from web.encoding import JsonResponse, Listing
from web.parsing import Body, Query

PAUSE = "How long a pause is, 8h, or until which time of day, 07:00; without it, until the daemon is resumed."


class NewSchedule(Body):
    """When to do what."""

    name: Name
    kind: Kind = Kind.CRON
    expression: str = Field(max_length=200, description="Cron: 30 7 * * 1-5. Interval: 15m.")
    zone: str = Field(default_factory=local_zone, max_length=64, description="Such as Europe/Berlin.")
    action: Action = Action.CREATE_JOB
    job_type: str | None = Field(None, max_length=100)
    args: Any = None
    daemon_name: str | None = Field(None, max_length=63)
    pause: str | None = Field(None, max_length=20, description=PAUSE)
    missed: Missed = Field(Missed.ONCE, description="What becomes of times at which no deck ran.")
    enabled: bool = True


class ScheduleChange(Body):
    """What to change."""

    kind: Kind | None = None
    expression: str | None = Field(None, max_length=200)
    zone: str | None = Field(None, max_length=64)
    action: Action | None = None
    job_type: str | None = Field(None, max_length=100)
    args: Any = None
    daemon_name: str | None = Field(None, max_length=63)
    pause: str | None = Field(None, max_length=20, description=PAUSE)
    missed: Missed | None = None
    enabled: bool | None = None
    revision: int | None = Field(None, description="The revision the change was made on.")


class Preview(Body):
    """A time to look at before it is saved."""

    kind: Kind = Kind.CRON
    expression: str = Field(max_length=200)
    zone: str = Field(default_factory=local_zone, max_length=64)
    limit: int = Field(5, ge=1, le=100)


class NextQuery(Query):
    """How many due times to tell."""

    limit: int = Field(10, ge=1, le=100)


class RunQuery(Query):
    """Which runs to list, newest first."""

    before: int | None = Field(None, ge=0, lt=2**63)
    limit: int = Field(50, ge=1, le=LIMIT_MOST)


class ScheduleShape(shapes.Shape):
    """When to do what, and when next."""

    id: str
    name: str
    enabled: bool
    kind: Kind
    expression: str
    in_words: str
    zone: str
    action: Action
    job_type: str | None
    args: Any
    daemon_name: str | None
    pause: str | None
    missed: Missed
    next_at: AwareDatetime | None
    revision: int
    created_at: AwareDatetime


class SchedulePage(shapes.Shape):
    items: list[ScheduleShape]
    next: None


class RunShape(shapes.Shape):
    """What came of one due time: ran, woke, paused, resumed, skipped or failed."""

    id: int
    due_at: AwareDatetime
    at: AwareDatetime
    outcome: str
    job_id: str | None
    error: shapes.ErrorShape | None


class RunPage(shapes.Shape):
    items: list[RunShape]
    next: str | None


class TimesShape(shapes.Shape):
    """Due times, in words and one by one, with the zone they are meant in."""

    in_words: str
    zone: str
    items: list[AwareDatetime]


class StartedShape(shapes.Shape):
    """The job that was created, none where a daemon was woken, paused or resumed."""

    job_id: str | None


async def _schedule(request: Request) -> Schedule:
    return await service(request).schedules.get(request.path_params["name"])


async def list_schedules(request: Request) -> Response:
    return Listing([schedule.as_dict() for schedule in await service(request).schedules.list()])


async def add_schedule(request: Request, body: NewSchedule) -> Response:
    values = body.model_dump()
    made = await service(request).scheduler.add(values.pop("name"), values)
    return JsonResponse(made.as_dict(), 201, {"Location": f"{request.scope['path']}/{made.name}"})


async def get_schedule(request: Request) -> Response:
    return JsonResponse((await _schedule(request)).as_dict())


async def change_schedule(request: Request, body: ScheduleChange) -> Response:
    # A schedule may do without these; null for anything else leaves it as it is.
    may_be_null = {"job_type", "args", "daemon_name", "pause"}
    given = body.model_dump(exclude_unset=True)
    values = {name: value for name, value in given.items() if value is not None or name in may_be_null}
    revision = values.pop("revision", None)
    changed = await service(request).scheduler.edit((await _schedule(request)).name, values, revision=revision)
    return JsonResponse(changed.as_dict())


async def remove_schedule(request: Request) -> Response:
    await service(request).schedules.remove((await _schedule(request)).name)
    return Response(status_code=204)


async def run_schedule(request: Request) -> Response:
    job = await service(request).scheduler.run_now((await _schedule(request)).name)
    return JsonResponse({"job_id": job.id if job else None}, 202)


async def next_times(request: Request, query: NextQuery) -> Response:
    return _times(request, (await _schedule(request)).timetable, query.limit)


async def preview_schedule(request: Request, body: Preview) -> Response:
    timetable = Timetable(body.kind, body.expression, body.zone, service(request).clock.now())
    timetable.check()
    return _times(request, timetable, body.limit)


def _times(request: Request, timetable: Timetable, count: int) -> Response:
    times = timetable.next(service(request).clock.now(), count)
    return JsonResponse({"in_words": timetable.in_words(), "zone": timetable.zone, "items": times})


async def list_schedule_runs(request: Request, query: RunQuery) -> Response:
    schedule = await _schedule(request)
    runs = await service(request).schedules.runs(schedule.id, before=query.before, limit=query.limit)
    oldest_first = list(reversed(runs))
    return Listing([run.as_dict() for run in runs], next_id(oldest_first, query.limit, forward=False))


_ALL, _ONE = "/api/schedules", "/api/schedules/{name}"
CALLS = [
    Call("GET", _ALL, list_schedules, "All schedules, by name.", SchedulePage, command="daemondeck schedule ls"),
    Call(
        "POST", _ALL, add_schedule, "Add a schedule.", ScheduleShape, 201,
        command="daemondeck schedule add {name} --cron '0 3 * * *' --job demo_fetch",
    ),
    Call(
        "POST", _ALL + "/preview", preview_schedule, "When a schedule would be due.", TimesShape,
        command="daemondeck schedule preview '0 3 * * *'",
    ),
    Call("GET", _ONE, get_schedule, "One schedule.", ScheduleShape, command="daemondeck schedule get {name}"),
    Call(
        "PATCH", _ONE, change_schedule, "Change a schedule; its next time is computed anew.", ScheduleShape,
        command="daemondeck schedule edit {name}",
    ),
    Call("DELETE", _ONE, remove_schedule, "Delete a schedule.", None, 204, command="daemondeck schedule rm {name}"),
    Call(
        "POST", _ONE + "/run", run_schedule, "Do now what it says, beside its times.", StartedShape, 202,
        command="daemondeck schedule run {name}",
    ),
    Call(
        "GET", _ONE + "/next", next_times, "The next due times.", TimesShape,
        command="daemondeck schedule next {name}",
    ),
    Call(
        "GET", _ONE + "/runs", list_schedule_runs, "What came of its due times, newest first.", RunPage,
        command="daemondeck schedule runs {name}",
    ),
]  # fmt: skip
