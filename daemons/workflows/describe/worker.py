"""The worker process of this workflow: `python -m daemons.workflows.describe.worker`.

    request   {"describer": "basic", "paths": ["/pictures/a.jpg", …]}
    results   {"path", "seconds", "sha256", "size", "mtime_ns", "facts", "description"}
              {"path", "seconds", "error"}

The paths are `paths.wire_path` text.
"""

from collections.abc import Callable, Iterator
from typing import Any

from daemons.clock import SystemClock
from daemons.errors import ErrorInfo, UnknownName
from daemons.worker_process import Begin, Result, serve
from daemons.workflows.describe.basic import Described, describe_file
from daemons.workflows.describe.image_errors import ImageError
from daemons.workflows.describe.paths import disk_path

DESCRIBERS: dict[str, Callable[[bytes], Described]] = {"basic": describe_file}


def handle(request: dict[str, Any]) -> Iterator[Begin | Result]:
    """Describe each path of `request` and say so before and after."""
    describe = DESCRIBERS.get(request["describer"])
    if describe is None:
        raise UnknownName(f"There is no describer called {request['describer']!r}.", code="ERR_UNKNOWN_DESCRIBER")
    clock = SystemClock()
    for path in request["paths"]:
        yield Begin(path)
        started = clock.monotonic()
        outcome = _outcome(describe, disk_path(path))
        yield Result({"path": path, "seconds": round(clock.monotonic() - started, 4), **outcome})


def _outcome(describe: Callable[[bytes], Described], path: bytes) -> dict[str, Any]:
    try:
        described = describe(path)
    except ImageError as error:
        return {"error": error.info().as_dict()}
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - the worker's loop: what nobody foresaw costs one picture, not its batch
        return {"error": ErrorInfo.of(error).as_dict()}
    content = described.content
    return {
        "sha256": content.sha256,
        "size": content.size,
        "mtime_ns": content.mtime_ns,
        "facts": described.facts.as_dict(),
        "description": described.description,
    }


if __name__ == "__main__":
    serve(handle)
