"""Clips for tests: a few seconds, a few pixels, made by PyAV."""

import math
import os
from array import array
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.audio import AudioStream
from av.container import OutputContainer
from av.video import VideoStream
from PIL import Image

from daemons.folders.paths import wire_path

TICKS = 1000
RATE = 16_000
COLOURS = ("red", "yellow", "green", "blue", "magenta", "cyan")
"""What each second of a clip is, in turn."""


def scene(second: float, width: int, height: int) -> Image.Image:
    """Return a picture of that second's colour, its left half black."""
    picture = Image.new("RGB", (width, height), COLOURS[int(second) % len(COLOURS)])
    picture.paste("black", (0, 0, width // 2, height))
    return picture


def filmed(
    path: Path | bytes,
    seconds: float = 6,
    *,
    rate: int = 5,
    size: tuple[int, int] = (64, 48),
    container: str = "mov",
    codec: str = "mpeg4",
    sound: float | None = 0.5,
    picture: bool = True,
    rotation: int = 0,
    aspect: Fraction | None = None,
    times: Sequence[float] | None = None,
    tags: dict[str, str] | None = None,
    look: Callable[[float, int, int], Image.Image] = scene,
    options: dict[str, str] | None = None,
) -> bytes:
    """Write a clip, and return its path; `sound` is how loud its tone is, `times` are when frames are shown."""
    path = os.fsencode(path)
    with (
        Path(os.fsdecode(path)).open("wb") as file,
        av.open(file, "w", format=container, options=options or {}) as output,
    ):
        output.metadata.update(tags or {})
        film = _film(output, codec, rate, size, rotation, aspect) if picture else None
        track = _track(output, container) if sound is not None else None
        for at in (times or [number / rate for number in range(round(seconds * rate))]) if film else ():
            frame = av.VideoFrame.from_image(look(at, *size)).reformat(format="yuv420p")
            frame.pts, frame.time_base = round(at * TICKS), Fraction(1, TICKS)
            output.mux(film.encode(frame))
        if film:
            output.mux(film.encode(None))
        if track and sound is not None:
            for begin in range(0, int(seconds * RATE), 1024):
                output.mux(track.encode(_tone(begin, min(1024, int(seconds * RATE) - begin), sound)))
            output.mux(track.encode(None))
    return path


def _film(
    output: OutputContainer, codec: str, rate: int, size: tuple[int, int], rotation: int, aspect: Fraction | None
) -> VideoStream:
    film: Any = output.add_stream(codec, rate=rate)
    film.width, film.height, film.pix_fmt = *size, "yuv420p"
    film.codec_context.time_base = Fraction(1, TICKS)
    film.gop_size = rate
    if rotation:
        film.set_display_rotation(rotation)
    if aspect is not None:
        film.sample_aspect_ratio = aspect
    assert isinstance(film, VideoStream)
    return film


def _track(output: OutputContainer, container: str) -> AudioStream:
    codec = {"mp4": "aac", "mpegts": "aac", "webm": "libopus"}.get(container, "pcm_s16le")
    track = output.add_stream(codec, rate=RATE)
    assert isinstance(track, AudioStream)
    return track


def _tone(begin: int, count: int, loud: float) -> av.AudioFrame:
    samples = array("h", (int(32767 * loud * math.sin(at / 10)) for at in range(begin, begin + count)))
    frame = av.AudioFrame(format="s16", layout="mono", samples=count)
    frame.planes[0].update(samples.tobytes().ljust(frame.planes[0].buffer_size, b"\0"))
    frame.sample_rate, frame.pts, frame.time_base = RATE, begin, Fraction(1, RATE)
    return frame


def wired(path: Path | bytes) -> str:
    """Return `path` as requests spell it."""
    return wire_path(os.fsencode(path))
