"""Which bytes a file holds: a regular file, opened safely, read whole and unchanged. Decodes nothing."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from daemons.pictures.image_errors import FileChanged, FileMissing, FileUnreadable, NotAFile


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


def _why_not_opened(error: OSError | ValueError) -> Exception:
    if isinstance(error, ValueError):  # a NUL in the name: there can be no such file
        return FileMissing()
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
        return FileMissing()
    if error.errno == errno.ELOOP:
        return NotAFile()
    return FileUnreadable(f"The file cannot be read: {error.strerror}.")
