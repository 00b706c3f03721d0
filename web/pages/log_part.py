"""The part of a page that shows log lines: which ones are asked for, and how one gets to others."""

from typing import Any

from pydantic import Field
from starlette.requests import Request

from daemons.states import LogLevel
from web.api.logs import LogQuery, lines_of
from web.api.paging import LIMIT_MOST

LINES_SHOWN = 200


class LogPageQuery(LogQuery):
    """Which lines to show."""

    limit: int = Field(LINES_SHOWN, ge=1, le=LIMIT_MOST)


async def log_shown(
    request: Request, query: LogPageQuery, *, daemon_id: str | None = None, job_id: str | None = None
) -> dict[str, Any]:
    """Return what partials/log.html and log_filter.html need for what `query` asks."""
    lines = await lines_of(request, query, daemon_id=daemon_id, job_id=job_id)
    is_placed = query.around is not None or query.after is not None
    return {
        "lines": lines,
        "asked": query,
        "is_newest": not (is_placed or query.before is not None or query.q),
        "levels": [level.value for level in LogLevel],
        "older": lines[0].id if len(lines) == query.limit and not is_placed else None,
        "filters": {name: value for name, value in {"level": query.level or "", "q": query.q or ""}.items() if value},
    }
