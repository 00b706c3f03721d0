"""The list of jobs: what is asked for, what came meanwhile."""

from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from daemons.errors import Invalid
from daemons.jobs.filters import JobFilter
from daemons.jobs.query import QUERY_CHARACTERS, BadQuery
from web.api.jobs import JobQuery
from web.context import service, templates, viewer
from web.fragments import revision_of
from web.pages import job_list
from web.pages.forms import Form, back_to
from web.pages.job_list import Chip
from web.parsing import read_form, read_query
from web.templating import query

OPERATIONS_SHOWN = 5
LATELY = timedelta(minutes=5)
NEWEST_FIRST = "-created_at"


async def show_jobs(request: Request) -> Response:
    asked = read_query(request, JobQuery)
    if not request.query_params and (default := await service(request).views.default()) is not None:
        return back_to(request, "/jobs" + query({"q": default.query}) if default.query else "/jobs?q=")
    text = job_list.text_of(asked)
    try:
        return await _page_of(request, asked, JobFilter(q=text))
    except BadQuery as error:
        return await _draw(request, asked, text, status=422, problem=error)


async def _page_of(request: Request, asked: JobQuery, chosen: JobFilter) -> Response:
    query_now = chosen.query
    jobs = service(request).jobs
    page = await jobs.list(chosen, sort=asked.sort, cursor=asked.cursor, limit=asked.limit)
    tally = await jobs.tally(chosen)
    return await _draw(
        request,
        asked,
        str(query_now),
        jobs=page.items,
        next=page.next,
        states=job_list.state_chips(query_now, tally),
        terms=job_list.term_chips(query_now),
        operations=await _operations(request),
        views=[
            Chip(view.name, view.query, view.query == str(query_now)) for view in await service(request).views.list()
        ],
        is_top=asked.cursor is None and asked.sort == NEWEST_FIRST,
    )


async def _operations(request: Request) -> list[dict[str, Any]]:
    """Return the commands for many jobs that go on, or ended a moment ago."""
    newest = (await service(request).operations.list(limit=OPERATIONS_SHOWN)).items
    lately = service(request).clock.now() - LATELY
    return [one.as_dict() for one in newest if one.finished_at is None or one.finished_at > lately]


async def _draw(request: Request, asked: JobQuery, text: str, *, status: int = 200, **shown: object) -> Response:
    filters = {name: value for name, value in request.query_params.items() if value and name in ("sort", "limit")}
    given = {
        "jobs": [],
        "next": None,
        "states": [],
        "terms": [],
        "operations": [],
        "views": [],
        "is_top": False,
        "problem": None,
        **shown,
    }
    return templates(request).page(
        "pages/jobs.html",
        status,
        viewer=viewer(request),
        q=text,
        filters={"q": text, **filters, "cursor": asked.cursor or ""},
        completions=await job_list.completions(request, text),
        examples=job_list.examples(),
        revision_of=revision_of,
        **given,
    )


async def show_views(request: Request) -> Response:
    q = request.query_params.get("q", "")[:QUERY_CHARACTERS]
    views = await service(request).views.list()
    return templates(request).page("pages/views.html", viewer=viewer(request), views=views, q=q, problem=None)


async def save_view(request: Request) -> Response:
    form = await read_form(request, names=("name", "q", "is_default"))
    name, q, views = form.get("name", ""), form.get("q", ""), service(request).views
    try:
        await views.save(name, q, is_default="is_default" in form, who=viewer(request).name)
    except Invalid as error:
        shown = {"viewer": viewer(request), "views": await views.list(), "q": q, "problem": error}
        return templates(request).page("pages/views.html", 422, **shown)
    return back_to(request, "/jobs" + query({"q": q}) if q else "/jobs?q=")


async def remove_view(request: Request) -> Response:
    await service(request).views.remove(request.path_params["id"])
    return back_to(request, "/jobs/views")


FORMS = [
    Form("/jobs/views", save_view, "POST /api/views"),
    Form("/jobs/views/{id}/remove", remove_view, "DELETE /api/views/{id}"),
]
ROUTES = [
    Route("/jobs", show_jobs),
    Route("/jobs/views", show_views),
    *(form.route() for form in FORMS),
]
