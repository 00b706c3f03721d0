"""How a worker process is started and what it may use."""

import os
import site
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from daemons.worker_process import MEMORY_VARIABLE, PARENT_VARIABLE

MEBIBYTE = 1024 * 1024

# Everything else in the manager's environment (tokens and passwords among it) stays with the manager.
_PASSED_ON = {"HOME", "LANG", "LANGUAGE", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV"}


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """How to start a worker, what it may use and when it is worn out."""

    command: tuple[str, ...]
    memory: int | None = 1024 * MEBIBYTE
    silence: float = 120.0
    grace: float = 3.0
    environment: tuple[tuple[str, str], ...] = ()
    recycle_requests: int = 10
    recycle_seconds: float = 3600.0
    recycle_memory: int = 512 * MEBIBYTE
    idle_seconds: float | None = None
    """How long it is kept warm when nobody borrows it; None: as long as the pool keeps any."""

    @classmethod
    def module(cls, name: str, **limits: Any) -> Self:
        """Describe a worker that is a Python module, run by this interpreter."""
        # -P: a file called json.py in the folder the manager was started from must not be imported.
        return cls((sys.executable, "-P", "-m", name), **limits)

    def child_environment(self) -> dict[str, str]:
        """Return the few variables the worker gets to see."""
        kept = {name: value for name, value in os.environ.items() if name in _PASSED_ON or name.startswith("LC_")}
        kept["PYTHONPATH"] = os.pathsep.join(_import_roots())
        kept[PARENT_VARIABLE] = str(os.getpid())
        if self.memory is not None:
            kept[MEMORY_VARIABLE] = str(self.memory)
        return kept | dict(self.environment)


def _import_roots() -> list[str]:
    """Return where the child finds this package and what PYTHONPATH named, wherever it is started."""
    inherited = [Path(entry).resolve() for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    here = Path(__file__).resolve().parents[2]
    installed = {Path(entry).resolve() for entry in site.getsitepackages()}
    return list(dict.fromkeys(str(root) for root in (*inherited, here) if root not in installed))
