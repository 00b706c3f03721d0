"""A describer that does what the name of the picture says."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from daemons.worker_process import Begin, Result, serve


def handle(request: dict[str, Any]) -> Iterator[Begin | Result]:
    eaten = []
    for path in request["paths"]:
        yield Begin(path)
        match path.partition(":"):
            case ("crash", _, _):
                os.abort()
            case ("grow", _, _):
                eaten.append(bytearray(500_000_000))
            case ("hang", _, _):
                threading.Event().wait()
            case ("wait", _, gate):
                Path(gate).read_bytes()
            case ("once", _, mark) if not Path(mark).exists():
                Path(mark).touch()
                os.kill(os.getpid(), signal.SIGKILL)
        yield Result({"path": path, "seconds": 0.0, "facts": {}, "description": f"A picture called {path}."})


if __name__ == "__main__":
    serve(handle)
