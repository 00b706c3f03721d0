"""A log as a text file: every line with its time and level, secrets masked, however long it is."""

from collections.abc import AsyncIterator
from datetime import UTC

from daemons.journal import Journal
from daemons.logs import Scrubber
from daemons.states import LogLevel
from daemons.values import LogLine

AT_ONCE = 1_000


async def log_text(
    journal: Journal,
    scrubber: Scrubber,
    *,
    daemon_id: str | None = None,
    job_id: str | None = None,
    item_id: str | None = None,
    level: LogLevel | None = None,
    q: str | None = None,
) -> AsyncIterator[str]:
    """Yield all lines that are kept, oldest first, as pieces of one text."""
    after = 0
    while True:
        lines = await journal.lines(
            daemon_id=daemon_id, job_id=job_id, item_id=item_id, level=level, q=q, after=after, limit=AT_ONCE
        )
        if lines:
            yield "".join(_written(line, scrubber) for line in lines)
        if len(lines) < AT_ONCE:
            return
        after = lines[-1].id


def _written(line: LogLine, scrubber: Scrubber) -> str:
    at = line.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    # What goes on below is indented: no text in it can pose as a line of the log.
    message = scrubber.text(line.message).replace("\n", "\n    ")
    return f"{at} {line.level.value:<8} {message}\n"
