"""The worker process of this workflow: `python -m daemons.workflows.describe.worker`.

    request   {"describer": "basic", "paths": ["/pictures/a.jpg", …]}
    results   {"path", "seconds", "sha256", "size", "mtime_ns", "facts", "description"}
              {"path", "seconds", "error"}

The paths are `paths.wire_path` text. The describer `prepare` adds "jpeg": the picture in base64, for a server's eyes.
"""

import base64
from collections.abc import Callable, Iterator
from typing import Any

from daemons.clock import SystemClock
from daemons.errors import ErrorInfo, UnknownName
from daemons.worker_process import Begin, Result, serve
from daemons.workflows.describe.basic import Described, describe_file, describe_picture
from daemons.workflows.describe.image_errors import ImageError
from daemons.workflows.describe.paths import disk_path
from daemons.workflows.describe.picture import look_at
from daemons.workflows.describe.prepare import for_a_model, jpeg_of


def describe_basic(path: bytes) -> dict[str, Any]:
    """Return what can be told of the picture without a model."""
    return _told(describe_file(path))


def prepare(path: bytes) -> dict[str, Any]:
    """Return what can be told without a model, and the picture as a server of models takes it."""
    picture = look_at(path)
    jpeg = jpeg_of(for_a_model(picture.upright))
    return _told(describe_picture(picture)) | {"jpeg": base64.b64encode(jpeg).decode()}


DESCRIBERS: dict[str, Callable[[bytes], dict[str, Any]]] = {"basic": describe_basic, "prepare": prepare}


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


def _outcome(describe: Callable[[bytes], dict[str, Any]], path: bytes) -> dict[str, Any]:
    try:
        return describe(path)
    except ImageError as error:
        return {"error": error.info().as_dict()}
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - the worker's loop: what nobody foresaw costs one picture, not its batch
        return {"error": ErrorInfo.of(error).as_dict()}


def _told(described: Described) -> dict[str, Any]:
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
