"""Where the running deck of a data directory answers: a small file that `serve` writes and every command reads."""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import psutil

FILE_NAME = "deck.json"


@dataclass(frozen=True, slots=True)
class Address:
    """A running deck: the address of its pages, and its process with the time it began."""

    url: str
    pid: int
    started: float

    @classmethod
    def of_this_process(cls, url: str) -> Self:
        """Return the address of a deck that this process runs at `url`."""
        return cls(url, os.getpid(), psutil.Process().create_time())

    def write(self, data_dir: Path) -> None:
        """Publish the address. It appears whole or not at all."""
        file = data_dir / FILE_NAME
        fresh = file.with_suffix(f".{self.pid}.tmp")
        fresh.write_text(json.dumps(asdict(self)) + "\n", "utf-8")
        fresh.chmod(0o600)
        fresh.replace(file)

    def withdraw(self, data_dir: Path) -> None:
        """Delete the file, unless another deck wrote it since."""
        if Address.read(data_dir) == self:
            with suppress(FileNotFoundError):
                (data_dir / FILE_NAME).unlink()

    @classmethod
    def read(cls, data_dir: Path) -> Self | None:
        """Return what the file says, or None if there is none that makes sense."""
        try:
            data = json.loads((data_dir / FILE_NAME).read_text("utf-8"))
            return cls(str(data["url"]), int(data["pid"]), float(data["started"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @property
    def is_alive(self) -> bool:
        """Whether the process is still there, and not another one that was given its number."""
        try:
            return abs(psutil.Process(self.pid).create_time() - self.started) < 1
        except psutil.Error:
            return False
