"""How copying into the library can fail. All but a missing name mend themselves, or are mended by a person."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from daemons.errors import Conflict, DaemonError, StorageFull, Unavailable

_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.EIO, errno.ENOTCONN, errno.ENODEV, errno.EHOSTDOWN})
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


class LibraryGone(Unavailable):
    """The library folder is not there."""

    code = "ERR_LIBRARY_MISSING"
    remedy = "Mount the disk it is on, or choose another folder; then have the step tried again."


class LibraryReadOnly(Unavailable):
    """Nothing can be written into the library folder."""

    code = "ERR_LIBRARY_READ_ONLY"
    remedy = "Give the user that runs this program the right to write there, or mount the disk writable."


class LibraryFull(StorageFull):
    """There is no space left in the library folder."""

    code = "ERR_LIBRARY_FULL"
    remedy = "Free some space on its disk; then have the step tried again."


class CopyDamaged(DaemonError):
    """What was read back from the library is not what was written."""

    code = "ERR_COPY_DAMAGED"
    remedy = "Check the disk of the library; the file is copied anew."


class CopyUnderWay(Unavailable):
    """Somebody else is copying the same file at this moment."""

    code = "ERR_COPY_UNDER_WAY"


class NoFreeName(Conflict):
    """The library has no name left for the file."""

    code = "ERR_NO_FREE_NAME"
    remedy = "Give the file a name of its own."


@contextmanager
def library_errors() -> Iterator[None]:
    """Tell what the system says in our words. What is wrong with the source has its own by then."""
    try:
        yield
    except OSError as error:
        code, why = error.errno, error.strerror or str(error)
        if code == errno.EFBIG:
            raise LibraryFull("The disk of the library takes no file of that size.") from error
        if code in FULL:
            raise LibraryFull from error
        if code in _READ_ONLY:
            raise LibraryReadOnly(f"Nothing can be written into the library folder: {why}.") from error
        if code in _GONE:
            raise LibraryGone(f"The library folder cannot be reached: {why}.") from error
        raise Unavailable(f"The file cannot be copied into the library: {why}.", code="ERR_LIBRARY") from error
