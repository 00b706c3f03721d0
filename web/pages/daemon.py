"""One daemon's own pages: each tab is a page with an address of its own."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from daemons.errors import Invalid
from daemons.jobs.lists import JobFilter
from daemons.service import Service
from daemons.states import DaemonState
from daemons.values import Daemon, StatusNote
from web.api.reported import resolve
from web.bars import Piece, Stretch, pieces, stretches
from web.context import context_of, own_address, service, templates, viewer
from web.pages.forms import Form, back_to
from web.pages.log_part import LINES_SHOWN, LogPageQuery, log_shown
from web.parsing import NoQuery, Query, read_form, read_query
from web.spoken import Spoken, draw, gaps_of_state, window_of
from web.words import N_

HISTORY_SHOWN = 50
CHANGES_DRAWN = 1_000
NOTES_SHOWN = 100
NOTES_DRAWN = 1_000
JOBS_SHOWN = 50
ERRORS_SHOWN = 100
DAY = timedelta(hours=24)
MUTE_LENGTHS = (("1 hour", 3600), ("1 day", 86_400), ("1 week", 604_800), ("30 days", 2_592_000))
TABS = {
    "": N_("Now"),
    "jobs": N_("Jobs"),
    "failures": N_("Failures"),
    "log": N_("Log"),
    "errors": N_("Errors"),
    "metrics": N_("Metrics"),
    "settings": N_("Settings"),
    "api": N_("API"),
}
"""Last word of the path, and what people read."""


class NowQuery(Query):
    """At which moment to look back; without a zone it is in UTC."""

    at: datetime | None = Field(None)


@dataclass(frozen=True, slots=True)
class Moment:
    """What a daemon said and was at a time gone by."""

    at: datetime
    state: DaemonState
    note: StatusNote | None

    @property
    def spoke(self) -> bool:
        return self.note is not None and self.state.is_live


def tab(
    request: Request, name: str, daemon: Daemon, *, step: str = "", status: int = 200, **context: object
) -> Response:
    """Answer with one tab of a daemon, or a further step within it."""
    return templates(request).page(
        f"pages/daemon_{name or 'now'}{step}.html",
        status,
        viewer=viewer(request),
        daemon=daemon,
        tabs=TABS,
        tab=name,
        plugin=next((one for one in service(request).registry.broken if one.row_name == daemon.row.type), None),
        **context,
    )


def daemon_of(request: Request) -> Daemon:
    """Return the daemon that the path names. Raises UnknownDaemon."""
    return service(request).board.get(request.path_params["name"])


async def show_now(request: Request) -> Response:
    deck, daemon, query = service(request), daemon_of(request), read_query(request, NowQuery)
    notes = await deck.journal.timeline(daemon.id, limit=NOTES_SHOWN)
    moment = await _moment(deck, daemon, query.at) if query.at else None
    return tab(
        request,
        "",
        daemon,
        lines=await deck.journal.lines(daemon_id=daemon.id, limit=LINES_SHOWN),
        history=(await deck.journal.history(daemon.id, limit=HISTORY_SHOWN))[::-1],
        notes=notes[::-1],
        moment=moment,
        spoken=await _spoken(deck, daemon, moment.at if moment else None),
        bars=[(N_("Was"), await _bar(deck, daemon, "state")), (N_("Wanted"), await _bar(deck, daemon, "desired"))],
        process=_process(deck),
        stack=deck.supervisor.stack(daemon.name).frames if daemon.live.silent else (),
    )


async def show_jobs(request: Request) -> Response:
    read_query(request, NoQuery)
    daemon = daemon_of(request)
    jobs = await service(request).jobs.list(JobFilter(daemon=daemon.id), limit=JOBS_SHOWN)
    return tab(request, "jobs", daemon, jobs=jobs.items)


async def show_failures(request: Request) -> Response:
    read_query(request, NoQuery)
    daemon = daemon_of(request)
    groups = await service(request).failures.groups(daemon.row)
    wanting, aside = ([one for one in groups if one.is_set_aside is side] for side in (False, True))
    return tab(request, "failures", daemon, groups=wanting, aside=aside, lengths=MUTE_LENGTHS)


async def show_log(request: Request) -> Response:
    daemon, query = daemon_of(request), read_query(request, LogPageQuery)
    return tab(request, "log", daemon, **await log_shown(request, query, daemon_id=daemon.id))


async def show_errors(request: Request) -> Response:
    read_query(request, NoQuery)
    daemon = daemon_of(request)
    return tab(request, "errors", daemon, errors=await service(request).readings.errors(daemon.id, limit=ERRORS_SHOWN))


async def show_api(request: Request) -> Response:
    read_query(request, NoQuery)
    daemon = daemon_of(request)
    document = await asyncio.to_thread(context_of(request.scope).document)
    calls = _calls(document["paths"], daemon.name)
    return tab(request, "api", daemon, calls=calls, address=own_address(request.scope))


async def _moment(deck: Service, daemon: Daemon, asked: datetime) -> Moment:
    at = asked if asked.tzinfo else asked.replace(tzinfo=UTC)
    at = max(daemon.row.created_at, min(at, deck.clock.now()))
    notes = await deck.journal.timeline(daemon.id, until=at, limit=1)
    changes = await deck.journal.history(daemon.id, kind="state", until=at, limit=1)
    state = DaemonState(changes[0].new or "stopped") if changes else DaemonState.STOPPED
    return Moment(at, state, notes[0] if notes else None)


async def _spoken(deck: Service, daemon: Daemon, asked: datetime | None) -> Spoken | None:
    """Draw what it said: between what it said it may have been stopped, without a process, or silent."""
    now = deck.clock.now()
    since, until = window_of(asked, daemon.row.created_at, now, DAY)
    notes = await deck.journal.timeline(daemon.id, until=until, limit=NOTES_DRAWN)
    states = await _stretches(deck, daemon, "state", daemon.row.state.value, since)
    leases = await _stretches(deck, daemon, "lease", "held", since)
    alone = [stretch for stretch in leases if stretch.word == "lost"]
    return draw(notes, [alone, gaps_of_state(states), await _silences(deck, daemon, since)], since, until, asked)


async def _silences(deck: Service, daemon: Daemon, since: datetime) -> list[Stretch]:
    now = deck.clock.now()
    incidents = await deck.incidents.of("ERR_DAEMON_SILENT", daemon.name, since)
    found = [Stretch("silent", one.opened_at, one.recovered_at or now, one.message) for one in incidents]
    if daemon.live.silent and daemon.live.last_heartbeat is not None:
        found = [one for one in found if one.start < daemon.live.last_heartbeat and one.end < now]
        found.append(Stretch("silent", daemon.live.last_heartbeat, now))
    return found


async def _bar(deck: Service, daemon: Daemon, kind: str) -> list[Piece]:
    since = max(deck.clock.now() - DAY, daemon.row.created_at)
    now = daemon.row.state if kind == "state" else daemon.row.desired
    return pieces(await _stretches(deck, daemon, kind, now.value, since))


async def _stretches(deck: Service, daemon: Daemon, kind: str, present: str, since: datetime) -> list[Stretch]:
    entries = await deck.journal.history(daemon.id, kind=kind, since=since, limit=CHANGES_DRAWN)
    return stretches(entries, present, since, deck.clock.now(), is_whole=len(entries) < CHANGES_DRAWN)


def _process(deck: Service) -> dict[str, Any]:
    process = psutil.Process()
    with process.oneshot():
        times = process.cpu_times()
        return {
            "id": process.pid,
            "mebibytes": process.memory_info().rss / 2**20,
            "cpu": timedelta(seconds=times.user + times.system),
            "age": deck.clock.now() - deck.started_at,
        }


def _calls(paths: dict[str, dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Return what programs can do with the daemon `name`, from the schema: nothing is told that is not served."""
    own = {path: methods for path, methods in paths.items() if path.startswith("/api/daemons/{name}")}
    return [
        {
            "method": method.upper(),
            "path": path.replace("{name}", name),
            "summary": call["summary"],
            "has_body": "requestBody" in call,
            "command": call.get("x-command", "").replace("{name}", name),
        }
        for path, methods in own.items()
        for method, call in methods.items()
    ]


async def resolve_error(request: Request) -> Response:
    await read_form(request, names=())
    await resolve(request)
    return back_to(request, f"/daemons/{daemon_of(request).name}/errors")


async def retry_group(request: Request) -> Response:
    code = (await read_form(request, names=["code"])).get("code", "")
    daemon = daemon_of(request)
    retried = await service(request).failures.retry(daemon.row, code, who=viewer(request).name)
    shown = f"/operations/{retried.operation.id}" if retried.operation else f"/daemons/{daemon.name}/failures"
    return back_to(request, shown)


async def skip_group(request: Request) -> Response:
    code, daemon = (await read_form(request, names=["code"])).get("code", ""), daemon_of(request)
    await service(request).failures.skip(daemon.row, code, who=viewer(request).name)
    return back_to(request, f"/daemons/{daemon.name}/failures")


async def mute_group(request: Request) -> Response:
    form, daemon = await read_form(request, names=["code", "for"]), daemon_of(request)
    code, seconds = form.get("code", ""), form.get("for", "")
    if seconds not in {str(length) for _, length in MUTE_LENGTHS}:
        raise Invalid(f"There is no such time to mute: {seconds[:40]}.")
    await service(request).failures.mute(daemon.row, code, timedelta(seconds=int(seconds)), who=viewer(request).name)
    return back_to(request, f"/daemons/{daemon.name}/failures")


async def count_group(request: Request) -> Response:
    code, daemon = (await read_form(request, names=["code"])).get("code", ""), daemon_of(request)
    await service(request).failures.count_again(daemon.row, code)
    return back_to(request, f"/daemons/{daemon.name}/failures")


async def retry_item(request: Request) -> Response:
    await read_form(request, names=())
    daemon = daemon_of(request)
    await service(request).failures.retry_item(daemon.row, request.path_params["id"])
    return back_to(request, f"/daemons/{daemon.name}/failures")


FORMS = [
    Form("/daemons/{name}/failures/retry", retry_group, "POST /api/daemons/{name}/failures/retry"),
    Form("/daemons/{name}/failures/skip", skip_group, "POST /api/daemons/{name}/failures/skip"),
    Form("/daemons/{name}/failures/mute", mute_group, "POST /api/daemons/{name}/failures/mute"),
    Form("/daemons/{name}/failures/count", count_group, "POST /api/daemons/{name}/failures/count"),
    Form("/daemons/{name}/failures/{id}/retry", retry_item, "POST /api/daemons/{name}/failures/{id}/retry"),
    Form("/daemons/{name}/errors/{id}/resolve", resolve_error, "POST /api/daemons/{name}/errors/{id}/resolve"),
]
ROUTES = [
    Route("/daemons/{name}", show_now),
    Route("/daemons/{name}/jobs", show_jobs),
    Route("/daemons/{name}/failures", show_failures),
    Route("/daemons/{name}/log", show_log),
    Route("/daemons/{name}/errors", show_errors),
    Route("/daemons/{name}/api", show_api),
    *(form.route() for form in FORMS),
]
