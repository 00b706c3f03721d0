"""Calls about the deck itself: its figures, backups, log level, diagnostics, and the record of who did what."""

from datetime import timedelta
from typing import Any, Literal

from pydantic import AwareDatetime, Field
from starlette.requests import Request
from starlette.responses import Response

from daemons.access import Role
from daemons.errors import Invalid
from daemons.log_level import LONGEST
from daemons.values import Page
from web.api import shapes
from web.api.calls import TEXT, Call
from web.api.paging import ListQuery, cursor_of, place_of
from web.context import context_of, own_address, service
from web.encoding import JsonResponse, Listing
from web.parsing import Body

LEVELS = ("debug", "info", "warning", "error")
WORDS_LONGEST = 100


class AuditQuery(ListQuery):
    """Which entries of the record to list, newest first."""

    who: str | None = Field(None, max_length=WORDS_LONGEST, description="Part of a name.")
    action: str | None = Field(None, max_length=WORDS_LONGEST, description="Part of what was done, such as stop.")


class LogLevelChange(Body):
    """How much to log, and for how many seconds; then it is as usual again."""

    level: Literal["debug", "info", "warning", "error"]
    seconds: float = Field(600, alias="for", gt=0, le=LONGEST.total_seconds())


class DiskShape(shapes.Shape):
    """Bytes free where a path is; None while the place does not answer."""

    path: str
    free: int | None
    total: int | None
    needed_by: list[str]


class SystemShape(shapes.Shape):
    """The deck's own figures; bytes and seconds."""

    version: str
    boot: str
    started_at: AwareDatetime
    now: AwareDatetime
    url: str
    event_loop_lag: float
    event_loop_blocks: int
    sockets: int
    database: Literal["sqlite", "postgresql"]
    sqlite_version: str | None
    database_bytes: int | None
    wal_bytes: int | None
    backup: str | None
    backup_at: AwareDatetime | None
    disks: list[DiskShape]
    keeps_awake: bool
    keeps_awake_by: str | None
    keeps_awake_for: list[str]
    cannot_keep_awake: str | None
    stays_awake: str
    log_level: str
    log_level_until: AwareDatetime | None


class BackupShape(shapes.Shape):
    """Where the copy is."""

    backup: str


class LogLevelShape(shapes.Shape):
    """What is logged, and until when."""

    log_level: str
    log_level_until: AwareDatetime | None


class AuditShape(shapes.Shape):
    """Who did what, from where, and what came of it."""

    id: int
    at: AwareDatetime
    who: str
    origin: str
    action: str
    target: str | None
    outcome: str


class AuditPage(shapes.Shape):
    items: list[AuditShape]
    next: str | None


def figures_of(request: Request) -> dict[str, Any]:
    """Return the figures that GET /api/system answers."""
    deck = service(request)
    return {
        "version": deck.version,
        "boot": deck.boot,
        "started_at": deck.started_at,
        "now": deck.clock.now(),
        "url": own_address(request.scope),
        "sockets": len(context_of(request.scope).hub.listeners),
        "log_level": deck.log_level.level,
        "log_level_until": deck.log_level.until,
        **deck.health.figures(),
    }


async def get_system(request: Request) -> Response:
    return JsonResponse(figures_of(request))


async def back_up(request: Request) -> Response:
    return JsonResponse({"backup": str(await service(request).back_up())}, 201)


async def change_log_level(request: Request, body: LogLevelChange) -> Response:
    switch = service(request).log_level
    switch.switch(body.level, timedelta(seconds=body.seconds))
    return JsonResponse({"log_level": switch.level, "log_level_until": switch.until})


async def get_diagnostics(request: Request) -> Response:
    deck = service(request)
    name = f"daemondeck-diagnostics-{deck.clock.now():%Y%m%dT%H%M%SZ}.zip"
    packed = deck.packed(await deck.diagnostics(figures_of(request)))
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(packed, media_type="application/zip", headers=headers)


async def find_audit(request: Request, query: AuditQuery) -> Page:
    """Return the page of the record that `query` asks for; its `next` is a cursor."""
    page = await service(request).access.audit.list(
        who=query.who, action=query.action, before=_before(query.cursor), limit=query.limit
    )
    return Page(page.items, cursor_of(page.next) if page.next else None)


def _before(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    place = place_of(cursor)
    if not (place.isascii() and place.isdecimal() and len(place) <= 18):
        raise Invalid(
            "The cursor is not one that this list gave.", remedy="Begin again without a cursor.", code="ERR_BAD_CURSOR"
        )
    return int(place)


async def list_audit(request: Request, query: AuditQuery) -> Response:
    page = await find_audit(request, query)
    return Listing([entry.as_dict() for entry in page.items], page.next)


CALLS = [
    Call(
        "GET",
        "/api/system",
        get_system,
        "The deck's own figures: lag, sizes, disks, the last backup.",
        SystemShape,
        command="daemondeck doctor --figures",
    ),
    Call(
        "POST",
        "/api/system/backup",
        back_up,
        "Copy the database now, while it is in use.",
        BackupShape,
        status=201,
        command="daemondeck db backup",
    ),
    Call(
        "POST",
        "/api/system/log-level",
        change_log_level,
        "Log more or less for a while; it goes back by itself.",
        LogLevelShape,
        command="daemondeck log-level debug --for 10m",
        needs=Role.ADMIN,
    ),
    Call(
        "GET",
        "/api/system/diagnostics",
        get_diagnostics,
        "A zip with what helps others to understand this deck, secrets masked.",
        files={"application/zip": TEXT},
        command="daemondeck diag",
        needs=Role.ADMIN,
    ),
    Call(
        "GET",
        "/api/audit",
        list_audit,
        "Who did what from where, newest first.",
        AuditPage,
        command="daemondeck audit",
        needs=Role.ADMIN,
    ),
]
