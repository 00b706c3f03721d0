"""Changes of daemons, jobs, descriptions and records as pieces of page, and as frames of the page's socket.

Each piece is the partial that drew the first load, so both are the same bytes. It is rendered once per change
and the same text goes to every viewer: partials hold nothing that differs between viewers.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from daemons.events import DaemonChanged, Event, ItemChanged, JobChanged
from daemons.values import Daemon, Job, JsonValue
from web.templating import Templates, iso

FRAME_BYTES = 64 * 1024
_ENVELOPE_BYTES = 200  # seq, type, at and quotes; their longest spelling is shorter


@dataclass(frozen=True)
class Fragment:
    """The element with the id `target_id` as it looks at `revision`."""

    target_id: str
    revision: int
    html: str

    @cached_property
    def encoded(self) -> str:
        """The fragment inside a JSON string, escaped once for all viewers; ASCII, so its length is its bytes."""
        partial = f"<hx-partial id='{self.target_id}' hx-swap='outerMorph'>{self.html}</hx-partial>"
        return json.dumps(partial)[1:-1]


def fragments_of(templates: Templates, event: Event) -> tuple[Fragment, ...]:
    """Draw everything that changes on any page because of `event`; nothing when no page shows it."""
    match event:
        case DaemonChanged(daemon):
            return daemon_row(templates, daemon), daemon_facts(templates, daemon)
        case JobChanged(job):
            return job_row(templates, job), job_head(templates, job)
        case ItemChanged("descriptions", _, description):
            return (description_row(templates, description),)
        case ItemChanged("records", _, record):
            return (record_row(templates, record),)
        case ItemChanged("tallies", _, tally):
            return (tiles(templates, tally),)
        case ItemChanged("activity", _, activity):
            return (newest(templates, activity),)
        case ItemChanged("questions", _, question):
            return (question_row(templates, question),)
        case ItemChanged("health", _, data):
            return (health_list(templates, data),)
        case ItemChanged("operations", _, operation):
            return operation_row(templates, operation), operation_head(templates, operation)
        case _:
            return ()


def daemon_row(templates: Templates, daemon: Daemon) -> Fragment:
    """Draw a daemon's row, the same on the list and on top of its own page."""
    return _fragment(templates, f"d-{daemon.id}", daemon.revision, "partials/daemon_row.html", daemon=daemon)


def daemon_facts(templates: Templates, daemon: Daemon) -> Fragment:
    """Draw what only a daemon's own page shows: since when, heartbeat, last error, its commands."""
    return _fragment(templates, f"df-{daemon.id}", daemon.revision, "partials/daemon_facts.html", daemon=daemon)


def job_row(templates: Templates, job: Job) -> Fragment:
    """Draw a job's row, the same on the list, on its daemon's page and among its parent's children."""
    return _fragment(templates, f"j-{job.id}", job.revision, "partials/job_row.html", job=job)


def job_head(templates: Templates, job: Job) -> Fragment:
    """Draw the top of a job's own page: state, progress, error, result."""
    return _fragment(templates, f"jh-{job.id}", job.revision, "partials/job_head.html", job=job)


def description_row(templates: Templates, description: Mapping[str, JsonValue]) -> Fragment:
    """Draw one described image, given as the API shows it."""
    target = f"i-{description['id']}"
    return _fragment(templates, target, 0, "partials/description_row.html", description=description)


def record_row(templates: Templates, record: Mapping[str, Any]) -> Fragment:
    """Draw one record, given as its event tells it: a card of the board, a row of the table."""
    return _fragment(templates, f"r-{record['id']}", record["revision"], "partials/record_row.html", record=record)


def tiles(templates: Templates, tally: Mapping[str, JsonValue]) -> Fragment:
    """Draw the numbers over all jobs."""
    return _fragment(templates, "tiles", 0, "partials/tiles.html", tally=tally)


def operation_row(templates: Templates, operation: Mapping[str, Any]) -> Fragment:
    """Draw a command for many jobs, given as the API shows it, as it stands above the list of jobs."""
    revision = revision_of(operation)
    shown = {"operation": operation, "revision": revision}
    return _fragment(templates, f"o-{operation['id']}", revision, "partials/operation_row.html", **shown)


def operation_head(templates: Templates, operation: Mapping[str, Any]) -> Fragment:
    """Draw the top of its own page."""
    revision = revision_of(operation)
    shown = {"operation": operation, "revision": revision}
    return _fragment(templates, f"oh-{operation['id']}", revision, "partials/operation_head.html", **shown)


def revision_of(operation: Mapping[str, Any]) -> int:
    """Return what orders the pictures of an operation: it grows with every change."""
    return int(operation["done"] + operation["refused"] + (operation["finished_at"] is not None))


def newest(templates: Templates, activity: Mapping[str, JsonValue]) -> Fragment:
    """Draw the newest of what happened to all daemons."""
    return _fragment(templates, "activity", 0, "partials/newest.html", items=activity["items"])


def question_row(templates: Templates, question: Mapping[str, JsonValue]) -> Fragment:
    """Draw one question, given as the API shows it."""
    return _fragment(templates, f"q-{question['id']}", 0, "partials/question_row.html", question=question)


def health_list(templates: Templates, data: Mapping[str, JsonValue]) -> Fragment:
    """Draw what is wrong with the deck, given as the event tells it."""
    return _fragment(templates, "health", 0, "partials/health.html", findings=data["items"])


def rows_frames(fragments: Iterable[Fragment], *, seq: int, at: datetime) -> Iterator[str]:
    """Pack fragments into as few `rows` frames as keep each within 64 KiB.

    A fragment that is too big for any frame becomes a `resync`: the viewer reads its page again, which has no limit.
    """
    room = FRAME_BYTES - _ENVELOPE_BYTES
    waiting: list[str] = []
    size = 0
    oversized = False
    for fragment in fragments:
        if len(fragment.encoded) > room:
            oversized = True
            continue
        if size + len(fragment.encoded) > room:
            yield _rows_frame(waiting, seq, at)
            waiting, size = [], 0
        waiting.append(fragment.encoded)
        size += len(fragment.encoded)
    if waiting:
        yield _rows_frame(waiting, seq, at)
    if oversized:
        yield data_frame("resync", seq=seq, at=at)


def data_frame(kind: str, *, seq: int, at: datetime, **fields: object) -> str:
    """Write a frame without page content: hello, heartbeat, resync, log."""
    return json.dumps({"seq": seq, "type": kind, "at": iso(at), **fields}, default=_plain)


def _rows_frame(encoded: list[str], seq: int, at: datetime) -> str:
    return f'{{"seq": {seq}, "type": "rows", "at": "{iso(at)}", "content": "{"".join(encoded)}"}}'


def _fragment(templates: Templates, target_id: str, revision: int, partial: str, **context: object) -> Fragment:
    # Whitespace around an element would stay in the page as text nodes, two more with every update.
    return Fragment(target_id, revision, templates.render(partial, **context).strip())


def _plain(value: object) -> str:
    return iso(value) if isinstance(value, datetime) else str(value)
