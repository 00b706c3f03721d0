"""Opens a picture safely: a regular file, by its bytes, whole and unchanged, with one decoder and a bound on pixels."""

import errno
import hashlib
import io
import os
import stat
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

# Imported here although only registered: a format that Pillow does not know yet makes it load all 70 of its plug-ins.
from PIL import AvifImagePlugin, Image, TiffImagePlugin, WebPImagePlugin

from daemons.pictures.image_errors import (
    FileChanged,
    FileMissing,
    FileUnreadable,
    ImageDamaged,
    ImageTooLarge,
    ImageTruncated,
    NotAFile,
)
from daemons.pictures.image_kinds import ImageKind, recognise

PIXEL_LIMIT = 200_000_000
# Pillow's own check, which also covers what is found while decoding; by itself it would only warn.
Image.MAX_IMAGE_PIXELS = PIXEL_LIMIT

_ = (AvifImagePlugin, TiffImagePlugin, WebPImagePlugin)

# What Pillow's decoders raise for bytes that are not what they should be.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    EOFError,
    NotImplementedError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class Content:
    """Which bytes were described."""

    sha256: str
    size: int
    mtime_ns: int


@contextmanager
def opened(path: bytes) -> Iterator[BinaryIO]:
    """Open the regular file `path` for reading; a link, pipe, device or folder is refused without touching it."""
    try:
        # Looked at first: merely opening a device can do something.
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise NotAFile
        # No waiting and no link even if the file was exchanged for something else just now.
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise _why_not_opened(error) from error
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise NotAFile
        yield file


def read_content(file: BinaryIO) -> Content:
    """Return the hash of all bytes together with the size and time they had."""
    before = os.fstat(file.fileno())
    try:
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    except OSError as error:
        raise FileUnreadable(f"The file cannot be read: {error.strerror}.") from error
    content = Content(digest, before.st_size, before.st_mtime_ns)
    ensure_unchanged(file, content)
    return content


def ensure_unchanged(file: BinaryIO, content: Content) -> None:
    """Raise FileChanged if `file` is not what it was when `content` was read."""
    now = os.fstat(file.fileno())
    if (now.st_size, now.st_mtime_ns) != (content.size, content.mtime_ns):
        raise FileChanged


@contextmanager
def decoded(file: BinaryIO, size: int) -> Iterator[Image.Image]:
    """Yield the image in `file`, not loaded yet; what decoding raises within the block becomes an error of ours."""
    kind = recognise(file)
    file.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=[kind.name]) as image:
                _refuse_giants(image.size)
                yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageTooLarge(str(error).split(",")[0] + ".") from error
    except MemoryError as error:
        raise ImageTooLarge("Decoding the image needs more memory than a worker may use.") from error
    except _DECODER_ERRORS as error:
        raise _why_not_decoded(kind, file, size) from error


def _refuse_giants(size: tuple[int, int]) -> None:
    width, height = size
    if width * height > PIXEL_LIMIT:
        raise ImageTooLarge(
            f"The image has {width:,} × {height:,} pixels; up to {PIXEL_LIMIT // 1_000_000} million are decoded."
        )


def _why_not_opened(error: OSError | ValueError) -> Exception:
    if isinstance(error, ValueError):  # a NUL in the name: there can be no such file
        return FileMissing()
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
        return FileMissing()
    if error.errno == errno.ELOOP:
        return NotAFile()
    return FileUnreadable(f"The file cannot be read: {error.strerror}.")


def _why_not_decoded(kind: ImageKind, file: BinaryIO, size: int) -> Exception:
    # Asked of the bytes: Pillow tells a missing end from a wrong one only in the wording of its messages.
    try:
        return ImageTruncated() if kind.is_cut_short(file, size) else ImageDamaged()
    except (OSError, io.UnsupportedOperation):
        return FileUnreadable()
