"""Opens a film without trust: a regular file, a container that leads nowhere else, errors that say what is wrong."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, TypeVar

import av
import av.error
from av.audio import AudioStream
from av.container import InputContainer
from av.frame import Frame
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video import VideoStream

from daemons.clock import SystemClock
from daemons.pictures.content import opened
from daemons.pictures.image_errors import FileUnreadable
from daemons.worker_process import Alive
from daemons.workflows.polling.film.errors import (
    CodecUnknown,
    FootageDamaged,
    FootageTooLarge,
    FootageTruncated,
    NotFootage,
    NoVideo,
)

T = TypeVar("T")
Steps = Generator[Alive, None, T]
"""What says meanwhile that it goes on, its result returned at the end: `result = yield from steps`."""

CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mxf,mxf_opatom,asf,flv,ogg,dv,gxf,ivf,nut"
"""Playlists are left out: they would have other files and addresses be read. So are bare streams, without any times."""
PIXEL_LIMIT = 9000 * 9000
ALIVE_SECONDS = 3.0
UNREADABLE_MOST = 200
"""So many packets in a row that cannot be decoded are passed over."""

# What the Python around the library raises for numbers in a film that make no sense.
_WRAPPER_ERRORS = (IndexError, OverflowError, ValueError, ZeroDivisionError)

# How each begins, apart from what is in it: the rest may be missing.
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
_BEGINNINGS = (b"\x1a\x45\xdf\xa3", b"RIFF", b"FLV\x01", b"OggS", b"\x30\x26\xb2\x75", b"\x06\x0e\x2b\x34")


class Pulse:
    """Says now and then that there is something to be heard."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self.began = self._last = self._clock.monotonic()

    @property
    def seconds(self) -> float:
        """The seconds since it was made."""
        return self._clock.monotonic() - self.began

    def beat(self) -> Iterator[Alive]:
        """Yield a sign of life if the last one was a while ago."""
        if self._clock.monotonic() - self._last >= ALIVE_SECONDS:
            self._last = self._clock.monotonic()
            yield Alive()


@contextmanager
def film(path: bytes) -> Iterator[tuple[InputContainer, BinaryIO]]:
    """Open the film at `path`, and the file under it. What libraries raise in the block becomes an error of ours."""
    with opened(path) as file, _translated(file):
        # By the file and not by its name: a name could be taken for an address, and need not be UTF-8.
        options = {"format_whitelist": CONTAINERS, "protocol_whitelist": ""}
        with av.open(file, container_options=options, metadata_errors="replace", buffer_size=256 * 1024) as container:
            assert isinstance(container, InputContainer)
            yield container, file


def picture_of(container: InputContainer) -> VideoStream:
    """Return the stream of the film's picture. Raises NoVideo, CodecUnknown or FootageTooLarge."""
    cover = Disposition.attached_pic
    moving = [stream for stream in container.streams.video if not stream.disposition & cover]
    if not moving:
        found = ", ".join(sorted({name_of(stream) for stream in container.streams.audio}))
        raise NoVideo(f"The file has no video stream, only sound ({found})." if found else None)
    stream = next((one for one in moving if one.disposition & Disposition.default), moving[0])
    if stream.codec_context is None:
        raise CodecUnknown
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > PIXEL_LIMIT:
        raise FootageTooLarge(f"The film has {width:,} × {height:,} pixels, which is more than is decoded.")
    return stream


def packets_of(
    container: InputContainer, stream: VideoStream | AudioStream, pulse: Pulse
) -> Iterator["Alive | Packet[Any]"]:
    """Yield what the film holds from where it stands, as far as it goes, and signs of life."""
    packets = container.demux(stream)
    while True:
        yield from pulse.beat()
        try:
            packet = next(packets, None)
        except (MemoryError, OSError):
            raise
        except av.error.FFmpegError:
            return  # The rest is missing, or damage.
        if packet is None:
            return
        yield packet


def decoded(container: InputContainer, stream: VideoStream | AudioStream, pulse: Pulse) -> Iterator[Alive | Frame]:
    """Yield the frames of `packets_of` that can be decoded, and signs of life."""
    unreadable = 0
    for packet in packets_of(container, stream, pulse):
        if isinstance(packet, Alive):
            yield packet
            continue
        try:
            frames = packet.decode()
        except MemoryError:
            raise
        except av.error.FFmpegError:
            unreadable += 1
            if unreadable > UNREADABLE_MOST:
                return
            continue
        unreadable = 0
        yield from (frame for frame in frames if isinstance(frame, Frame))


def name_of(stream: Stream) -> str:
    """Return the codec of a stream, as `h264`."""
    return stream.codec_context.name if stream.codec_context is not None else "unknown"


@contextmanager
def _translated(file: BinaryIO) -> Iterator[None]:
    try:
        yield
    except MemoryError:
        raise
    except (av.error.DecoderNotFoundError, av.error.PatchWelcomeError) as error:
        raise CodecUnknown from error
    except av.error.FFmpegError as error:
        raise _why(file) from error
    except OSError as error:
        raise FileUnreadable(f"The file cannot be read: {error.strerror or error}.") from error
    except _WRAPPER_ERRORS as error:
        raise FootageDamaged from error


def _why(file: BinaryIO) -> Exception:
    # Asked of the bytes: to the library a letter and half a film are both "invalid data".
    try:
        file.seek(0)
        head = file.read(12)
    except OSError as error:
        return FileUnreadable(f"The file cannot be read: {error.strerror or error}.")
    if not head:
        return NotFootage("The file is empty.")
    if head[4:8] in _BOXES:
        return FootageTruncated("The film is cut off or damaged: what tells where its pictures are cannot be read.")
    return FootageDamaged() if head.startswith(_BEGINNINGS) else NotFootage()
