"""What the events socket says: `{"seq", "topic", "type", "at", "data"}`, each frame at most 64 KiB."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from starlette.types import Message

from daemons.events import DaemonChanged, DaemonRemoved, Event, ItemChanged, JobChanged, JobRemoved, LogWritten
from daemons.values import Daemon, Job, LogLine
from web.encoding import encode
from web.masks import shown_job

FRAME_BYTES = 64 * 1024
VALUE_BYTES = 4 * 1024
"""Arguments and results that are longer are left out; the API has them whole."""
DAEMONS, JOBS, LOGS, HUB = "daemons", "jobs", "logs", "hub"
_ENVELOPE_BYTES = 200
_in_pieces = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str)


@dataclass(frozen=True)
class Frame:
    """One message to sockets, shared by all that get it.

    While it waits for a slow socket, a newer frame of the same `key` replaces it; a frame without one is a log line.
    """

    seq: int
    key: tuple[str, str] | None
    text: str

    @cached_property
    def message(self) -> Message:
        """The same for every socket: a thousand of them are a thousand sends of one object."""
        return {"type": "websocket.send", "text": self.text}


@dataclass(frozen=True)
class Change:
    """One event with its number, written down once however many listen."""

    seq: int
    at: datetime
    event: Event

    @cached_property
    def frame(self) -> Frame:
        topic, kind, data = describe(self.event)
        text = frame_text(self.seq, topic, kind, self.at, data)
        if kind in ("daemon", "job", "item") and len(text) * 4 > FRAME_BYTES and len(text.encode()) > FRAME_BYTES:
            text = frame_text(self.seq, topic, kind, self.at, _without_bulk(data))
        return Frame(self.seq, self.event.key, text)


def frame_text(seq: int, topic: str, kind: str, at: datetime, data: object) -> str:
    """Write one frame."""
    return encode({"seq": seq, "topic": topic, "type": kind, "at": at, "data": data})


def describe(event: Event) -> tuple[str, str, dict[str, Any]]:
    """Return the topic, type and data that tell of `event`."""
    match event:
        case DaemonChanged(daemon):
            return DAEMONS, "daemon", daemon.as_dict()
        case DaemonRemoved(id):
            return DAEMONS, "removed", {"id": id}
        case JobChanged(job):
            return JOBS, "job", job_data(job)
        case JobRemoved(id):
            return JOBS, "removed", {"id": id}
        case ItemChanged(topic, _, data):
            return topic, "item", dict(data)
        case LogWritten(line):
            return LOGS, "log", line.as_dict()
        case _:
            raise ValueError(f"{type(event).__name__} is not for sockets")


def job_data(job: Job) -> dict[str, Any]:
    """Return a job as its frames show it: long arguments and results are null, and `truncated` says so."""
    data = shown_job(job)
    data["truncated"] = False
    for field in ("args", "result"):
        if not fits(data[field], VALUE_BYTES):
            data[field] = None
            data["truncated"] = True
    return data


def fits(value: object, limit: int) -> bool:
    """Whether `value` is at most `limit` bytes of JSON, found without writing much more than that."""
    if value is None or isinstance(value, int | float):
        return True
    size = 0
    for piece in _in_pieces.iterencode(value):
        size += len(piece) if piece.isascii() else len(piece.encode("utf-8", "replace"))
        if size > limit:
            return False
    return True


def snapshot_frames(
    seq: int, topic: str, at: datetime, items: Iterable[Daemon | Job | LogLine], *, more: bool = False
) -> Iterator[str]:
    """Pack items into as few `snapshot` frames as keep each within 64 KiB; `more` says that others follow the last."""
    packed: list[str] = []
    size = 0
    for item in items:
        text = encode(_fitted(item))
        length = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
        if packed and size + length > FRAME_BYTES - _ENVELOPE_BYTES:
            yield _snapshot(seq, topic, at, packed, more=True)
            packed, size = [], 0
        packed.append(text)
        size += length + 1
    yield _snapshot(seq, topic, at, packed, more=more)


def _fitted(item: Daemon | Job | LogLine) -> dict[str, Any]:
    data = job_data(item) if isinstance(item, Job) else item.as_dict()
    return data if fits(data, FRAME_BYTES - _ENVELOPE_BYTES) else _without_bulk(data)


def _snapshot(seq: int, topic: str, at: datetime, packed: list[str], *, more: bool) -> str:
    head = encode({"seq": seq, "topic": topic, "type": "snapshot", "at": at})
    return f'{head[:-1]},"data":{{"items":[{",".join(packed)}],"more":{"true" if more else "false"}}}}}'


def _without_bulk(data: dict[str, Any]) -> dict[str, Any]:
    """Leave out what alone can fill a frame: a configuration, fields, and the tracebacks along a chain of errors."""
    slim = {**data, "truncated": True}
    for name in ("configuration", "fields"):
        if name in slim:
            slim[name] = None
    if slim.get("error"):
        slim["error"] = {**slim["error"], "detail": None, "cause": None}
    return slim
