"""Copies files into a folder: verified, never over anything, and to be gone on with after whatever broke it off.

    <library>/.incoming/<source>.part ─▶ fsync ─▶ read back ─▶ link as name.ext, name-2.ext, … ─▶ fsync of the folder

All of it is blocking; `go_on` is called between two chunks.
"""

import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from daemons.errors import DaemonError
from daemons.killpoints import reach
from daemons.pictures.originals import clean_name
from daemons.workflows.polling.library_errors import (
    FULL,
    CopyDamaged,
    CopyUnderWay,
    LibraryGone,
    NoFreeName,
    library_errors,
)
from daemons.workflows.polling.steps.file_threads import GoOn
from daemons.workflows.polling.steps.files import FileReplaced, chunks, ensure_same, reading, sha256_of, stamp_of

INCOMING = ".incoming"
NAME_BYTES = 255
NAMES_MOST = 100_000
LEFTOVER_SECONDS = 7 * 24 * 3600
"""A part that nobody has gone on with for so long belongs to nobody."""

_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})
_NO_LOCKS = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS})
_BAD_NAME = frozenset({errno.EINVAL, errno.EILSEQ, errno.ENAMETOOLONG})


@dataclass(frozen=True, slots=True)
class Copied:
    """Where the content of the source is now; `is_new`: whether it was not there before."""

    path: bytes
    sha256: str
    is_new: bool


def copy_into(library: Path, source: bytes, sha256: str | None, go_on: GoOn) -> Copied:
    """Have `library` hold the content of `source`, which is that of `sha256` if given.

    A file in the library that has the same name and the same content is the copy, and so is `source` itself when it is
    in there. Run twice, it comes to the same. Raises what `steps.files` names, FileReplaced among it, and LibraryGone,
    LibraryReadOnly, LibraryFull, CopyDamaged, CopyUnderWay or NoFreeName.
    """
    with library_errors(), reading(source) as file:
        if not library.is_dir():
            raise LibraryGone
        stamp = stamp_of(file)
        if _is_inside(source, library):
            return _stays(source, file, sha256, go_on)
        name = source.rpartition(b"/")[2]
        part = Part(library, source)
        if sha256 is not None and (known := _same_content(library, name, stamp.size, sha256, go_on)):
            with suppress(OSError):
                part.path.unlink()  # what a copy that was killed at its very end has left
            return Copied(known, sha256, is_new=False)
        with part.opened() as written:
            found = _write(file, written, go_on)
            ensure_same(file, source, stamp)
            if sha256 not in (None, found):
                raise FileReplaced
            _verify(written, found, go_on)
            # How a file is known to photo programs: by its own time, not by when it was copied.
            os.utime(written.fileno(), ns=(stamp.mtime_ns, stamp.mtime_ns))
            reach("copy verified")
            return _place(library, name, part.path, found, go_on)


class Mounted:
    """Remembers, elsewhere than in the library, that files were copied into it.

    The folder that a disk is mounted on is there without the disk too, and empty: a copy into it would be lost to sight
    as soon as the disk is back.
    """

    def __init__(self, notes: Path, library: Path) -> None:
        self._library = library
        self._note = notes / hashlib.sha256(bytes(library)).hexdigest()[:32]

    def ensure(self) -> None:
        """Raise LibraryGone if the library knows nothing of what was copied into it."""
        if self._note.exists() and not (self._library / INCOMING).is_dir():
            raise LibraryGone(
                "The library folder knows nothing of what was copied into it: its disk is not mounted.",
                remedy=f"Mount its disk. If you have emptied the folder yourself, make a folder {INCOMING} in it.",
            )

    def note(self) -> None:
        """Note that something was copied."""
        self._note.parent.mkdir(parents=True, exist_ok=True)
        self._note.touch()


def holds(library: Path, path: bytes, sha256: str, go_on: GoOn) -> bool:
    """Whether `path` is in `library` and has that content. Blocking."""
    return _is_inside(path, library) and _has_content(path, None, sha256, go_on)


def names_for(name: bytes) -> Iterator[bytes]:
    """Yield `name`, then what it is called where that is taken: name-2.ext, name-3.ext, …, none too long."""
    at = name.rfind(b".")
    stem, ending = (name[:at], name[at:]) if at > 0 and len(name) - at <= 16 else (name, b"")
    for number in range(1, NAMES_MOST + 1):
        suffix = (b"" if number == 1 else b"-%d" % number) + ending
        yield _cut(stem, NAME_BYTES - len(suffix)) + suffix


def _cut(stem: bytes, length: int) -> bytes:
    if len(stem) <= length:
        return stem
    # Not within a character, where the name is text.
    shorter = stem[:length].decode("utf-8", "ignore").encode()
    return shorter if stem.startswith(shorter) and length - len(shorter) < 4 else stem[:length]


def _is_inside(path: bytes, library: Path) -> bool:
    return Path(os.fsdecode(path)).parent.resolve().is_relative_to(library.resolve())


def _stays(source: bytes, file: BinaryIO, sha256: str | None, go_on: GoOn) -> Copied:
    found = sha256_of(file, go_on)
    if sha256 not in (None, found):
        raise FileReplaced
    return Copied(source, found, is_new=False)


def _same_content(library: Path, name: bytes, size: int, sha256: str, go_on: GoOn) -> bytes | None:
    for candidate in names_for(name):
        path = library / os.fsdecode(candidate)
        if not path.exists() and not path.is_symlink():
            return None
        if _has_content(bytes(path), size, sha256, go_on):
            return bytes(path)
    return None


def _has_content(path: bytes, size: int | None, sha256: str, go_on: GoOn) -> bool:
    try:
        with reading(path) as file:
            is_as_large = size in (None, os.fstat(file.fileno()).st_size)
            return is_as_large and sha256_of(file, go_on) == sha256
    except DaemonError:
        return False


class Part:
    """A copy that is not whole yet: one for each source, locked by whoever writes it."""

    def __init__(self, library: Path, source: bytes) -> None:
        self._folder = library / INCOMING
        self.path = self._folder / f"{hashlib.sha256(source).hexdigest()[:32]}.part"

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Open what an earlier try has left, or a new one; it stays if that is broken off. Raises CopyUnderWay."""
        self._folder.mkdir(0o700, exist_ok=True)
        with os.fdopen(self._open(), "r+b", buffering=0) as part:
            try:
                yield part
            except (CopyDamaged, FileReplaced):
                self.path.unlink()
                raise
            except OSError as error:
                if error.errno in FULL:
                    self.path.unlink()
                raise
            self.sweep(os.fstat(part.fileno()))
            self.path.unlink(missing_ok=True)

    def _open(self) -> int:
        while True:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
            try:
                _lock(fd)
                if self._is_ours(fd):
                    return fd
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)

    def _is_ours(self, fd: int) -> bool:
        """Whether this is still the part of that name, and no more than that."""
        try:
            if not os.path.samestat(self.path.lstat(), status := os.fstat(fd)):
                return False  # finished by somebody else between the two
        except FileNotFoundError:
            return False
        if status.st_nlink == 1:
            return True
        # It has its place already, and perhaps somebody has written into it since: no byte of that is touched.
        self.path.unlink()
        return False

    def sweep(self, newest: os.stat_result) -> None:
        """Remove parts that nobody has gone on with; how old they are is told by the clock of the disk they are on."""
        with suppress(OSError):
            for path in self._folder.glob("*.part"):
                if newest.st_ctime - path.lstat().st_ctime > LEFTOVER_SECONDS:
                    path.unlink()


def _lock(fd: int) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise CopyUnderWay from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise


def _write(file: BinaryIO, part: BinaryIO, go_on: GoOn) -> str:
    """Have `part` hold what `file` holds, writing only what differs; return the hash."""
    digest, size = hashlib.sha256(), os.fstat(file.fileno()).st_size
    _require_space(part, size)
    at, has_more = 0, True
    for chunk in chunks(file, go_on):
        digest.update(chunk)
        has_more = has_more and os.pread(part.fileno(), len(chunk), at) == chunk
        if not has_more:
            _write_at(part.fileno(), chunk, at)
        at += len(chunk)
    part.truncate(at)
    os.fsync(part.fileno())
    reach("copy written")
    return digest.hexdigest()


def _write_at(fd: int, chunk: bytes, at: int) -> None:
    rest = memoryview(chunk)
    while rest:
        written = os.pwrite(fd, rest, at)
        rest, at = rest[written:], at + written


def _require_space(part: BinaryIO, size: int) -> None:
    disk = os.statvfs(part.fileno())
    free = disk.f_bavail * disk.f_frsize + os.fstat(part.fileno()).st_blocks * 512
    # Some network drives know nothing of their size.
    if disk.f_blocks and free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _verify(part: BinaryIO, sha256: str, go_on: GoOn) -> None:
    if hasattr(os, "posix_fadvise"):
        # From the disk, not from memory, as far as the system lets itself be told.
        os.posix_fadvise(part.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if sha256_of(part, go_on) != sha256:
        raise CopyDamaged


def _place(library: Path, name: bytes, part: Path, sha256: str, go_on: GoOn) -> Copied:
    size = part.stat().st_size
    # Some disks do not take every name.
    for spelled in dict.fromkeys((name, clean_name(name).encode())):
        with suppress(_BadName):
            for candidate in names_for(spelled):
                path = library / os.fsdecode(candidate)
                if _put_if_free(part, path):
                    reach("copy placed")
                    _sync_folder(library)
                    return Copied(bytes(path), sha256, is_new=True)
                if _has_content(bytes(path), size, sha256, go_on):
                    return Copied(bytes(path), sha256, is_new=False)
    raise NoFreeName


class _BadName(Exception):
    pass


def _put_if_free(part: Path, path: Path) -> bool:
    try:
        put(part, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno in _BAD_NAME:
            raise _BadName from error
        raise
    return True


def put(part: Path, path: Path, *, links: bool = True) -> None:
    """Give `part` the name `path`, at once and only if that is free. Raises FileExistsError."""
    if links:
        try:
            path.hardlink_to(part)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
        else:
            return
    # A disk without links, as of cameras: whoever makes the name first has it.
    path.touch(exist_ok=False)
    part.rename(path)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Some network drives know no such thing for folders.
        with suppress(OSError):
            os.fsync(fd)
    finally:
        os.close(fd)
