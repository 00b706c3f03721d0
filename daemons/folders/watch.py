"""Watches a folder, so that a new file is seen at once; looking through it now and then stays the truth."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import psutil
from watchfiles import Change, awatch

from daemons.clock import Clock

_NETWORK = {"afs", "autofs", "cifs", "nfs", "nfs4", "smb2", "smb3", "smbfs"}
_SHARED = {"9p", "fuse.rclone", "fuse.sshfs", "fuseblk", "vboxsf", "virtiofs"}
REMOTE = frozenset(_NETWORK | _SHARED)
"""File systems whose changes from elsewhere the kernel does not hear of: they are asked instead."""
REMEMBERED = 10_000
"""More changed paths than these at once are what looking through the whole folder is for."""
POLL_MILLISECONDS = 5000
PAUSE_LEAST, PAUSE_MOST = 5.0, 300.0
"""Seconds before a watch that broke is tried again; the first time it is at once."""


class Place(NamedTuple):
    """What is watched."""

    folder: bytes
    recursive: bool


class FolderWatch:
    """Remembers what changed in a folder and calls `changed` about it. A folder that cannot be watched is not."""

    def __init__(self, clock: Clock, changed: Callable[[], None]) -> None:
        self._clock = clock
        self._tell = changed
        self._place: Place | None = None
        self._task: asyncio.Task[None] | None = None
        self._paths: set[bytes] = set()
        self._is_complete = True

    async def __aenter__(self) -> Self:
        return self

    async def follow(self, place: Place | None) -> None:
        """Watch this folder from now on, and no other."""
        if place == self._place and (self._task is None or not self._task.done()):
            return
        await self._end()
        self._place, self._paths = place, set()
        if place is not None:
            self._task = asyncio.create_task(self._watch(place), name="folder watch")

    def add(self, paths: Iterable[bytes]) -> None:
        """Have `take` tell these paths, relative to the folder, too."""
        self._paths.update(paths)
        if len(self._paths) > REMEMBERED:
            self._paths.clear()
            self._is_complete = False

    def take(self) -> set[bytes] | None:
        """Return the paths that changed since the last time, relative to the folder; None when they may be any."""
        taken = self._paths if self._is_complete else None
        self._paths, self._is_complete = set(), True
        return taken

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def _end(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    async def _watch(self, place: Place) -> None:
        folder = Path(os.fsdecode(place.folder))
        pause = 0.0
        while True:
            try:
                polling = await asyncio.to_thread(is_remote, folder)
                async for changes in _changes(folder, recursive=place.recursive, polling=polling):
                    self._note(place, changes)
                    pause = 0.0
            except* RuntimeError:
                # A name that is not UTF-8 is more than it can tell: whatever was missed, looking will find.
                self._is_complete = False
                self._tell()
            except* OSError:
                # The folder went away, or there are more of them than the kernel watches for one user.
                pass
            await self._clock.sleep(pause)
            pause = min(PAUSE_MOST, max(PAUSE_LEAST, 2 * pause))

    def _note(self, place: Place, changes: set[tuple[Change, str]]) -> None:
        root = os.fsencode(os.path.realpath(place.folder)).rstrip(b"/") + b"/"
        named = place.folder.rstrip(b"/") + b"/"
        paths = set()
        for change, text in changes:
            path = os.fsencode(text)
            start = next((one for one in (named, root) if path.startswith(one)), None)
            if start is None:
                self._is_complete = False
            elif change is not Change.deleted:
                paths.add(path[len(start) :])
        self.add(paths)
        self._tell()


def _changes(folder: Path, *, recursive: bool, polling: bool) -> AsyncIterator[set[tuple[Change, str]]]:
    return awatch(
        folder,
        watch_filter=None,
        debounce=1000,
        step=250,
        recursive=recursive,
        force_polling=polling,
        poll_delay_ms=POLL_MILLISECONDS,
        ignore_permission_denied=True,
    )


def is_remote(folder: Path) -> bool:
    """Return whether `folder` is on a file system that others change without this machine being told.

    Raises OSError when it is not there: a watch would be kept on nothing.
    """
    place = folder.resolve(strict=True)
    mounts = {part.mountpoint: part.fstype for part in psutil.disk_partitions(all=True)}
    above = [os.fspath(one) for one in (place, *place.parents)]
    return next((mounts[one] for one in above if one in mounts), "") in REMOTE
