"""Opens the picture behind a description to be sent as it is: only below its folder, through no link, only an image."""

import os
import stat
from dataclasses import dataclass
from typing import BinaryIO

from daemons.errors import Conflict, NotFound
from daemons.pictures.image_errors import FileMissing, FileUnreadable, ImageError, ImageUnsupported, NotAFile
from daemons.pictures.image_kinds import recognise

# What browsers show by themselves, by the decoder's name.
SHOWN_BY_BROWSERS = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "BMP": "image/bmp",
    "AVIF": "image/avif",
}
_BELOW = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


class FolderMissing(Conflict):
    """The folder of the picture is not there."""

    code = "ERR_FOLDER_MISSING"
    remedy = "Mount the disk it is on, or bring the folder back to its place."


class PictureMissing(NotFound):
    """The picture is not there any more."""

    code = "ERR_FILE_MISSING"


class PictureRefused(Conflict):
    """The file is not sent."""

    code = "ERR_NOT_A_FILE"


@dataclass(frozen=True, slots=True)
class Original:
    """An open picture. Whoever has it closes `file`."""

    file: BinaryIO
    name: str
    status: os.stat_result
    media_type: str | None
    """None if no browser shows it."""

    @property
    def stamp(self) -> tuple[int, int]:
        """Size and time of change: what files are known by."""
        return self.status.st_size, self.status.st_mtime_ns


def open_original(folder: bytes, path: bytes) -> Original:
    """Open the picture at `path` below `folder`. Raises FolderMissing, PictureMissing or PictureRefused."""
    try:
        file = os.fdopen(_open_below(folder, path), "rb")
    except FileMissing as error:
        raise PictureMissing(error.message, remedy=error.remedy) from error
    except ImageError as error:
        raise _refused(error) from error
    try:
        media_type = _media_type(file)
        file.seek(0)  # on some systems whoever opens /dev/fd/N goes on where this one stands
        return Original(file, clean_name(path), os.fstat(file.fileno()), media_type)
    except (ImageError, OSError) as error:
        file.close()
        raise _refused(error if isinstance(error, ImageError) else FileUnreadable()) from error


def clean_name(path: bytes) -> str:
    """Return the last part of `path` as a name that any system takes for a file."""
    name = path.rpartition(b"/")[2].decode("utf-8", "replace")
    return "".join("_" if character in '\\/:*?"<>|' or not character.isprintable() else character for character in name)


def _open_below(folder: bytes, path: bytes) -> int:
    *folders, name = path.split(b"/")
    try:
        # The folder itself may be a link, because somebody named it; nothing below it may.
        at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise FolderMissing(f"The folder of the picture cannot be opened: {error.strerror}.") from error
    try:
        for part in folders:
            at = _step(at, part, _BELOW | os.O_DIRECTORY)
        # Looked at first: merely opening a device can do something.
        if not stat.S_ISREG(os.stat(_plain(name), dir_fd=at, follow_symlinks=False).st_mode):
            raise NotAFile
        at = _step(at, name, _BELOW | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(at).st_mode):
            raise NotAFile
    except (FileNotFoundError, ValueError) as error:
        os.close(at)
        raise FileMissing from error
    except OSError as error:
        os.close(at)
        # A link where a folder or the file was: ELOOP, or ENOTDIR where a folder was asked for.
        raise (FileUnreadable() if isinstance(error, PermissionError) else NotAFile()) from error
    except NotAFile:
        os.close(at)
        raise
    return at


def _step(at: int, name: bytes, flags: int) -> int:
    below = os.open(_plain(name), flags, dir_fd=at)
    os.close(at)
    return below


def _plain(name: bytes) -> bytes:
    if name in (b"", b".", b".."):
        raise ValueError("this leads elsewhere")
    return name


def _media_type(file: BinaryIO) -> str | None:
    try:
        return SHOWN_BY_BROWSERS.get(recognise(file).name)
    except ImageUnsupported:
        return None


def _refused(error: ImageError) -> PictureRefused:
    return PictureRefused(error.message, remedy=error.remedy, code=error.error_code)
