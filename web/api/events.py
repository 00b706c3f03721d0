"""WS /api/events: everything that changes, as JSON; from the beginning, or from where a client left off."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from pydantic import Field, field_validator
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from daemons.errors import NotFound, UnknownName
from daemons.events import DaemonChanged, DaemonRemoved, Event, ItemChanged, JobChanged, JobRemoved, LogWritten
from daemons.job_lists import JobFilter
from daemons.service import Service
from daemons.states import UNFINISHED_JOB_STATES
from daemons.values import Job
from web.context import Context, context_of
from web.frames import DAEMONS, HUB, JOBS, LOGS, Change, Frame, frame_text, snapshot_frames
from web.listener import LatestWins, Listener
from web.live import Hub, Pointer, dropped, heartbeat
from web.parsing import Query, read_query
from web.sockets import Seat, serve_socket

TOPICS = (DAEMONS, JOBS, LOGS, "descriptions")
FINISHED_JOBS = 100
LOG_LINES = 200
JOBS_A_READ = 500
RESUMED_JOBS = 500
"""Jobs that are read one by one for a client that resumes; if more changed, a snapshot costs less."""


class EventsQuery(Query):
    """What a client of the events socket wants."""

    topics: tuple[str, ...] = Field(TOPICS, description="Comma list of " + ", ".join(TOPICS) + ".")
    daemon: str | None = Field(None, description="Only this daemon, its jobs and its log; name or id.")
    job: str | None = Field(None, description="Only this job and its log.")
    since: int | None = Field(None, ge=0, description="The last `seq` that was seen, to resume there.")
    boot: str = Field("", description="The `boot` of the hello it was seen after.")

    @field_validator("topics", mode="before")
    @classmethod
    def _known_topics(cls, value: object) -> object:
        names = tuple(value.split(",")) if isinstance(value, str) else value
        for name in names if isinstance(names, tuple) else ():
            if name not in TOPICS:
                raise UnknownName(f"There is no topic {name}; there are {', '.join(TOPICS)}.")
        return names


@dataclass(frozen=True, slots=True)
class Subscription:
    """What one kind of client hears; those who hear the same share its frames."""

    topics: frozenset[str]
    daemon_id: str | None = None
    job_id: str | None = None

    def wants(self, event: Event) -> bool:
        match event:
            case DaemonChanged(daemon):
                return DAEMONS in self.topics and self.daemon_id in (None, daemon.row.id)
            case DaemonRemoved(id):
                return DAEMONS in self.topics and self.daemon_id in (None, id)
            case JobChanged(job):
                return JOBS in self.topics and self._wants_job(job.id, job.daemon_id)
            case JobRemoved(id):
                return JOBS in self.topics and self.job_id in (None, id)
            case LogWritten(line):
                return LOGS in self.topics and self._wants_job(line.job_id, line.daemon_id)
            case ItemChanged(topic):
                return topic in self.topics
            case _:
                return False

    def _wants_job(self, job_id: str | None, daemon_id: str | None) -> bool:
        return self.job_id in (None, job_id) and self.daemon_id in (None, daemon_id)


class EventAudience:
    """Clients of the events socket with the same subscription."""

    def __init__(self, subscription: Subscription, version: str) -> None:
        self.listeners: set[Listener] = set()
        self._subscription = subscription
        self._version = version

    def take(self, change: Change) -> None:
        if self._subscription.wants(change.event):
            self._offer(change.frame)

    def tell_heartbeat(self, seq: int, at: datetime) -> None:
        self._offer(heartbeat(seq, at, self._version))

    def tell_dropped(self, seq: int, at: datetime, count: int) -> None:
        if LOGS in self._subscription.topics:
            self._offer(Frame(seq, (HUB, "dropped"), dropped(seq, at, count)))

    def _offer(self, frame: Frame) -> None:
        for listener in self.listeners:
            listener.offer(frame)


class EventsSocket:
    """The ASGI application of the events socket."""

    query: ClassVar[type[Query]] = EventsQuery

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = context_of(scope)
        await serve_socket(context.hub, _seat(context, HTTPConnection(scope)), scope, receive, send)


def _seat(context: Context, connection: HTTPConnection) -> Seat:
    service, hub = context.service, context.hub
    query = read_query(connection, EventsQuery)
    daemon_id = service.board.get(query.daemon).id if query.daemon else None
    subscription = Subscription(frozenset(query.topics), daemon_id, query.job)
    return Seat(
        subscription,
        lambda: EventAudience(subscription, hub.version),
        LatestWins(hub.say_dropped),
        _Opening(service, hub, subscription, query).frames(),
    )


class _Opening:
    """What a client is told first: hello, then what it missed, or all there is.

    Only the last frame of a snapshot carries a number: who was cut off within it starts over.
    """

    def __init__(self, service: Service, hub: Hub, subscription: Subscription, query: EventsQuery) -> None:
        self._service = service
        self._hub = hub
        self._subscription = subscription
        self._seq = hub.seq
        self._missed = None if query.since is None else hub.since(query.since, query.boot)
        if self._missed is not None and sum(_is_job(pointer) for _, pointer in self._missed) > RESUMED_JOBS:
            self._missed = None
        self._since = query.since or 0

    async def frames(self) -> AsyncIterator[str]:
        is_resumed = self._missed is not None
        hello = {
            "boot": self._hub.boot,
            "version": self._hub.version,
            "seq": self._seq,
            "time": self._hub.clock.now(),
            "resumed": is_resumed,
        }
        yield frame_text(self._since if is_resumed else 0, HUB, "hello", self._hub.clock.now(), hello)
        async for text in self._resumed(self._missed) if self._missed is not None else self._snapshot():
            yield text
        yield heartbeat(self._seq, self._hub.clock.now(), self._hub.version).text

    async def _snapshot(self) -> AsyncIterator[str]:
        at, wanted = self._hub.clock.now(), self._subscription
        if DAEMONS in wanted.topics:
            daemons = [daemon for daemon in self._service.board.all() if wanted.wants(DaemonChanged(daemon))]
            for text in snapshot_frames(0, DAEMONS, at, daemons):
                yield text
        if JOBS in wanted.topics:
            async for jobs, more in self._jobs():
                for text in snapshot_frames(0, JOBS, at, jobs, more=more):
                    yield text
        if LOGS in wanted.topics:
            lines = await self._service.journal.lines(daemon_id=wanted.daemon_id, job_id=wanted.job_id, limit=LOG_LINES)
            for text in snapshot_frames(0, LOGS, at, lines):
                yield text

    async def _jobs(self) -> AsyncIterator[tuple[list[Job], bool]]:
        """Read the newest jobs whatever their state, then the unfinished ones, a bounded number at a time."""
        wanted, jobs = self._subscription, self._service.jobs
        if wanted.job_id is not None:
            event = await self._present_job(wanted.job_id)
            yield ([event.job] if isinstance(event, JobChanged) else []), False
            return
        newest = await jobs.list(JobFilter(daemon=wanted.daemon_id), limit=FINISHED_JOBS)
        yield newest.items, True
        cursor = None
        while True:
            unfinished = JobFilter(states=tuple(UNFINISHED_JOB_STATES), daemon=wanted.daemon_id)
            page = await jobs.list(unfinished, cursor=cursor, limit=JOBS_A_READ)
            cursor = page.next
            yield page.items, cursor is not None
            if cursor is None:
                return

    async def _resumed(self, missed: list[tuple[int, Pointer]]) -> AsyncIterator[str]:
        for seq, pointer in missed:
            event = await self._present(pointer)
            if self._subscription.wants(event):
                yield Change(seq, self._hub.clock.now(), event).frame.text

    async def _present_job(self, job_id: str) -> Event:
        try:
            return JobChanged(await self._service.jobs.get(job_id))
        except NotFound:
            return JobRemoved(job_id)

    async def _present(self, pointer: Pointer) -> Event:
        if not isinstance(pointer, tuple):
            return pointer
        kind, entity = pointer
        if kind == "job":
            return await self._present_job(entity)
        try:
            return DaemonChanged(self._service.board.get(entity))
        except NotFound:
            return DaemonRemoved(entity, "")


def _is_job(pointer: Pointer) -> bool:
    return isinstance(pointer, tuple) and pointer[0] == "job"
