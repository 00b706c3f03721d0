"""One service at a time on one SQLite database, and how to find the one that runs."""

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, ClassVar, NamedTuple

import psutil

from daemons.errors import Fatal
from daemons.schema.sqlite_file import require_usable


class Holder(NamedTuple):
    """The process that serves the data; `url` is where it answers, once it does."""

    pid: int
    host: str
    started: float
    url: str | None = None


class AlreadyServed(Fatal):
    """Another service uses this data."""

    code = "ERR_ALREADY_SERVED"
    exit_code: ClassVar[int] = 75


class DataLock:
    """The lock while it is held."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._holder = Holder(os.getpid(), socket.gethostname(), psutil.Process().create_time())
        self._write()

    def tell(self, url: str) -> None:
        """Let others know where this service answers."""
        self._holder = self._holder._replace(url=url)
        self._write()

    def _write(self) -> None:
        self._file.seek(0)
        self._file.write(json.dumps(self._holder._asdict()))
        self._file.truncate()
        self._file.flush()


@contextmanager
def hold(database: Path) -> Iterator[DataLock]:
    """Keep every other service off the SQLite file `database`. Raises AlreadyServed naming the holder."""
    require_usable(database)
    # Never deleted: a lock on a deleted file keeps nobody off.
    number = os.open(_lock_file(database), os.O_RDWR | os.O_CREAT, 0o600)
    with open(number, "r+", encoding="utf-8") as file:  # noqa: PTH123 - it is open already, with its rights
        try:
            # Held by the open file, so the kernel lets go of it however this process ends.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _taken(database) from None
        try:
            yield DataLock(file)
        finally:
            file.truncate(0)


def holder(database: Path) -> Holder | None:
    """Return who serves the SQLite file `database` on this machine, if anybody does."""
    found = _read(database)
    if found is None or found.host != socket.gethostname():
        return None
    try:
        same = abs(psutil.Process(found.pid).create_time() - found.started) < 1
    except psutil.Error:
        return None
    return found if same else None


def _taken(database: Path) -> AlreadyServed:
    who = _read(database)
    if who is None:
        return AlreadyServed(f"Another service uses {database}.")
    place = f"process {who.pid} on {who.host}" + (f", at {who.url}" if who.url else "")
    return AlreadyServed(
        f"Another service uses {database}: {place}.",
        remedy="Open that one, stop it first, or set data_dir to another folder.",
    )


def _read(database: Path) -> Holder | None:
    try:
        return Holder(**json.loads(_lock_file(database).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _lock_file(database: Path) -> Path:
    return Path(f"{database}.lock")
