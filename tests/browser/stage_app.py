"""A deck of made-up daemons behind the real templates, fragments, frames and scripts, run as a process of its own.

POST /stage changes what it shows. Nothing here is tested; it stands where `daemondeck serve` will.
"""

import asyncio
import contextlib
import json
import sys
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from daemons.clock import SystemClock
from daemons.errors import ErrorInfo
from daemons.events import DaemonChanged, Event, ItemChanged, JobChanged
from daemons.states import DaemonState, Desired, JobState, LogLevel, OnStop
from daemons.values import Attempt, Daemon, DaemonRow, HistoryEntry, Job, LastError, Live, LogLine, Progress, Refusal
from web.assets import Assets
from web.fragments import data_frame, fragments_of, rows_frames
from web.templating import Templates

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEARTBEAT = 5.0
BASE_PATH = "/deck"


def daemon(name: str, title: str, state: DaemonState, **changes: Any) -> Daemon:
    live_fields = {key: changes.pop(key) for key in list(changes) if key in Live._fields}
    now = datetime.now(UTC)
    row = DaemonRow(
        id=str(uuid.uuid5(uuid.NAMESPACE_DNS, name)), name=name, type=name, title=title,
        description="Checks the drop folder and describes what is new.", enabled=True, auto_start=False,
        desired=Desired.OFF if state is DaemonState.STOPPED else Desired.ON, desired_reason=None, paused_until=None,
        state=state, state_reason=None, stop_mode=None, started_at=now - timedelta(hours=2), restarts=0,
        last_error=None, configuration={"interval": 300}, configuration_revision=1, switched_at=None,
        restart_revision=0, wake_revision=0, reset_revision=0, created_at=now,
    )  # fmt: skip
    live = Live(revision=1, last_heartbeat=now, status_updated_at=now)
    return Daemon(replace(row, **changes), live._replace(**live_fields))


def job(number: int, state: JobState, **changes: Any) -> Job:
    now = datetime.now(UTC)
    made = Job(
        id=str(uuid.UUID(int=number << 96 | 1)), type="describe_batch", lane="default", state=state, daemon_id=None,
        daemon_name="night_watch", parent_id=None, key=None, unique=None,
        args={"paths": ["Holiday/IMG_0001.jpg"]}, result=None, progress=None, error=None, attempt=1, failures=0,
        crashes=0, max_attempts=3, priority=0, on_stop=OnStop.CONTINUE, run_after=now, waiting_reason=None,
        created_at=now - timedelta(minutes=number), started_at=now, finished_at=None, worker="host-1", revision=1,
    )  # fmt: skip
    return replace(made, **changes)


class Stage:
    """What is shown, and who looks."""

    def __init__(self, boot: str) -> None:
        self.boot = boot
        self.clock = SystemClock()
        self.templates = Templates(Assets(), self.clock, base_path=BASE_PATH, version="0.1.0")
        self.viewer: dict[str, str] | None = {"name": "owner", "role": "operator"}
        self.viewers: set[asyncio.Queue[str]] = set()
        self.seq = 0
        self.commands: list[str] = []
        self.refuse: str | None = None
        self.lines = [line(number, f"Looked at folder {number}") for number in range(1, 60)]
        self.history = [HistoryEntry(1, self.clock.now(), "state", "starting", "running", None, None)]
        self.jobs = {each.id: each for each in example_jobs()}
        self.daemons = {each.name: each for each in example_daemons(next(iter(self.jobs)))}
        self.descriptions = [description(number) for number in range(1, 6)]

    def announce(self, *events: Event) -> None:
        self.seq += 1
        drawn = [fragment for event in events for fragment in fragments_of(self.templates, event)]
        for frame in rows_frames(drawn, seq=self.seq, at=self.clock.now()):
            self.send(frame)

    def send(self, frame: str) -> None:
        for viewer in self.viewers:
            viewer.put_nowait(frame)

    def tell(self, kind: str, **fields: object) -> None:
        self.seq += 1
        self.send(data_frame(kind, seq=self.seq, at=self.clock.now(), **fields))

    def change(self, name: str, **changes: Any) -> None:
        row, live = self.daemons[name]
        revision = changes.pop("revision", live.revision + 1)
        live_fields = {key: changes.pop(key) for key in list(changes) if key in Live._fields}
        if "state" in changes:
            changes["state"] = DaemonState(changes["state"])
        if "desired" in changes:
            changes["desired"] = Desired(changes["desired"])
        live = live._replace(revision=revision, status_updated_at=self.clock.now(), **live_fields)
        changed = Daemon(replace(row, **changes), live)
        if revision > self.daemons[name].revision:
            self.daemons[name] = changed
        self.announce(DaemonChanged(changed))


def line(number: int, message: str) -> LogLine:
    named = str(uuid.uuid5(uuid.NAMESPACE_DNS, "night_watch"))
    return LogLine(number, datetime.now(UTC), LogLevel.INFO, message, named, "night_watch", None)


def description(number: int) -> dict[str, Any]:
    text = (
        "A landscape of 4032 × 3024 pixels, mostly blue and sand, bright and sharp, taken with a camera in July 2024."
    )
    failure = {"code": "ERR_IMAGE_TRUNCATED", "message": "The file ends early.", "remedy": "Copy the file again."}
    return {
        "id": str(uuid.UUID(int=number)), "path": f"Holiday/IMG_{number:04}.jpg", "folder": "Holiday",
        "description": None if number == 3 else text, "describer": "basic", "model": None,
        "state": "failed" if number == 3 else "done", "error": failure if number == 3 else None,
        "seconds": 0.4, "facts": {}, "thumbnail": None, "created_at": datetime.now(UTC).isoformat(),
    }  # fmt: skip


def example_daemons(job_id: str) -> list[Daemon]:
    now = datetime.now(UTC)
    error = LastError(
        "ERR_CONNECTION_REFUSED", "Stash did not answer on port 9999.", now, "Start Stash, or set stash.url."
    )
    return [
        daemon("night_watch", "Night watch", DaemonState.RUNNING,
               current_status="Describing item 3 of 25: IMG_0003.jpg",
               current_job_id=job_id, current_job_type="describe_batch", progress=Progress(5430, 31841)),
        daemon("stash_sync", "Stash sync", DaemonState.FAILED, restarts=5, last_error=error, desired=Desired.ON),
        daemon("demo", "Demo", DaemonState.RUNNING, current_status="Sleeping until the next round",
               next_wake_at=now + timedelta(minutes=4)),
        daemon("cleaner", "Cleaner", DaemonState.STOPPED, status_updated_at=None),
        daemon("importer", "Importer", DaemonState.PAUSED, desired=Desired.PAUSED, desired_reason="backup tonight",
               paused_until=now + timedelta(hours=3)),
        daemon("crashing", "Crashing", DaemonState.BACKOFF, restarts=2, last_error=error,
               state_reason="next try in 4 s"),
    ]  # fmt: skip


def example_jobs() -> list[Job]:
    inner = ErrorInfo(
        "ERR_EMBEDDINGS_MISSING", "There are no embeddings for this scene.", "Traceback …", "Run embed first."
    )
    error = ErrorInfo("ERR_PREREQ_FAILED", "A step this one needs has failed.", "Traceback …", None, inner)
    now = datetime.now(UTC)
    return [
        job(1, JobState.RUNNING, progress=Progress(3, 25, "IMG_0003.jpg")),
        job(2, JobState.QUEUED, waiting_reason="Waits for stash_scan, which it conflicts with."),
        job(3, JobState.FAILED, error=error, failures=3, attempt=3, finished_at=now),
        job(4, JobState.COMPLETED, result={"described": 25, "failed": 1}, finished_at=now),
    ]


async def show_daemons(request: Request) -> Response:
    stage: Stage = request.app.state.stage
    daemons = sorted(stage.daemons.values(), key=lambda each: each.name)
    return stage.templates.page("pages/daemons.html", viewer=stage.viewer, daemons=daemons, broken=[])


async def show_daemon(request: Request) -> Response:
    stage: Stage = request.app.state.stage
    options = [{"name": "interval", "value": 300, "source": "default", "description": "Seconds between two looks."}]
    return stage.templates.page(
        "pages/daemon.html", viewer=stage.viewer, daemon=stage.daemons[request.path_params["name"]],
        lines=stage.lines[-200:], history=stage.history, jobs=list(stage.jobs.values()), options=options,
    )  # fmt: skip


async def show_jobs(request: Request) -> Response:
    stage: Stage = request.app.state.stage
    filters = dict(request.query_params)
    jobs = [each for each in stage.jobs.values() if each.state in filters.get("state", each.state)]
    return stage.templates.page("pages/jobs.html", viewer=stage.viewer, jobs=jobs, next="abc", filters=filters)


async def show_job(request: Request) -> Response:
    stage: Stage = request.app.state.stage
    shown = stage.jobs[request.path_params["id"]]
    now = stage.clock.now()
    attempts = [Attempt(1, "host-1", now, now, "failed", shown.error), Attempt(2, "host-2", now, None, None, None)]
    return stage.templates.page(
        "pages/job.html", viewer=stage.viewer, job=shown, attempts=attempts, lines=[],
        refused=[Refusal(now, 1, "host-1", "finish", "attempt 2 has the job")], children=list(stage.jobs.values())[:1],
    )  # fmt: skip


async def show_descriptions(request: Request) -> Response:
    stage: Stage = request.app.state.stage
    return stage.templates.page(
        "pages/descriptions.html", viewer=stage.viewer, descriptions=stage.descriptions, next=None,
        filters=dict(request.query_params),
    )  # fmt: skip


async def show_signin(request: Request) -> Response:
    stage: Stage = request.app.state.stage
    code = request.query_params.get("code")
    password = request.query_params.get("mode") == "password"
    return stage.templates.page(
        "pages/signin.html", viewer=None, code=code, password_login=password, problem=None, next=""
    )


async def command(request: Request) -> Response:
    stage: Stage = request.app.state.stage
    name, asked = request.path_params["name"], request.path_params["command"]
    stage.commands.append(f"{asked} {name}")
    if stage.refuse:
        error = {"code": "ERR_CONFLICT", "message": stage.refuse, "remedy": "Enable it first."}
        return stage.templates.page("pages/error.html", 409, viewer=stage.viewer, status=409, error=error)
    if asked == "start":
        stage.change(name, state="running", desired="on", current_status="Looking around")
    if asked == "stop":
        stage.change(name, state="stopped", desired="off", current_status=None)
    return RedirectResponse(stage.templates.url(f"/daemons#d-{stage.daemons[name].row.id}"), 303)


async def control(request: Request) -> Response:
    """Run one of the things a test may ask for; answers with the commands that came in."""
    stage: Stage = request.app.state.stage
    asked = await request.json()
    match asked.pop("do"):
        case "change":
            stage.change(asked.pop("name"), **asked)
        case "add":
            added = daemon(asked["name"], asked["title"], DaemonState.RUNNING, current_status="New here")
            stage.daemons[added.name] = added
            stage.announce(DaemonChanged(added))
        case "job":
            changed = replace(stage.jobs[asked.pop("id")], state=JobState(asked.pop("state")))
            stage.jobs[changed.id] = replace(changed, revision=changed.revision + 1)
            stage.announce(JobChanged(stage.jobs[changed.id]))
        case "describe":
            stage.descriptions.insert(0, description(asked["number"]))
            stage.announce(ItemChanged("descriptions", stage.descriptions[0]["id"], stage.descriptions[0]))
        case "log":
            stage.lines.append(line(len(stage.lines) + 1, asked["message"]))
            stage.tell("log", data=stage.lines[-1].as_dict())
        case "resync":
            stage.tell("resync")
        case "refuse":
            stage.refuse = asked["why"]
        case "end-session":
            stage.send("4401")
    return Response(json.dumps(stage.commands), media_type="application/json")


async def live(socket: WebSocket) -> None:
    stage: Stage = socket.app.state.stage
    await socket.accept()
    frames: asyncio.Queue[str] = asyncio.Queue()
    stage.viewers.add(frames)
    frames.put_nowait(data_frame("hello", seq=0, at=stage.clock.now(), boot=stage.boot, version="0.1.0"))
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(read_until_gone(socket))
            tasks.create_task(speak(socket, frames, stage))
    except* WebSocketDisconnect:
        pass
    finally:
        stage.viewers.discard(frames)


async def speak(socket: WebSocket, frames: asyncio.Queue[str], stage: Stage) -> None:
    while True:
        try:
            frame = await asyncio.wait_for(frames.get(), HEARTBEAT)
        except TimeoutError:
            frame = data_frame("heartbeat", seq=stage.seq, at=stage.clock.now())
        if frame == "4401":
            await socket.close(4401)
            raise WebSocketDisconnect(4401)
        await socket.send_text(frame)


async def read_until_gone(socket: WebSocket) -> None:
    while True:
        await socket.receive_text()


class StrictPolicy:
    """Adds the product's Content-Security-Policy to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"content-security-policy", CSP.encode())]
            await send(message)

        await self.app(scope, receive, with_policy)


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    app.state.stage = Stage(boot=str(uuid.uuid4()))
    yield


def main(port: int) -> None:
    pages = [
        Mount("/static", Assets()),
        WebSocketRoute("/live", live),
        Route("/signin", show_signin),
        Route("/daemons/{name}/{command}", command, methods=["POST"]),
        Route("/daemons/{name}", show_daemon),
        Route("/jobs/{id}", show_job),
        Route("/jobs", show_jobs),
        Route("/descriptions", show_descriptions),
        Route("/daemons", show_daemons),
        Route("/", show_daemons),
    ]
    routes = [Route("/stage", control, methods=["POST"]), Mount(BASE_PATH, routes=pages)]
    app = Starlette(routes=routes, middleware=[Middleware(StrictPolicy)], lifespan=lifespan)
    config = uvicorn.Config(
        app,
        port=port,
        log_level="warning",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=1,
    )
    server = Announced(config)
    server.run()


class Announced(uvicorn.Server):
    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        sys.stdout.write("ready\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]))
