"""Single frames of a film as files: upright, as they are shown, and of a bounded size."""

import hashlib
import io
from collections.abc import Iterator
from typing import Any

import av.error
from av.container import InputContainer
from av.video import VideoFrame, VideoStream
from PIL import Image, ImageStat

from daemons.worker_process import Alive
from daemons.workflows.polling.film.errors import FootageDamaged, FootageError, FootageTooLarge, FootageTruncated
from daemons.workflows.polling.film.keeping import keep
from daemons.workflows.polling.film.opening import PIXEL_LIMIT, Pulse, Steps, decoded, film, picture_of

AWAY_SECONDS = 2.0
"""A film that shows its last frame so long before is cut off; of one that ends a little early that frame is taken."""
BACK_SECONDS = 15.0
# Matroska knows whole milliseconds only.
_ROUNDING = 0.0015
_QUALITY = 88
_TURNS = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}


def first_frame(container: InputContainer, stream: VideoStream, pulse: Pulse) -> Steps[VideoFrame]:
    """Return the first frame that can be decoded. Raises FootageDamaged."""
    for frame in decoded(container, stream, pulse):
        if isinstance(frame, VideoFrame):
            return frame
        if isinstance(frame, Alive):
            yield frame
    raise FootageDamaged("The film holds no frame that can be decoded.")


def frame_at(container: InputContainer, stream: VideoStream, seconds: float, pulse: Pulse) -> Steps[VideoFrame]:
    """Return the frame that is shown `seconds` after the film's beginning. Raises FootageTruncated where none is."""
    # Where a container has no index, it is guessed where to begin reading, sometimes too late.
    for begin in sorted({seconds, max(0.0, seconds - BACK_SECONDS), 0.0}, reverse=True):
        _seek(container, stream, begin)
        found, at = yield from _last_before(container, stream, seconds, pulse)
        if found is None or seconds - at > AWAY_SECONDS:
            break
        if at <= seconds + _ROUNDING or begin == 0:
            return found
    raise FootageTruncated(f"The film has no frame at {seconds:g} seconds, although it should.")


def _last_before(
    container: InputContainer, stream: VideoStream, seconds: float, pulse: Pulse
) -> Steps[tuple[VideoFrame | None, float]]:
    """Return the last frame that is shown at `seconds` or before, else the one that comes first; and when it is."""
    found, found_at = None, 0.0
    for frame in decoded(container, stream, pulse):
        if isinstance(frame, Alive):
            yield frame
            continue
        assert isinstance(frame, VideoFrame)
        at = _seconds(frame, stream)
        if found is None or at <= seconds + _ROUNDING:
            found, found_at = frame, at
        if at >= seconds - _ROUNDING:
            break
    return found, found_at


def shown_size(frame: VideoFrame, stream: VideoStream) -> tuple[int, int]:
    """Return width and height as a player shows them: square pixels, upright. Raises FootageTooLarge."""
    if frame.width * frame.height > PIXEL_LIMIT:
        raise FootageTooLarge(f"The film has {frame.width:,} × {frame.height:,} pixels, which is more than is decoded.")
    aspect = stream.sample_aspect_ratio
    # An aspect beyond these is damage: no camera has it.
    width = round(frame.width * aspect) if aspect and 0.2 <= aspect <= 5 else frame.width
    return (frame.height, width) if frame.rotation % 180 else (width, frame.height)


def picture(frame: VideoFrame, stream: VideoStream, edge: int) -> Image.Image:
    """Return `frame` upright, in square pixels, no edge longer than `edge`."""
    width, height = shown_size(frame, stream)
    scale = min(1.0, edge / max(width, height))
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    turn = _TURNS.get(frame.rotation % 360)
    lying = (height, width) if frame.rotation % 180 else (width, height)
    plane = frame.reformat(*lying, format="rgb24").planes[0]
    image = Image.frombuffer("RGB", lying, bytes(plane), "raw", "RGB", plane.line_size, 1)
    return image.transpose(turn) if turn is not None else image


def write_frames(path: bytes, wanted: list[dict[str, Any]], edge: int) -> Iterator[Any]:
    """Write a JPEG for each of `wanted`, {"seconds", "to"}; yield signs of life, and a dict for each.

    A frame that is not there or cannot be decoded is an "error" in its dict; the others are written all the same.
    """
    pulse = Pulse()
    with film(path) as (container, _):
        stream = picture_of(container)
        for one in wanted:
            try:
                frame = yield from frame_at(container, stream, one["seconds"], pulse)
                image = picture(frame, stream, edge)
            except FootageError as error:
                yield {**one, "error": {"code": error.error_code, "message": error.message, "remedy": error.remedy}}
                continue
            data = io.BytesIO()
            image.save(data, "JPEG", quality=_QUALITY, optimize=True)
            keep(data.getvalue(), one["to"])
            yield {
                **one,
                "sha256": hashlib.sha256(data.getvalue()).hexdigest(),
                "size": data.tell(),
                "width": image.width,
                "height": image.height,
                "contrast": round(ImageStat.Stat(image.convert("L")).stddev[0], 2),
            }


def _seek(container: InputContainer, stream: VideoStream, seconds: float) -> None:
    assert stream.time_base is not None
    try:
        container.seek((stream.start_time or 0) + int(seconds / stream.time_base), stream=stream)
    except av.error.FFmpegError:
        # What cannot be sought is read on from where it stands.
        return


def _seconds(frame: VideoFrame, stream: VideoStream) -> float:
    assert stream.time_base is not None
    stamp = frame.pts if frame.pts is not None else frame.dts
    return float(((stamp or 0) - (stream.start_time or 0)) * stream.time_base)
