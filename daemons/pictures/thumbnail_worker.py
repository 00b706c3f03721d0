"""The worker process that makes pictures small: `python -m daemons.pictures.thumbnail_worker`.

    request   {"path": "/pictures/a.jpg", "sha256": "…", "edge": 384}
    result    {"webp": base64}

A process of its own, so that a page never waits for a model, and never makes one be loaded again.
"""

import base64
from collections.abc import Iterator
from typing import Any

from daemons.folders.paths import disk_path
from daemons.pictures.rendering import render
from daemons.worker_process import Begin, Result, serve


def handle(request: dict[str, Any]) -> Iterator[Begin | Result]:
    """Make one picture small; what is wrong with it is why the request fails."""
    yield Begin(request["path"])
    webp = render(disk_path(request["path"]), request["sha256"], request["edge"])
    yield Result({"webp": base64.b64encode(webp).decode()})


if __name__ == "__main__":
    serve(handle)
