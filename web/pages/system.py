"""The pages of the deck itself: what is wrong and its figures, the record, what diagnostics hold."""

from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from daemons.access import Role
from daemons.errors import Invalid
from web.api.filemaker import filemaker_of
from web.api.system import LEVELS, AuditQuery, figures_of, find_audit
from web.api.vision import vision_of
from web.api.workers import workers_of
from web.context import require, service, templates, viewer
from web.pages.forms import Form, back_to
from web.parsing import read_form, read_query
from web.words import N_

FOLDED_AFTER = timedelta(hours=24)
"""Workers that were not heard of for longer stand behind a fold."""
LEVEL_LENGTHS = ((N_("10 minutes"), 600), (N_("1 hour"), 3600), (N_("8 hours"), 28_800))
PREVIEW_CHARACTERS = 20_000


async def show_system(request: Request) -> Response:
    deck = service(request)
    workers = await workers_of(request)
    oldest = deck.clock.now() - FOLDED_AFTER
    return templates(request).page(
        "pages/system.html",
        viewer=viewer(request),
        findings=deck.problems(),
        figures=figures_of(request),
        workers=[worker for worker in workers if worker["alive"] or worker["beat_at"] > oldest],
        folded=[worker for worker in workers if not worker["alive"] and worker["beat_at"] <= oldest],
        vision=vision_of(request),
        filemaker=filemaker_of(request),
        levels=LEVELS,
        lengths=LEVEL_LENGTHS,
    )


async def show_audit(request: Request) -> Response:
    require(request, Role.ADMIN)
    given = {name: value for name, value in request.query_params.items() if value}
    page = await find_audit(request, read_query(request, AuditQuery))
    return templates(request).page(
        "pages/audit.html", viewer=viewer(request), entries=page.items, next=page.next, filters=given
    )


async def show_diagnostics(request: Request) -> Response:
    require(request, Role.ADMIN)
    files = await service(request).diagnostics(figures_of(request))
    return templates(request).page(
        "pages/diagnostics.html", viewer=viewer(request), files=files, most=PREVIEW_CHARACTERS, is_still=True
    )


async def back_up(request: Request) -> Response:
    await service(request).back_up()
    return back_to(request, "/system#backup")


async def change_log_level(request: Request) -> Response:
    form = await read_form(request, names=["level", "for"])
    level, seconds = form.get("level", ""), form.get("for", "")
    if level not in LEVELS or seconds not in {str(length) for _, length in LEVEL_LENGTHS}:
        raise Invalid(f"There is no such level, or no such time: {level[:40]}, {seconds[:40]}.")
    service(request).log_level.switch(level, timedelta(seconds=int(seconds)))
    return back_to(request, "/system#log-level")


async def dismiss_finding(request: Request) -> Response:
    service(request).health.dismiss(request.path_params["code"])
    return back_to(request, "/system")


FORMS = [
    Form("/system/backup", back_up, "POST /api/system/backup"),
    Form("/system/log-level", change_log_level, "POST /api/system/log-level", Role.ADMIN),
    Form("/system/health/{code}/dismiss", dismiss_finding, "POST /api/health/{code}/dismiss"),
]
ROUTES = [
    Route("/system", show_system),
    Route("/system/audit", show_audit),
    Route("/system/diagnostics", show_diagnostics),
    *(form.route() for form in FORMS),
]
