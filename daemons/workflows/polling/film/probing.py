"""What a film is: its container, streams, length and rate, and which bytes these are."""

import hashlib
import itertools
import os
from statistics import median
from typing import Any, BinaryIO

import av
import av.error
from av.container import InputContainer
from av.stream import Stream
from av.video import VideoStream

from daemons.pictures.content import Content, ensure_unchanged
from daemons.pictures.image_errors import FileUnreadable
from daemons.text import clean
from daemons.worker_process import Alive
from daemons.workflows.polling.film.frames import first_frame, shown_size
from daemons.workflows.polling.film.opening import Pulse, Steps, film, name_of, packets_of, picture_of
from daemons.workflows.polling.film.tags import read_tags

SCAN_SECONDS = 120.0
"""So long a film is read through that does not say how long it is."""
RATE_PACKETS = 300
SOUNDS_MOST = 32
"""Streams of sound that are told of."""
_INDEX_MOST = 100_000
_CHUNK = 4 * 1024 * 1024
_MIME = {
    "matroska": "video/x-matroska",
    "avi": "video/x-msvideo",
    "mpegts": "video/mp2t",
    "mpeg": "video/mpeg",
    "mxf": "application/mxf",
    "asf": "video/x-ms-asf",
    "flv": "video/x-flv",
    "ogg": "video/ogg",
    "dv": "video/dv",
    "gxf": "application/gxf",
}


def probe(path: bytes) -> Steps[dict[str, Any]]:
    """Return the facts of the film at `path` as JSON values. Raises FootageError, or ImageError for its file."""
    pulse = Pulse()
    with film(path) as (container, file):
        content = yield from _content(file, pulse)
        stream = picture_of(container)
        # Before anything is read out of it: decoding the first frame tells how it is turned.
        frame = yield from first_frame(container, stream, pulse)
        width, height = shown_size(frame, stream)
        duration = yield from _duration(container, stream, pulse)
        rate = stream.average_rate or stream.guessed_rate
        facts = {
            "sha256": content.sha256,
            "size": content.size,
            "mtime_ns": content.mtime_ns,
            "file_type": _file_type(container, file),
            "container": container.format.name.split(",")[0],
            "codec": name_of(stream),
            "width": width,
            "height": height,
            "rotation": frame.rotation,
            "duration": duration,
            "fps": round(float(rate), 3) if rate else None,
            "is_variable_rate": (yield from _is_variable(container, stream, pulse)),
            "has_audio": bool(container.streams.audio),
            "audio": [_sound(one) for one in container.streams.audio[:SOUNDS_MOST]],
            **read_tags(container),
        }
        ensure_unchanged(file, content)
    return facts


def _content(file: BinaryIO, pulse: Pulse) -> Steps[Content]:
    before, digest = os.fstat(file.fileno()), hashlib.sha256()
    at = file.tell()
    try:
        file.seek(0)
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            yield from pulse.beat()
        # Where the container's own reading stood.
        file.seek(at)
    except OSError as error:
        raise FileUnreadable(f"The file cannot be read: {error.strerror}.") from error
    return Content(digest.hexdigest(), before.st_size, before.st_mtime_ns)


def _duration(container: InputContainer, stream: VideoStream, pulse: Pulse) -> Steps[float | None]:
    if stream.duration and stream.time_base:
        return round(float(stream.duration * stream.time_base), 3)
    if container.duration and container.duration > 0:
        return round(container.duration / av.time_base, 3)
    return (yield from _scanned(container, stream, pulse))


def _scanned(container: InputContainer, stream: VideoStream, pulse: Pulse) -> Steps[float | None]:
    """Return when the last picture ends, by reading all of it; None if that takes too long."""
    first = last = None
    count, began = 0, pulse.seconds
    _rewind(container)
    for packet in packets_of(container, stream, pulse):
        if isinstance(packet, Alive):
            yield packet
            continue
        if pulse.seconds - began > SCAN_SECONDS:
            return None
        count += packet.size > 0
        if packet.pts is not None:
            first = packet.pts if first is None else min(first, packet.pts)
            last = max(last or packet.pts, packet.pts + (packet.duration or 0))
    if first is not None and last is not None and stream.time_base:
        return round(float((last - first) * stream.time_base), 3)
    rate = stream.average_rate or stream.guessed_rate
    return round(float(count / rate), 3) if rate else None


def _is_variable(container: InputContainer, stream: VideoStream, pulse: Pulse) -> Steps[bool]:
    """Whether pictures follow each other at different distances; of a film without an index, at its beginning."""
    if container.format.name.startswith("mov"):
        entries = stream.index_entries
        times = [entry.timestamp for entry in itertools.islice(entries, _INDEX_MOST)]
    else:
        times = yield from _first_times(container, stream, pulse)
    times.sort()
    # Where one film was cut to the next there may be a gap; the last one may be shorter.
    steps = [after - before for before, after in itertools.pairwise(times)]
    if len(steps) < 3 or not stream.time_base:
        return False
    usual = median(steps)
    # Containers round: of 30 a second, Matroska makes steps of 33 and 34 ms.
    odd = [step for step in steps if abs(step - usual) > max(2, usual * 0.2)]
    return len(odd) > len(steps) / 20


def _first_times(container: InputContainer, stream: VideoStream, pulse: Pulse) -> Steps[list[int]]:
    times: list[int] = []
    _rewind(container)
    for packet in packets_of(container, stream, pulse):
        if isinstance(packet, Alive):
            yield packet
            continue
        if packet.pts is not None:
            times.append(packet.pts)
        if len(times) >= RATE_PACKETS:
            break
    return times


def _rewind(container: InputContainer) -> None:
    try:
        container.seek(container.start_time or 0)
    except av.error.FFmpegError:
        # What cannot be sought is read on from where it stands.
        return


def _sound(stream: Stream) -> dict[str, Any]:
    context = stream.codec_context
    return {
        "codec": name_of(stream),
        "channels": getattr(context, "channels", None),
        "rate": getattr(context, "sample_rate", None),
        "language": clean(stream.language, 40) if stream.language else None,
    }


def _file_type(container: InputContainer, file: BinaryIO) -> str:
    name = container.format.name.split(",")[0]
    brand = container.metadata.get("major_brand", "").strip().lower()
    if name == "mov":
        return "video/quicktime" if brand in ("qt", "") else "video/3gpp" if brand.startswith("3g") else "video/mp4"
    if name == "matroska":
        at = file.tell()
        file.seek(0)
        is_webm = b"webm" in file.read(64)
        file.seek(at)
        return "video/webm" if is_webm else _MIME[name]
    return _MIME.get(name, "application/octet-stream")
