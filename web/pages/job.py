"""The page of one job, and its buttons."""

import re

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from daemons.errors import Invalid
from daemons.values import Job
from web.context import service, templates, viewer
from web.masks import masked, unmasked
from web.pages import job_story
from web.pages.forms import Form, back_to
from web.pages.log_part import LogPageQuery, log_shown
from web.parsing import parse_json, read_form, read_query
from web.wording import pretty_json


async def show_job(request: Request) -> Response:
    deck, query = service(request), read_query(request, LogPageQuery)
    detail = await deck.jobs.detail(request.path_params["id"])
    places = job_story.places_of(await deck.leases.workers())
    middle = await deck.jobs.middle_seconds(detail.job.type)
    return templates(request).page(
        "pages/job.html",
        viewer=viewer(request),
        job=detail.job,
        attempts=detail.attempts,
        refused=detail.refused,
        children=detail.children,
        story=job_story.story_of(detail, places),
        places=places,
        place=places.get(detail.job.worker or ""),
        slowness=job_story.slowness_of(detail, middle, deck.clock.now()),
        lanes=job_story.lanes_of(detail, deck.clock.now()),
        **await log_shown(request, query, job_id=detail.job.id),
    )


async def cancel_job(request: Request) -> Response:
    reason = f"Cancelled by {viewer(request).name}."
    job = await service(request).orders.cancel(request.path_params["id"], reason=reason)
    return back_to(request, f"/jobs/{job.id}")


async def retry_job(request: Request) -> Response:
    job = await service(request).orders.retry(request.path_params["id"])
    return back_to(request, f"/jobs/{job.id}")


async def run_next(request: Request) -> Response:
    job = await service(request).orders.run_next(request.path_params["id"])
    return back_to(request, f"/jobs/{job.id}")


async def remove_job(request: Request) -> Response:
    await service(request).orders.remove(request.path_params["id"])
    return back_to(request, "/jobs?q=")


async def show_duplicate(request: Request) -> Response:
    job = await service(request).jobs.get(request.path_params["id"])
    return _duplicate_page(request, job, pretty_json(masked(job.args)), str(job.priority))


async def duplicate(request: Request) -> Response:
    """Create another job like this one, with the arguments as they were changed."""
    job = await service(request).jobs.get(request.path_params["id"])
    form = await read_form(request, names=("args", "priority"))
    text, priority = form.get("args", ""), form.get("priority", "0").strip()
    try:
        args = unmasked(parse_json(text.encode()), job.args)
        if not re.fullmatch(r"-?[0-9]{1,4}", priority) or abs(int(priority)) > 1000:
            raise Invalid("The priority is a whole number from -1000 to 1000.")
        created = await service(request).orders.create(job.type, args, priority=int(priority))
    except Invalid as error:
        return _duplicate_page(request, job, text, priority, problem=error)
    return back_to(request, f"/jobs/{created.job.id}")


def _duplicate_page(request: Request, job: Job, args: str, priority: str, problem: Invalid | None = None) -> Response:
    shown = {"viewer": viewer(request), "job": job, "args": args, "priority": priority, "problem": problem}
    return templates(request).page("pages/duplicate.html", 422 if problem else 200, **shown)


FORMS = [
    Form("/jobs/{id}/duplicate", duplicate, "POST /api/jobs"),
    Form("/jobs/{id}/next", run_next, "POST /api/jobs/{id}/next"),
    Form("/jobs/{id}/remove", remove_job, "DELETE /api/jobs/{id}"),
    Form("/jobs/{id}/cancel", cancel_job, "POST /api/jobs/{id}/cancel"),
    Form("/jobs/{id}/retry", retry_job, "POST /api/jobs/{id}/retry"),
]
ROUTES = [
    Route("/jobs/{id}", show_job),
    Route("/jobs/{id}/duplicate", show_duplicate),
    *(form.route() for form in FORMS),
]
