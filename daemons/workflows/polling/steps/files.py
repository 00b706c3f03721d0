"""Which file a record is of, and how reading it can fail.

FileGone            it is not there: missing, or moved
DiskAway            nor is the folder it was in, or the disk does not answer
FileEmpty           it has 0 bytes, as a copy that has not begun
FileReplaced        its bytes are others than those that were looked at
FileUnfit           no other try would help: it is no image, or a damaged one
FileTrouble         anything else that reading it in a worker process came to
"""

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple, NoReturn

from daemons.errors import DaemonError, ErrorInfo, Permanent, Unavailable
from daemons.folders.paths import disk_path
from daemons.pictures.content import opened
from daemons.pictures.image_errors import FileChanged, FileMissing, FileUnreadable, ImageError
from daemons.workflows.polling.ladder import Outcome
from daemons.workflows.polling.records import Record
from daemons.workflows.polling.steps.file_threads import GoOn

CHUNK = 1024 * 1024
PENDING = "0 - Pending File Info"
"""Where stills, footage and frames begin."""

_AWAY = frozenset(
    {
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.EIO,
        errno.ENODEV,
        errno.ENOTCONN,
        errno.ENXIO,
        errno.ESTALE,
        errno.ETIMEDOUT,
    }
)
"""What a disk says that is not there any more, or does not answer."""
_HOPELESS = ("ERR_IMAGE", "ERR_NOT_AN_IMAGE", "ERR_NOT_A_FILE")


class FileGone(FileMissing):
    """The file is not where it was."""

    remedy = "Put it back where it was, or delete the record."


class DiskAway(Unavailable):
    """The folder of the file cannot be reached."""

    code = "ERR_FOLDER_MISSING"
    remedy = "Mount the disk it is on, or bring the folder back; then have the step tried again."


class FileEmpty(ImageError):
    """The file has 0 bytes."""

    code = "ERR_FILE_EMPTY"
    remedy = "Copy it again from where it came from; the step is tried again by itself."


class FileReplaced(FileChanged):
    """The file is not the one whose facts were read: it was replaced or written to."""

    remedy = "Nothing: it is looked at again once whatever writes it has finished."


class FileUnfit(Permanent):
    """The file is none that can be worked with."""

    code = "ERR_IMAGE_DAMAGED"


class FileTrouble(DaemonError):
    """The file could not be read."""

    code = "ERR_FILE_UNREADABLE"


class Stamp(NamedTuple):
    """What tells one file from another put in its place."""

    device: int
    inode: int
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Stamp":
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def file_of(record: Record) -> bytes:
    """Return the file that is worked on: the copy in the library; while there is none, the source's."""
    copy = record.fields.get("library_path")
    return disk_path(copy) if isinstance(copy, str) and copy else source_of(record)


def source_of(record: Record) -> bytes:
    """Return the file that the record was made of.

    A record whose source is no file, but a record of another system, names its file in `file_path`.
    """
    named = record.fields.get("file_path")
    return disk_path(named if isinstance(named, str) and named else record.source)


def looked_at_again(error: FileReplaced) -> Outcome:
    """Return what a step comes to that finds other bytes than those whose facts were read: they are read anew."""
    return Outcome(to=PENDING, note=f"{error.message} Its facts are read again.")


@contextmanager
def reading(path: bytes) -> Iterator[BinaryIO]:
    """Open the file for reading, whatever goes wrong within the block told in our words. Blocking."""
    try:
        with opened(path) as file:
            yield file
    except FileMissing as error:
        raise _missing(path) from error
    except FileUnreadable as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in _AWAY:
            raise_away(error.__cause__)
        raise
    except ImageError as error:
        if error.error_code.startswith(_HOPELESS):
            raise error_of(error.info()) from error
        raise


def stamp_of(file: BinaryIO) -> Stamp:
    """Return which file this is, as it is now. Raises FileEmpty."""
    stamp = Stamp.of(os.fstat(file.fileno()))
    if not stamp.size:
        raise FileEmpty
    return stamp


def ensure_same(file: BinaryIO, path: bytes, stamp: Stamp) -> None:
    """Raise FileReplaced unless `file` is unchanged since `stamp`, and `path` still leads to it."""
    try:
        at_path = Stamp.of(os.lstat(path))
    except OSError as error:
        raise FileReplaced("The file was moved while it was read.") from error
    if not stamp == Stamp.of(os.fstat(file.fileno())) == at_path:
        raise FileReplaced


def chunks(file: BinaryIO, go_on: GoOn) -> Iterator[bytes]:
    """Yield all bytes of `file`, CHUNK by CHUNK. Raises DiskAway or FileUnreadable."""
    file.seek(0)
    while True:
        go_on()
        try:
            chunk = file.read(CHUNK)
        except OSError as error:
            if error.errno in _AWAY:
                raise_away(error)
            raise FileUnreadable(f"The file cannot be read: {error.strerror}.") from error
        if not chunk:
            return
        yield chunk


def sha256_of(file: BinaryIO, go_on: GoOn) -> str:
    """Return the hash of all bytes of `file`."""
    digest = hashlib.sha256()
    for chunk in chunks(file, go_on):
        digest.update(chunk)
    return digest.hexdigest()


def error_of(info: ErrorInfo) -> DaemonError:
    """Return the error to raise for what a worker, or reading here, says is wrong with a file."""
    kind = FileUnfit if info.code.startswith(_HOPELESS) else FileTrouble
    return kind(info.message, remedy=info.remedy, code=info.code)


def raise_away(error: OSError) -> NoReturn:
    """Raise DiskAway for what the system said."""
    raise DiskAway(f"The disk of the file does not answer: {error.strerror}.") from error


def _missing(path: bytes) -> DaemonError:
    try:
        with os.scandir(path.rpartition(b"/")[0] or b"/") as entries:
            if next(entries, None) is not None:
                return FileGone()
    except FileNotFoundError:
        return DiskAway("The folder of the file is not there.")
    except OSError as error:
        return DiskAway(f"The folder of the file cannot be opened: {error.strerror}.")
    # What an unmounted disk leaves behind.
    return DiskAway("The folder of the file is empty; the disk may not be mounted.")
