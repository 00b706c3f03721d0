"""The tool that keeps a machine awake, played by a script of its name that notes what it was told."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import psutil

from daemons.keep_awake import KeepAwake

# The real one takes its lock, runs the command, and lets go when that ends; so does this one, with a file as lock.
HOLDS = 'touch "{lock}"\nwhile [ "${{1#-}}" != "$1" ]; do shift; done\n"$@"\nrm -f "{lock}"'
REFUSES = "echo 'Failed to inhibit: Access denied' >&2; exit 1"
DEAF = "sleep 600"


class Tool:
    """A script on PATH under the name of the platform's tool."""

    def __init__(self, folder: Path, name: str = "systemd-inhibit", does: str = HOLDS) -> None:
        self.lock, self._log = folder / "lock", folder / "log"
        script = folder / name
        script.write_text(f'#!/bin/sh\necho "$$ $*" >> "{self._log}"\n' + does.format(lock=self.lock) + "\n")
        script.chmod(0o755)

    @property
    def calls(self) -> list[tuple[int, str]]:
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [(int(pid), told) for pid, _, told in (line.partition(" ") for line in lines)]

    async def ended(self, call: int = -1) -> None:
        """Return once that call's process is gone, and with it the lock."""
        pid = self.calls[call][0]
        try:
            process = psutil.Process(pid)
        except psutil.NoSuchProcess:
            return
        await asyncio.to_thread(process.wait, 20)


async def until(keeper: KeepAwake, says: Callable[[str], bool]) -> str:
    """Return what it says once it says so."""
    while not says(str(keeper.state)):
        await asyncio.sleep(0)
    return str(keeper.state)
