"""Writes what an image shows into NAME.jpg.xmp beside it: whole or not at all, through no link, never into the image.

Blocking; called in a thread.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import NoReturn

from daemons.errors import Conflict, StorageFull
from daemons.pictures import xmp
from daemons.pictures.originals import FolderMissing, PictureMissing

ENDING = b".xmp"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class SidecarForeign(Conflict):
    """The sidecar that is there was written by another program."""

    code = "ERR_SIDECAR_FOREIGN"
    remedy = "Ask for a merge: then only its description is put in, and the rest stays as it is."


class SidecarRefused(Conflict):
    """What stands in the sidecar's place is no file."""

    code = "ERR_SIDECAR_NOT_A_FILE"
    remedy = "Move it away; links, pipes and folders are not written to."


class SidecarChanged(Conflict):
    """The sidecar was changed by another program just now."""

    code = "ERR_SIDECAR_CHANGED"
    remedy = "Try again once that program has finished."


class FolderReadOnly(Conflict):
    """The folder of the image cannot be written to."""

    code = "ERR_FOLDER_READ_ONLY"
    remedy = "Give the user that runs this program the right to write there."


class SidecarUnwritten(Conflict):
    """The sidecar could not be written."""

    code = "ERR_SIDECAR_UNWRITTEN"
    remedy = "Check the disk, and whether the name of the image is too long for an ending more."


def write_sidecar(folder: bytes, path: bytes, words: str, *, merge: bool, version: str, now: datetime) -> bytes:
    """Have the sidecar of the image at `path` below `folder` say `words`, and return its path below `folder`.

    `merge`: also add the words to a sidecar that another program wrote. What else is in it always stays.
    Raises FolderMissing, PictureMissing, FolderReadOnly, SidecarForeign, SidecarRefused, SidecarChanged,
    SidecarUnreadable, SidecarUnwritten and StorageFull.
    """
    *_, name = path.split(b"/")
    try:
        with _opened(folder, path) as at:
            if not stat.S_ISREG(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
                raise PictureMissing("There is no image in that place any more.")
            old, status = _read(at, name + ENDING)
            if old is None:
                new = xmp.new_sidecar(words, version=version, now=now)
            else:
                found = xmp.read(old)
                if not (found.is_ours or merge):
                    raise SidecarForeign
                new = xmp.merged(found, words)
            if new != old:
                _replace(at, name + ENDING, new, status)
    except OSError as error:
        _refuse(error)
    return path + ENDING


@contextmanager
def _opened(folder: bytes, path: bytes) -> Iterator[int]:
    """Open the folder that the image lies in. The described folder may be a link; nothing below it may."""
    try:
        at = os.open(folder, _FOLDER)
    except OSError as error:
        raise FolderMissing(f"The folder of the image cannot be opened: {error.strerror}.") from error
    try:
        for part in path.split(b"/"):
            if part in (b"", b".", b".."):
                raise PictureMissing("There is no image in that place.")
        for part in path.split(b"/")[:-1]:
            below = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = below
        yield at
    finally:
        os.close(at)


def _read(at: int, name: bytes) -> tuple[bytes | None, os.stat_result | None]:
    try:
        # Looked at first: merely opening a device can do something.
        status = os.stat(name, dir_fd=at, follow_symlinks=False)
    except FileNotFoundError:
        return None, None
    if not stat.S_ISREG(status.st_mode):
        raise SidecarRefused
    with os.fdopen(os.open(name, _READ, dir_fd=at), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise SidecarRefused
        data = file.read(xmp.XMP_BYTES + 1)
    if len(data) > xmp.XMP_BYTES:
        raise xmp.SidecarUnreadable("The sidecar is larger than 1 MiB.")
    return data, status


def _replace(at: int, name: bytes, data: bytes, before: os.stat_result | None) -> None:
    made = temporary_name(name)
    # What a process left behind that was killed while it wrote this one.
    with suppress(FileNotFoundError):
        os.unlink(made, dir_fd=at)
    handle = os.open(made, _MAKE, 0o666, dir_fd=at)
    try:
        with os.fdopen(handle, "wb") as file:
            if before is not None:
                os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if _identity(at, name) != _identity_of(before):
            raise SidecarChanged
        os.rename(made, name, src_dir_fd=at, dst_dir_fd=at)
    except FileNotFoundError as error:
        raise SidecarChanged from error  # by another of our own writers
    except BaseException:
        with suppress(OSError):
            os.unlink(made, dir_fd=at)
        raise
    # Else a power cut could leave the old name of the new file.
    with suppress(OSError):
        os.fsync(at)


def temporary_name(name: bytes) -> bytes:
    """Return what a sidecar is called until it is whole: always the same, and short whatever the name is."""
    return b".daemondeck-" + hashlib.sha256(name).hexdigest()[:16].encode() + b".tmp"


def _identity(at: int, name: bytes) -> tuple[int, ...] | None:
    try:
        return _identity_of(os.stat(name, dir_fd=at, follow_symlinks=False))
    except FileNotFoundError:
        return None


def _identity_of(status: os.stat_result | None) -> tuple[int, ...] | None:
    return None if status is None else (status.st_ino, status.st_size, status.st_mtime_ns)


def _refuse(error: OSError) -> NoReturn:
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            raise StorageFull("The disk that the image is on is full.", remedy="Free some space there.") from error
        case errno.EACCES | errno.EPERM | errno.EROFS:
            raise FolderReadOnly from error
        case errno.ENOENT | errno.ENOTDIR | errno.ELOOP:
            raise PictureMissing("There is no image in that place any more.") from error
        case _:
            raise SidecarUnwritten(f"The sidecar could not be written: {error.strerror}.") from error
