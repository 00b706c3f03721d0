"""Jobs as files, written as they are read: memory stays as small as one page, however many there are."""

import csv
import io
from collections.abc import AsyncIterator
from typing import Any, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from daemons.jobs import Jobs
from daemons.jobs.filters import JobFilter
from daemons.jobs.lists import LIMIT_MOST
from daemons.jobs.query import QUERY_CHARACTERS
from daemons.values import Job
from web.api.calls import TEXT, Call
from web.context import service
from web.encoding import encode
from web.masks import shown_job
from web.parsing import Query

COLUMNS = (
    "id", "type", "lane", "state", "daemon_name", "parent_id", "key", "attempt", "failures", "priority",
    "created_at", "started_at", "finished_at", "error_code", "error_message", "args", "result",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What spreadsheets take for the beginning of something to compute."""


class ExportQuery(Query):
    """Which jobs, and as what."""

    format: Literal["csv", "json"] = Field("csv", description="csv or json.")
    q: str = Field("", max_length=QUERY_CHARACTERS, description="As in GET /api/jobs.")


async def export_jobs(request: Request, query: ExportQuery) -> Response:
    chosen = JobFilter(q=query.q)
    _ = chosen.query  # refused now, not in the middle of the file
    jobs = service(request).jobs
    pages = _csv(jobs, chosen) if query.format == "csv" else _json(jobs, chosen)
    kind = "text/csv; charset=utf-8" if query.format == "csv" else "application/json"
    headers = {"Content-Disposition": f'attachment; filename="jobs.{query.format}"', "Cache-Control": "no-store"}
    return StreamingResponse(pages, media_type=kind, headers=headers)


async def _pages(jobs: Jobs, chosen: JobFilter) -> AsyncIterator[list[Job]]:
    cursor: str | None = None
    while True:
        page = await jobs.list(chosen, cursor=cursor, limit=LIMIT_MOST)
        yield page.items
        if (cursor := page.next) is None:
            return


async def _json(jobs: Jobs, chosen: JobFilter) -> AsyncIterator[str]:
    lead = "["
    async for page in _pages(jobs, chosen):
        for job in page:
            yield lead + encode(shown_job(job))
            lead = ",\n"
    yield "[]\n" if lead == "[" else "]\n"


async def _csv(jobs: Jobs, chosen: JobFilter) -> AsyncIterator[str]:
    yield ",".join(COLUMNS) + "\r\n"
    async for page in _pages(jobs, chosen):
        text = io.StringIO(newline="")
        csv.writer(text).writerows([[csv_cell(value) for value in _row(job)] for job in page])
        yield text.getvalue()


def _row(job: Job) -> list[Any]:
    shown: dict[str, Any] = shown_job(job)
    error = shown["error"] or {}
    shown |= {"error_code": error.get("code"), "error_message": error.get("message")}
    return [shown[name] for name in COLUMNS]


def csv_cell(value: Any) -> str:
    """Write a value so that no spreadsheet takes it for a formula."""
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    text = value if isinstance(value, str) else encode(value).strip('"')
    return f"'{text}" if text.startswith(_FORMULA) else text


CALLS = [
    Call(
        "GET",
        "/api/jobs/export",
        export_jobs,
        "All jobs that match, as a file.",
        files={"text/csv": TEXT, "application/json": {"type": "array", "items": {"type": "object"}}},
        command="daemondeck jobs export",
    ),
]
