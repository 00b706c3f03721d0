"""A file that does nothing but hold space, given up when the disk is full so that the purge can run."""

import contextlib
import os
from pathlib import Path

from daemons.clock import Clock
from daemons.errors import StorageFull

BALLAST_BYTES = 16 * 1024 * 1024
"""More than the database's log ever holds by itself, so that the log can be moved into the database and freed."""
RECHECK = 3.0
"""Seconds between two looks whether there is room for the file again."""


class Ballast:
    """The file at `path`. While it cannot be there, nothing new should be taken in: see `require`."""

    def __init__(self, path: Path, clock: Clock, size: int = BALLAST_BYTES) -> None:
        self._path = path
        self._clock = clock
        self._size = size
        self._checked_at = clock.monotonic()
        self.is_released = False

    def make(self) -> bool:
        """Have the file there, if twice its size is free or it is there already; say whether it is."""
        self._checked_at = self._clock.monotonic()
        try:
            if not self._is_there():
                if self._free() < 2 * self._size:
                    raise OSError("too little space")
                _allocate(self._path, self._size)
            self.is_released = False
        except OSError:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)
            self.is_released = True
        return not self.is_released

    def release(self) -> bool:
        """Give the space up because the disk is full; say whether that freed any."""
        freed = False
        with contextlib.suppress(OSError):
            freed = self._is_there()
            self._path.unlink(missing_ok=True)
        self.is_released = True
        return freed

    def recheck(self) -> None:
        """Make the file again, if it is gone and the last look was long enough ago."""
        if self.is_released and self._clock.monotonic() - self._checked_at >= RECHECK:
            self.make()

    def require(self) -> None:
        """Raise StorageFull while the disk is full: what is kept free then is for finishing and deleting."""
        if self.is_released:
            needed = 2 * self._size // (1024 * 1024)
            raise StorageFull(f"The disk is full: {needed} MB must be free in {self._path.parent}.")

    def _is_there(self) -> bool:
        return self._path.exists() and self._path.stat().st_size == self._size

    def _free(self) -> int:
        numbers = os.statvfs(self._path.parent)
        return numbers.f_bavail * numbers.f_frsize


def _allocate(path: Path, size: int) -> None:
    with path.open("wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            for _ in range(0, size, 1024 * 1024):
                file.write(b"\0" * 1024 * 1024)
        file.truncate(size)
