"""The application: every door, route and socket in one place."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache, partial
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount

from daemons.errors import DaemonError
from daemons.service import Service
from web.api import (
    access,
    activity,
    daemons,
    describe,
    describe_import,
    description_changes,
    description_export,
    export,
    failures,
    figures,
    filemaker,
    health,
    inbox,
    job_news,
    jobs,
    ladders,
    logs,
    me,
    metrics,
    notifications,
    openapi,
    operations,
    options,
    pictures,
    record_changes,
    record_import,
    records,
    reported,
    schedules,
    similar_records,
    statistics,
    system,
    types,
    users,
    views,
    vision,
    workers,
)
from web.api.events import events_socket
from web.assets import Assets
from web.authentication import Authentication
from web.context import Context
from web.live import Hub
from web.pages import activity as activity_pages
from web.pages import all_daemons, appearance, daemon_metrics, daemon_settings, people, signin, welcome
from web.pages import daemon as daemon_page
from web.pages import daemons as daemon_pages
from web.pages import description as description_page
from web.pages import filemaker as filemaker_pages
from web.pages import gallery as gallery_pages
from web.pages import inbox as inbox_pages
from web.pages import job as job_pages
from web.pages import jobs as job_list_pages
from web.pages import notifications as notification_pages
from web.pages import operations as operation_pages
from web.pages import record as record_page
from web.pages import record_import as record_import_page
from web.pages import records as record_pages
from web.pages import schedules as schedule_pages
from web.pages import similar_records as similar_record_pages
from web.pages import system as system_pages
from web.pages import types as type_pages
from web.pages import vision as vision_pages
from web.pages.live import live_socket
from web.problems import Failures, answer_error, answer_http_error
from web.proxies import Proxies, Voucher
from web.sections import sections_of
from web.security import Doors, KnownHosts, PlainPaths, SafeHeaders, SmallBodies, same_origin
from web.signals import Signals
from web.sockets import Sockets
from web.templating import Templates
from web.words import catalogue, speak

CALLS = [
    *daemons.CALLS,
    *options.CALLS,
    *reported.CALLS,
    *failures.CALLS,
    *figures.CALLS,
    *statistics.CALLS,
    *logs.CALLS,
    *export.CALLS,
    *job_news.CALLS,
    *jobs.CALLS,
    *schedules.CALLS,
    *operations.CALLS,
    *notifications.CALLS,
    *views.CALLS,
    *types.CALLS,
    *workers.CALLS,
    *description_export.CALLS,
    *describe.CALLS,
    *pictures.CALLS,
    *describe_import.CALLS,
    *description_changes.CALLS,
    *record_changes.CALLS,
    *record_import.CALLS,
    *records.CALLS,
    *similar_records.CALLS,
    *ladders.CALLS,
    *inbox.CALLS,
    *activity.CALLS,
    *access.CALLS,
    *users.CALLS,
    *me.CALLS,
    *health.CALLS,
    *metrics.CALLS,
    *system.CALLS,
    *vision.CALLS,
    *filemaker.CALLS,
    openapi.CALL,
]


PAGES: list[BaseRoute] = [
    *signin.ROUTES,
    *appearance.ROUTES,
    *all_daemons.ROUTES,
    *daemon_pages.ROUTES,
    *daemon_page.ROUTES,
    *daemon_metrics.ROUTES,
    *daemon_settings.ROUTES,
    *type_pages.ROUTES,
    *job_list_pages.ROUTES,
    *operation_pages.ROUTES,
    *job_pages.ROUTES,
    *schedule_pages.ROUTES,
    *notification_pages.ROUTES,
    *gallery_pages.ROUTES,
    *description_page.ROUTES,
    *record_pages.ROUTES,
    *record_import_page.ROUTES,
    *record_page.ROUTES,
    *similar_record_pages.ROUTES,
    *inbox_pages.ROUTES,
    *activity_pages.ROUTES,
    *system_pages.ROUTES,
    *vision_pages.ROUTES,
    *filemaker_pages.ROUTES,
    *people.ROUTES,
    *welcome.ROUTES,
]


@cache
def _document(version: str) -> dict[str, Any]:
    return openapi.document(CALLS, version)


def create_app(service: Service) -> Starlette:
    """Return the deck's web side; it is alive within its lifespan, and `service` has to outlive it."""
    assets = Assets()
    settings = service.settings
    speak(settings.language, catalogue(settings.language))
    hub = Hub(service.bus, service.clock, service.access, boot=service.boot, version=service.version)
    templates = Templates(assets, service.clock, base_path=settings.base_path, version=service.version)
    voucher = Voucher(settings.proxy_user_header, settings.proxy_groups_header)
    known_hosts = KnownHosts(settings.host, settings.allowed_hosts)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with hub:
            yield

    app = Starlette(
        routes=[Mount("/static", assets), *(call.route() for call in CALLS), *PAGES],
        middleware=[
            Middleware(Proxies, settings.trusted_proxies),
            Middleware(SafeHeaders),
            Middleware(Failures),
            Middleware(SmallBodies),
            Middleware(Doors, [PlainPaths(settings.base_path), known_hosts, same_origin]),
            Middleware(Authentication, service.access, voucher),
            Middleware(Sockets, {"/api/events": events_socket, "/live": live_socket}),
        ],
        exception_handlers={DaemonError: answer_error, HTTPException: answer_http_error},
        lifespan=lifespan,
    )
    # A redirect to the path with another slash is built from the Host header, and hides misspelt links.
    app.router.redirect_slashes = False
    signals = Signals(service.board)
    templates.read_records_with(records.awaiting_reader(service))
    signals.add("inbox", lambda: service.questions.open_count + records.awaiting_count(service))
    signals.add("records", lambda: records.awaiting_count(service))
    signals.add("system", lambda: service.health.trouble)
    templates.frame_with(sections_of(app.routes), signals.now)
    app.state.context = Context(service, templates, hub, partial(_document, service.version), signals)
    return app
