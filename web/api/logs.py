"""Calls about log lines: of a daemon, of a job, of a record, searched, around a line, and as a text file."""

from collections.abc import Sequence
from typing import Annotated, TypedDict, Unpack

from pydantic import BeforeValidator, Field, model_validator
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from daemons.logs import Scrubber
from daemons.states import LogLevel
from daemons.values import DaemonRow, LogLine
from web.api import shapes
from web.api.calls import TEXT, Call
from web.api.paging import LIMIT_MOST, next_id
from web.api.records import record_of
from web.context import service
from web.encoding import Listing
from web.log_text import log_text
from web.parsing import Query

LINES_AROUND = 20
_ID = {"ge": 0, "lt": 2**63}


class TextQuery(Query):
    """Which lines a text file holds."""

    # A form posts what was not chosen as nothing.
    level: Annotated[LogLevel | None, BeforeValidator(lambda level: level or None)] = Field(
        None, description="This level and above."
    )
    q: str | None = Field(None, max_length=200, description="Part of the message.")


class LogQuery(TextQuery):
    """Which lines to show: the newest, those after or before a line, or a line with what stands around it."""

    after: int | None = Field(None, ge=0, lt=2**63)
    before: int | None = Field(None, ge=0, lt=2**63)
    around: int | None = Field(
        None,
        ge=0,
        lt=2**63,
        description=f"This line with {LINES_AROUND} before and after it; other wishes are left out.",
    )
    limit: int = Field(50, ge=1, le=LIMIT_MOST)

    @model_validator(mode="after")
    def _one_place(self) -> "LogQuery":
        if sum(place is not None for place in (self.after, self.before, self.around)) > 1:
            raise ValueError("give one of `after`, `before` and `around`")
        return self


class Of(TypedDict, total=False):
    """Whose lines, as the journal takes it."""

    daemon_id: str
    job_id: str
    item_id: str


async def lines_of(request: Request, query: LogQuery, **of: Unpack[Of]) -> Sequence[LogLine]:
    """Return the lines that `query` asks for, oldest first."""
    journal = service(request).journal
    if query.around is None:
        return await journal.lines(
            **of, level=query.level, q=query.q, after=query.after, before=query.before, limit=query.limit
        )
    before = await journal.lines(**of, before=query.around + 1, limit=LINES_AROUND + 1)
    after = await journal.lines(**of, after=query.around, limit=LINES_AROUND)
    return [*before, *after]


async def get_logs(request: Request, query: LogQuery) -> Response:
    return _page(query, await lines_of(request, query, daemon_id=_daemon(request).id))


async def get_job_logs(request: Request, query: LogQuery) -> Response:
    job = await service(request).jobs.get(request.path_params["id"])
    return _page(query, await lines_of(request, query, job_id=job.id))


async def get_record_logs(request: Request, query: LogQuery) -> Response:
    record = await record_of(request)
    return _page(query, await lines_of(request, query, item_id=record.id))


async def download_logs(request: Request, query: TextQuery) -> Response:
    daemon = _daemon(request)
    return _file(request, query, daemon.name, daemon_id=daemon.id)


async def download_job_logs(request: Request, query: TextQuery) -> Response:
    job = await service(request).jobs.get(request.path_params["id"])
    return _file(request, query, f"job-{job.id}", job_id=job.id)


async def download_record_logs(request: Request, query: TextQuery) -> Response:
    record = await record_of(request)
    # Its code may be what another system calls it: any text.
    return _file(request, query, f"record-{record.id}", item_id=record.id)


def _page(query: LogQuery, lines: Sequence[LogLine]) -> Response:
    if query.around is not None:
        return Listing([line.as_dict() for line in lines])
    return Listing([line.as_dict() for line in lines], next_id(lines, query.limit, forward=query.after is not None))


def _file(request: Request, query: TextQuery, name: str, **of: Unpack[Of]) -> Response:
    deck = service(request)
    text = log_text(deck.journal, Scrubber(_secrets(request)), **of, level=query.level, q=query.q)
    headers = {"Content-Disposition": f'attachment; filename="{name}.log"', "Cache-Control": "no-store"}
    return StreamingResponse(text, media_type="text/plain; charset=utf-8", headers=headers)


def _secrets(request: Request) -> list[str]:
    deck = service(request)
    rows = [daemon.row for daemon in deck.board.all()]
    options = [value for row in rows for name, value in row.configuration.items() if name in row.secret_options]
    return [*deck.settings.secrets(), *(value for value in options if isinstance(value, str))]


def _daemon(request: Request) -> DaemonRow:
    return service(request).board.get(request.path_params["name"]).row


CALLS = [
    Call(
        "GET", "/api/daemons/{name}/logs", get_logs, "Its log lines.", shapes.LogPage, command="daemondeck logs {name}"
    ),
    Call(
        "GET",
        "/api/daemons/{name}/logs/download",
        download_logs,
        "Its whole log as text, secrets masked.",
        files={"text/plain": TEXT},
        command="daemondeck logs {name}",
    ),
    Call("GET", "/api/jobs/{id}/logs", get_job_logs, "Its log lines.", shapes.LogPage, command="daemondeck logs {id}"),
    Call(
        "GET",
        "/api/jobs/{id}/logs/download",
        download_job_logs,
        "Its whole log as text, secrets masked.",
        files={"text/plain": TEXT},
        command="daemondeck logs {id}",
    ),
    Call(
        "GET",
        "/api/records/{id}/logs",
        get_record_logs,
        "Its log lines: what its steps said while they were at work on it.",
        shapes.LogPage,
        command="daemondeck records logs {id}",
    ),
    Call(
        "GET",
        "/api/records/{id}/logs/download",
        download_record_logs,
        "Its whole log as text, secrets masked.",
        files={"text/plain": TEXT},
        command="daemondeck records logs {id}",
    ),
]
