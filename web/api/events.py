"""WS /api/events: everything that changes, as JSON; from the beginning, or from where a client left off."""

from datetime import datetime

from pydantic import Field, field_validator
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from daemons.errors import UnknownName
from web.api.retelling import Retelling, Subscription
from web.backlog import LatestWins
from web.context import Context, context_of
from web.frames import DAEMONS, HUB, JOBS, LOGS, Change, Frame
from web.listener import Listener
from web.live import dropped, heartbeat
from web.parsing import Query, read_query
from web.sockets import Seat, serve_socket

TOPICS = (DAEMONS, JOBS, LOGS, "descriptions", "records", "questions", "schedules", "health")


class EventsQuery(Query):
    """What a client of the events socket wants."""

    topics: tuple[str, ...] = Field((DAEMONS, JOBS, LOGS), description="Comma list of " + ", ".join(TOPICS) + ".")
    daemon: str | None = Field(None, description="Only this daemon, its jobs and its log; name or id.")
    job: str | None = Field(None, description="Only this job and its log.")
    since: int | None = Field(None, ge=0, description="The last `seq` that was seen, to resume there.")
    boot: str = Field("", description="The `boot` of the hello it was seen after.")
    ticket: str = Field("", description="From POST /api/events/ticket, where no header can be sent.", repr=False)

    @field_validator("topics", mode="before")
    @classmethod
    def _known_topics(cls, value: object) -> object:
        names = tuple(value.split(",")) if isinstance(value, str) else value
        for name in names if isinstance(names, tuple) else ():
            if name not in TOPICS:
                raise UnknownName(f"There is no topic {name}; there are {', '.join(TOPICS)}.")
        return names


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


async def events_socket(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one client of the events socket."""
    context = context_of(scope)
    await serve_socket(context.hub, _seat(context, HTTPConnection(scope)), scope, receive, send)


def _seat(context: Context, connection: HTTPConnection) -> Seat:
    service, hub = context.service, context.hub
    query = read_query(connection, EventsQuery)
    daemon_id = service.board.get(query.daemon).id if query.daemon else None
    subscription = Subscription(frozenset(query.topics), daemon_id, query.job)
    retelling = Retelling(service, hub, subscription)
    return Seat(
        subscription,
        lambda: EventAudience(subscription, hub.version),
        lambda: retelling.opening(query.since, query.boot),
        LatestWins(hub.say_dropped),
        retelling.again,
    )
