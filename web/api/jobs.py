"""Calls about jobs: list them, make one, end one, try one again."""

from typing import Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from daemons.errors import Invalid, UnknownName
from daemons.jobs.filters import JobFilter
from daemons.jobs.query import KEYS, QUERY_CHARACTERS
from daemons.states import JobState
from daemons.values import Attempt, JobDetail
from web.api import shapes
from web.api.calls import Call
from web.api.paging import ListQuery
from web.context import service, viewer
from web.encoding import JsonResponse, Listing
from web.masks import shown_job
from web.parsing import Body

KEY_CHARACTERS = 255


class JobQuery(ListQuery):
    """Which jobs to list: those that meet every condition."""

    state: str = Field("", description="Comma list of " + ", ".join(JobState) + ".")
    type: str = Field("", max_length=1000, description="Comma list of job types.")
    daemon: str | None = Field(None, description="Name or id.")
    parent: str | None = Field(None, description="Id of the job that made them.")
    q: str | None = Field(
        None,
        max_length=QUERY_CHARACTERS,
        description="Part of the id, type, key or daemon name, and words such as "
        + "; ".join(f"`{example}`" for example in KEYS.values())
        + ". A minus before one asks for the others.",
    )
    sort: str = "-created_at"

    def chosen(self) -> JobFilter:
        """Return the filter that the keeper understands. Raises UnknownName for a state that does not exist."""
        return JobFilter(
            [_state(name) for name in _words(self.state)], _words(self.type), self.daemon, self.parent, self.q
        )


class NewJob(Body):
    """A job to be done."""

    type: str = Field(max_length=100)
    args: Any = Field(default_factory=dict)
    priority: int = Field(0, ge=-1000, le=1000, description="Higher goes first.")


class Cancel(Body):
    """Why the job is ended."""

    reason: str | None = Field(None, max_length=500)


async def list_jobs(request: Request, query: JobQuery) -> Response:
    page = await service(request).jobs.list(query.chosen(), sort=query.sort, cursor=query.cursor, limit=query.limit)
    return Listing([shown_job(job) for job in page.items], page.next)


async def create_job(request: Request, body: NewJob) -> Response:
    key = _key(request)
    created = await service(request).orders.create(body.type, body.args, key=key, priority=body.priority)
    headers = {"Location": f"{request.scope['path']}/{created.job.id}"}
    return JsonResponse(shown_job(created.job), 201 if created.is_new else 200, headers)


async def get_job(request: Request) -> Response:
    return JsonResponse(detail_dict(await service(request).jobs.detail(request.path_params["id"])))


async def cancel_job(request: Request, body: Cancel) -> Response:
    reason = body.reason or f"Cancelled by {viewer(request).name}."
    job = await service(request).orders.cancel(request.path_params["id"], reason=reason)
    return JsonResponse(shown_job(job), 202)


async def retry_job(request: Request) -> Response:
    job = await service(request).orders.retry(request.path_params["id"])
    return JsonResponse(shown_job(job), 202)


async def run_next(request: Request) -> Response:
    job = await service(request).orders.run_next(request.path_params["id"])
    return JsonResponse(shown_job(job), 202)


async def remove_job(request: Request) -> Response:
    await service(request).orders.remove(request.path_params["id"])
    return Response(status_code=204, headers={"Cache-Control": "no-store"})


def detail_dict(detail: JobDetail) -> dict[str, Any]:
    """Return a job with all that is known of it."""
    return {
        **shown_job(detail.job),
        "attempts": [_attempt_dict(attempt) for attempt in detail.attempts],
        "refused": [
            {"at": one.at, "attempt": one.attempt, "worker": one.worker, "what": one.what, "detail": one.detail}
            for one in detail.refused
        ],
        "children": [shown_job(child) for child in detail.children],
    }


def _attempt_dict(attempt: Attempt) -> dict[str, Any]:
    return {
        "attempt": attempt.attempt,
        "worker": attempt.worker,
        "started_at": attempt.started_at,
        "finished_at": attempt.finished_at,
        "outcome": attempt.outcome,
        "error": attempt.error.as_dict() if attempt.error else None,
    }


def _key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not (0 < len(key) <= KEY_CHARACTERS and key.isprintable()):
        raise Invalid(f"Idempotency-Key must be 1 to {KEY_CHARACTERS} printable characters.")
    return key


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _state(name: str) -> JobState:
    try:
        return JobState(name)
    except ValueError:
        known = ", ".join(JobState)
        raise UnknownName(f"There is no job state {name[:100]}; there are {known}.") from None


_ONE = "/api/jobs/{id}"
_KEY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key makes one job, however often it is sent; another body under it is refused.",
    "schema": {"type": "string", "minLength": 1, "maxLength": KEY_CHARACTERS},
}
CALLS = [
    Call("GET", "/api/jobs", list_jobs, "Jobs, newest first.", shapes.JobPage, command="daemondeck jobs ls"),
    Call(
        "POST",
        "/api/jobs",
        create_job,
        "Make a job; 200 with the earlier one of the same key.",
        shapes.JobShape,
        201,
        also={200: shapes.JobShape},
        headers=[_KEY_HEADER],
        command="daemondeck jobs new {type}",
    ),
    Call(
        "GET",
        _ONE,
        get_job,
        "One job with its attempts, refused writes and children.",
        shapes.JobDetailShape,
        command="daemondeck jobs get {id}",
    ),
    Call(
        "POST",
        _ONE + "/cancel",
        cancel_job,
        "End it; a queued one never runs.",
        shapes.JobShape,
        202,
        command="daemondeck jobs cancel {id}",
    ),
    Call(
        "POST",
        _ONE + "/next",
        run_next,
        "Have a queued job run before all others of its lane.",
        shapes.JobShape,
        202,
        command="daemondeck jobs next {id}",
    ),
    Call("DELETE", _ONE, remove_job, "Forget a finished job.", status=204, command="daemondeck jobs rm {id}"),
    Call(
        "POST",
        _ONE + "/retry",
        retry_job,
        "Try an ended job again.",
        shapes.JobShape,
        202,
        command="daemondeck jobs retry {id}",
    ),
]
