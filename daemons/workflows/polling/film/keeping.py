"""Files made of a film: each appears under its name once it is whole and on the disk."""

import errno
import os
from pathlib import Path
from secrets import token_hex

from daemons.errors import DaemonError, StorageFull
from daemons.folders.paths import disk_path

UNFINISHED = ".tmp"


class NotWritten(DaemonError):
    """What was made of the film cannot be written."""

    code = "ERR_FILE_NOT_WRITTEN"
    remedy = "Check that the deck's data directory is there and can be written."


def keep(data: bytes, to: str) -> None:
    """Write `data` to `to`, `wire_path` text. Raises StorageFull or NotWritten; then nothing is left behind."""
    path = Path(os.fsdecode(disk_path(to)))
    unfinished = path.with_name(f"{path.name}.{token_hex(4)}{UNFINISHED}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with unfinished.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull from error
        raise NotWritten(f"What was made of the film cannot be written: {error.strerror}.") from error
