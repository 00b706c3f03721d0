"""The folder of thumbnails: one file each, by the hash of the original's bytes, within a bound."""

import os
from array import array
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from secrets import token_hex

# A sweep makes room for a while, so that not every new file needs another.
_KEPT_PART = 0.9


class ThumbnailFiles:
    """Blocking: to be called in threads, `tidy` by one at a time."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._boot = token_hex(4)
        self._numbers = count()

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes, None when it is not there or not whole; it counts as used now."""
        path = self._path(name)
        try:
            data = path.read_bytes()
            if is_whole(data):
                os.utime(path)
                return data
        except FileNotFoundError:
            return None
        return None

    def write(self, name: str, data: bytes) -> None:
        """Keep `data`; nobody ever sees a part of it. Raises OSError, then nothing is left behind."""
        path = self._path(name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = path.with_name(f"{name}.{self._boot}.{next(self._numbers)}.tmp")
        try:
            unfinished.write_bytes(data)
            unfinished.replace(path)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise

    def sweep_leftovers(self) -> None:
        """Remove what was being written when an earlier process died."""
        for entry in self._entries():
            if entry.name.endswith(".tmp") and f".{self._boot}." not in entry.name:
                Path(entry.path).unlink(missing_ok=True)

    def tidy(self) -> int:
        """Remove files until the rest is well below the limit, the least recently used first; return its bytes."""
        times, sizes = array("d"), array("q")
        for _, used, size in self._files():
            times.append(used)
            sizes.append(size)
        total = sum(sizes)
        if total <= self._limit:
            return total
        last = _last_to_go(times, sizes, total - int(self._limit * _KEPT_PART))
        for path, used, size in self._files():
            if used <= last:
                path.unlink(missing_ok=True)
                total -= size
        return total

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / name

    def _files(self) -> Iterator[tuple[Path, float, int]]:
        for entry in self._entries():
            try:
                found = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            yield Path(entry.path), found.st_mtime, found.st_size

    def _entries(self) -> Iterator[os.DirEntry[str]]:
        # Of a hundred thousand files only one folder's are in memory at once.
        try:
            folders = sorted(path for path in self._folder.iterdir() if path.is_dir())
        except FileNotFoundError:
            return
        for folder in folders:
            with os.scandir(folder) as entries:
                yield from entries


def is_whole(data: bytes) -> bool:
    """Whether this is as much WebP as it says: a machine that lost power may have kept only the beginning."""
    return data[:4] == b"RIFF" and len(data) == int.from_bytes(data[4:8], "little") + 8


def _last_to_go(times: "array[float]", sizes: "array[int]", excess: int) -> float:
    last = 0.0
    for at in sorted(range(len(times)), key=times.__getitem__):
        if excess <= 0:
            break
        last = times[at]
        excess -= sizes[at]
    return last
