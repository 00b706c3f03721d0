"""The part of a page that shows log lines: which ones are asked for, and how one gets to others."""

from typing import Any, Unpack

from pydantic import Field
from starlette.requests import Request

from daemons.states import LogLevel
from web.api.logs import LogQuery, Of, lines_of
from web.api.paging import LIMIT_MOST

LINES_SHOWN = 200
FEW_LINES = 100


class LogPageQuery(LogQuery):
    """Which lines to show."""

    limit: int = Field(LINES_SHOWN, ge=1, le=LIMIT_MOST)


class ShortLogQuery(LogPageQuery):
    """The same on a page that is about more than its log."""

    limit: int = Field(FEW_LINES, ge=1, le=LIMIT_MOST)


async def log_shown(request: Request, query: LogPageQuery, **of: Unpack[Of]) -> dict[str, Any]:
    """Return what partials/log.html and log_filter.html need for what `query` asks."""
    lines = await lines_of(request, query, **of)
    is_placed = query.around is not None or query.after is not None
    return {
        "lines": lines,
        "asked": query,
        "is_newest": not (is_placed or query.before is not None or query.q),
        "levels": [level.value for level in LogLevel],
        "older": lines[0].id if len(lines) == query.limit and not is_placed else None,
        "filters": {name: value for name, value in {"level": query.level or "", "q": query.q or ""}.items() if value},
    }
