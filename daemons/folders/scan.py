"""Looks through a folder for pictures, in slices within a thread: 200,000 files hold up nobody.

What comes out is in the same order every time: the files of a folder, then its folders, each by name. Links are never
followed, so a loop cannot be walked into, and names that begin with a dot are left out.
"""

import asyncio
import errno
import heapq
import os
import stat
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from daemons.errors import DaemonError
from daemons.folders.paths import joined
from daemons.folders.wanted import ALL, Wanted

# HEIC among them although it cannot be decoded: a named failure is better than pictures that are silently left out.
IMAGE_ENDINGS = frozenset(
    f".{ending}".encode()
    for ending in "jpg jpeg jpe jfif png webp gif tif tiff bmp mpo avif heic heif".split()  # noqa: SIM905
)

_SLICE = 1000
_SORTED_AT_ONCE = 5000
_SKIPPED_KEPT = 100


class DirectoryError(DaemonError):
    """The folder cannot be looked through."""

    code = "ERR_DIRECTORY"


class DirectoryMissing(DirectoryError):
    """The folder does not exist."""

    code = "ERR_DIRECTORY_MISSING"
    remedy = "Check the spelling of the path, or mount the disk that it is on."


class NotADirectory(DirectoryError):
    """The path is not a folder."""

    code = "ERR_NOT_A_DIRECTORY"
    remedy = "Name the folder that holds the pictures."


class DirectoryUnreadable(DirectoryError):
    """The folder may not be read."""

    code = "ERR_DIRECTORY_UNREADABLE"
    remedy = "Give the user that runs this program the right to read the folder."


class DirectoryVanished(DirectoryError):
    """The folder went away while it was being looked through."""

    code = "ERR_DIRECTORY_VANISHED"
    remedy = "Mount the disk again; nothing that is known of its files is lost."


@dataclass(frozen=True, slots=True)
class Found:
    """A file that looks like a picture by its name; `path` is relative to the folder."""

    path: bytes
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something below the folder that could not be looked at, and why."""

    path: bytes
    error: DirectoryError


def has_image_ending(path: bytes) -> bool:
    """Return whether a file is an image by its name."""
    return _ending(path) in IMAGE_ENDINGS


def _ending(path: bytes) -> bytes:
    return os.path.splitext(path)[1].lower()  # noqa: PTH122 - pathlib knows no bytes


class FolderScan:
    """One look through `root` for files of these endings. Read `batches` to its end, then the counts."""

    def __init__(
        self,
        root: bytes,
        *,
        recursive: bool = True,
        wanted: Wanted = ALL,
        endings: Collection[bytes] = IMAGE_ENDINGS,
    ) -> None:
        self._root = root
        self._endings = endings
        self._recursive = recursive
        self._wanted = wanted
        self._identity = (0, 0)
        self._seen: set[tuple[int, int]] = set()

        self.found = 0
        self.looked_at = 0
        self.links = 0
        self.skipped_count = 0
        # The first of them, to be shown; the count is complete.
        self.skipped: list[Skipped] = []

    async def batches(self, size: int = 500, within: Iterable[bytes] | None = None) -> AsyncIterator[list[Found]]:
        """Yield what is found, at most `size` at a time, as it is found. Raises DirectoryError if `root` fails.

        `within`: only what is at or below these paths, which may be gone by now.
        """
        steps = self._walk() if within is None else self._walk_within(within)
        batch: list[Found] = []
        while (found := await asyncio.to_thread(_slice, steps)) is not None:
            batch += found
            while len(batch) >= size:
                yield batch[:size]
                batch = batch[size:]
        # A disk that dropped out shows an empty folder in its place, which must not look like "all deleted".
        await asyncio.to_thread(self._ensure_same_root)
        if batch:
            yield batch

    def _walk(self) -> Iterator[Found | None]:
        """Yield a picture, or None for every other name, so that a slice ends in time where nothing is found."""
        self._identity = self._enter(b"")
        yield from self._walk_below(b"")

    def _walk_within(self, paths: Iterable[bytes]) -> Iterator[Found | None]:
        self._identity = self._enter(b"")
        for path in paths:
            # Looked at once: it may be gone, or something else, the moment after.
            match self._kind_of(path):
                case "folder" if self._recursive and self._wanted.has_folder(path):
                    yield from self._walk_below(path)
                case "file" if self._is_image(path):
                    yield self._look_at(path)
                case _:
                    yield None

    def _kind_of(self, path: bytes) -> Literal["folder", "file"] | None:
        """Return what is at `path`, None where a look through the whole folder would not come by."""
        *above, name = path.split(b"/")
        if any(part.startswith(b".") or not part for part in (*above, name)) or (above and not self._recursive):
            return None
        folders = [b"/".join(above[:count]) for count in range(1, len(above) + 1)]
        if not all(map(self._wanted.has_folder, folders)):
            return None
        try:
            modes = [os.lstat(joined(self._root, one)).st_mode for one in (*folders, path)]
        except OSError:
            return None
        if any(map(stat.S_ISLNK, modes)):
            return None
        return "folder" if stat.S_ISDIR(modes[-1]) else "file"

    def _is_image(self, path: bytes) -> bool:
        return _ending(path) in self._endings and self._wanted.has_file(path)

    def _walk_below(self, start: bytes) -> Iterator[Found | None]:
        folders = [start]
        while folders:
            folder = folders.pop()
            below: list[bytes] = []
            for name, is_folder in self._names(folder):
                self.looked_at += 1
                path = joined(folder, name) if folder else name
                if is_folder:
                    below += [path] if self._wanted.has_folder(path) else []
                    yield None
                else:
                    yield self._look_at(path)
            folders += reversed(below)

    def _enter(self, folder: bytes) -> tuple[int, int]:
        try:
            # The root may be a link, because somebody named it; nothing below it may.
            status = os.stat(joined(self._root, folder), follow_symlinks=not folder)  # noqa: PTH116
        except OSError as error:
            raise _why(error) from error
        if not stat.S_ISDIR(status.st_mode):
            raise NotADirectory
        return status.st_dev, status.st_ino

    def _names(self, folder: bytes) -> Iterator[tuple[bytes, bool]]:
        """Return the names to look at in `folder`, files first, each with whether it is a folder."""
        try:
            identity = self._enter(folder)
            if identity in self._seen:  # the same folder mounted twice, or within itself
                return iter(())
            self._seen.add(identity)
            files, folders = self._list(folder)
        except DirectoryError as error:
            self._skip(folder, error)
            return iter(())
        except OSError as error:
            self._skip(folder, _why(error))
            return iter(())
        return chain(((name, False) for name in _sorted(files)), ((name, True) for name in _sorted(folders)))

    def _list(self, folder: bytes) -> tuple[list[bytes], list[bytes]]:
        files: list[bytes] = []
        folders: list[bytes] = []
        with os.scandir(joined(self._root, folder)) as entries:
            for entry in entries:
                if entry.name.startswith(b"."):
                    continue
                if entry.is_symlink():
                    self.links += 1
                elif entry.is_dir(follow_symlinks=False):
                    folders += [entry.name] if self._recursive else []
                elif self._is_image(joined(folder, entry.name) if folder else entry.name):
                    files.append(entry.name)
        return files, folders

    def _look_at(self, path: bytes) -> Found | None:
        try:
            status = os.lstat(joined(self._root, path))
        except FileNotFoundError:
            return None
        except OSError as error:
            self._skip(path, _why(error))
            return None
        # A pipe called .jpg is passed on: it becomes a named failure of that one item.
        self.found += 1
        return Found(path, status.st_size, status.st_mtime_ns)

    def _skip(self, path: bytes, error: DirectoryError) -> None:
        if path == b"":
            raise error
        self._ensure_same_root()
        self.skipped_count += 1
        if len(self.skipped) < _SKIPPED_KEPT:
            self.skipped.append(Skipped(path, error))

    def _ensure_same_root(self) -> None:
        try:
            same = self._enter(b"") == self._identity
        except DirectoryError as error:
            raise DirectoryVanished from error
        if not same:
            raise DirectoryVanished


def _slice(steps: Iterator[Found | None]) -> list[Found] | None:
    """Return what the next steps found, None at the end."""
    found = []
    for count, step in enumerate(steps, 1):
        if step is not None:
            found.append(step)
        if count >= _SLICE:
            return found
    return found or None


def _sorted(names: list[bytes]) -> Iterable[bytes]:
    # One sort of 200,000 names would keep every other thread waiting until it is done; many small ones do not.
    return heapq.merge(*(sorted(names[at : at + _SORTED_AT_ONCE]) for at in range(0, len(names), _SORTED_AT_ONCE)))


def _why(error: OSError) -> DirectoryError:
    match error.errno:
        case errno.ENOENT:
            return DirectoryMissing()
        case errno.ENOTDIR:
            return NotADirectory()
        case errno.EACCES | errno.EPERM:
            return DirectoryUnreadable()
        case _:
            return DirectoryUnreadable(f"The folder cannot be read: {error.strerror}.", remedy="Check the disk.")
