"""Calls about what failed of a daemon's work."""

from pydantic import AwareDatetime, Field
from starlette.requests import Request
from starlette.responses import Response

from daemons.values import DaemonRow
from web.api import shapes
from web.api.calls import Call
from web.context import service, viewer
from web.encoding import JsonResponse, Listing
from web.parsing import Body, Length


class Group(Body):
    """Which failures are meant."""

    code: str = Field(max_length=100, description="The code they share.")


class Mute(Group):
    """Which failures are left out of account, and how long."""

    for_: Length = Field(alias="for", description="Seconds, or ISO 8601 (PT1H); 365 days at most.")


class FailedItemShape(shapes.Shape):
    """One of the many things a job works on, which failed alone."""

    id: str
    name: str
    message: str
    at: AwareDatetime
    job_id: str | None


class FailureGroupShape(shapes.Shape):
    """What failed with the same code: so many whole jobs, and these things in jobs that went on."""

    code: str
    message: str
    remedy: str | None
    jobs: int
    job_id: str | None
    items: list[FailedItemShape]
    first_at: AwareDatetime | None
    last_at: AwareDatetime | None
    skipped_at: AwareDatetime | None
    muted_until: AwareDatetime | None
    is_set_aside: bool


class FailureMarkShape(shapes.Shape):
    """What somebody said of failures with a code: what failed by then was seen, and need not be seen until then."""

    code: str
    skipped_at: AwareDatetime | None
    muted_until: AwareDatetime | None
    who: str


class FailurePage(shapes.Shape):
    """Newest first."""

    items: list[FailureGroupShape]
    next: None


class RetriedShape(shapes.Shape):
    """How many jobs are tried again and by which operation, and the job that tries the single things again."""

    jobs: int
    operation_id: str | None
    items: int
    job_id: str | None


async def list_failures(request: Request) -> Response:
    groups = await service(request).failures.groups(_row(request))
    return Listing([group.as_dict() for group in groups])


async def retry_failures(request: Request, body: Group) -> Response:
    retried = await service(request).failures.retry(_row(request), body.code, who=viewer(request).name)
    return JsonResponse(retried.as_dict(), 202)


async def skip_failures(request: Request, body: Group) -> Response:
    mark = await service(request).failures.skip(_row(request), body.code, who=viewer(request).name)
    return JsonResponse(mark.as_dict())


async def mute_failures(request: Request, body: Mute) -> Response:
    mark = await service(request).failures.mute(_row(request), body.code, body.for_, who=viewer(request).name)
    return JsonResponse(mark.as_dict())


async def count_failures(request: Request, body: Group) -> Response:
    await service(request).failures.count_again(_row(request), body.code)
    return Response(status_code=204)


async def retry_item(request: Request) -> Response:
    job = await service(request).failures.retry_item(_row(request), request.path_params["id"])
    return JsonResponse(job.as_dict(), 202)


def _row(request: Request) -> DaemonRow:
    return service(request).board.get(request.path_params["name"]).row


_ONE = "/api/daemons/{name}/failures"
CALLS = [
    Call(
        "GET",
        _ONE,
        list_failures,
        "What failed of its work, by code.",
        FailurePage,
        command="daemondeck failures {name}",
    ),
    Call(
        "POST",
        _ONE + "/retry",
        retry_failures,
        "Try again everything that failed with a code.",
        RetriedShape,
        202,
        command="daemondeck failures {name} --retry {code}",
    ),
    Call(
        "POST",
        _ONE + "/skip",
        skip_failures,
        "Note that what failed with a code by now was seen: it is not counted as action needed.",
        FailureMarkShape,
        command="daemondeck failures {name} --skip {code}",
    ),
    Call(
        "POST",
        _ONE + "/mute",
        mute_failures,
        "Leave failures with a code out of account for a time.",
        FailureMarkShape,
        command="daemondeck failures {name} --mute {code} --for 24h",
    ),
    Call(
        "POST",
        _ONE + "/count",
        count_failures,
        "Count failures with a code again, skipped or muted ones too.",
        None,
        204,
        command="daemondeck failures {name} --count {code}",
    ),
    Call(
        "POST",
        _ONE + "/{id}/retry",
        retry_item,
        "Try one failed thing again, and nothing else.",
        shapes.JobShape,
        202,
        command="daemondeck failures {name} --item {id}",
    ),
]
