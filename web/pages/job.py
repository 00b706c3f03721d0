"""The page of one job, and its buttons."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from web.context import service, templates, viewer
from web.pages.forms import Form, back_to

LINES_SHOWN = 200


async def show_job(request: Request) -> Response:
    detail = await service(request).jobs.detail(request.path_params["id"])
    lines = await service(request).journal.lines(job_id=detail.job.id, limit=LINES_SHOWN)
    return templates(request).page(
        "pages/job.html",
        viewer=viewer(request),
        job=detail.job,
        attempts=detail.attempts,
        refused=detail.refused,
        children=detail.children,
        lines=lines,
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


FORMS = [
    Form("/jobs/{id}/next", run_next, "POST /api/jobs/{id}/next"),
    Form("/jobs/{id}/remove", remove_job, "DELETE /api/jobs/{id}"),
    Form("/jobs/{id}/cancel", cancel_job, "POST /api/jobs/{id}/cancel"),
    Form("/jobs/{id}/retry", retry_job, "POST /api/jobs/{id}/retry"),
]
ROUTES = [Route("/jobs/{id}", show_job), *(form.route() for form in FORMS)]
