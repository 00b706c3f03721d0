"""The sound of a film as speech recognition wants it: one channel, 16 kHz, FLAC."""

import io
from array import array
from typing import Any

import av
import av.audio
import av.audio.resampler
import av.container

from daemons.worker_process import Alive
from daemons.workflows.polling.film.errors import NoSound
from daemons.workflows.polling.film.keeping import keep
from daemons.workflows.polling.film.opening import Pulse, Steps, decoded, film

RATE = 16_000
"""Samples a second: what models of speech are trained with."""
SECONDS_MOST = 1800.0
"""What is longer is cut off: servers take about 25 MB."""


def write_sound(path: bytes, to: str, begin: float, end: float) -> Steps[dict[str, Any]]:
    """Write the sound between two moments, in seconds, to `to`, `wire_path` text; return how long and loud it is.

    The first stream of sound counts. Raises NoSound where there is none.
    """
    pulse = Pulse()
    with film(path) as (container, _):
        if not container.streams.audio:
            raise NoSound
        stream = container.streams.audio[0]
        data = io.BytesIO()
        with av.open(data, "w", format="flac") as output:
            track = _Track(output, output.add_stream("flac", rate=RATE, layout="mono"))
            yield from _read(container, stream, begin, min(end, begin + SECONDS_MOST), track, pulse)
            track.finish()
    keep(data.getvalue(), to)
    return {"to": to, "seconds": round(track.samples / RATE, 3), "peak": track.peak, "size": len(data.getvalue())}


class _Track:
    """What is written, resampled, and how much it was."""

    def __init__(self, output: av.container.OutputContainer, stream: av.audio.AudioStream) -> None:
        self._output = output
        self._stream = stream
        self._resampler = av.audio.resampler.AudioResampler(format="s16", layout="mono", rate=RATE)
        self.samples = 0
        self._loudest = 0

    @property
    def peak(self) -> float:
        """How loud the loudest moment is, of what can be written."""
        return round(self._loudest / 32768, 4)

    def add(self, frame: av.audio.AudioFrame | None) -> None:
        for one in self._resampler.resample(frame):
            samples = array("h", bytes(one.planes[0])[: 2 * one.samples])
            self._loudest = max(self._loudest, max(samples, default=0), -min(samples, default=0))
            one.pts = self.samples
            self.samples += one.samples
            self._output.mux(self._stream.encode(one))

    def finish(self) -> None:
        if self.samples:
            self.add(None)
        self._output.mux(self._stream.encode(None))


def _read(
    container: av.container.InputContainer,
    stream: av.audio.AudioStream,
    begin: float,
    end: float,
    track: _Track,
    pulse: Pulse,
) -> Steps[None]:
    assert stream.time_base is not None
    starts = stream.start_time or 0
    if begin > 0:
        container.seek(starts + int(begin / stream.time_base), stream=stream)
    for frame in decoded(container, stream, pulse):
        if isinstance(frame, Alive):
            yield frame
            continue
        assert isinstance(frame, av.audio.AudioFrame)
        at = track.samples / RATE
        if frame.pts is not None:
            at = float((frame.pts - starts) * stream.time_base)
        if at >= end:
            return
        # Between two stretches no word is lost and none is heard twice: a frame is of that in which it begins.
        if at >= begin or begin == 0:
            frame.pts = None
            track.add(frame)
