"""The worker process that looks into stills: `python -m daemons.workflows.polling.stills_worker`.

    request   {"what": "facts" | "metadata", "path": "/pictures/a.jpg"}
    result    {"width": 1200, "height": 800}, as the picture is meant to be seen
              or the fields that EXIF, IPTC, XMP and exiftool gave, cleaned

The paths are `paths.wire_path` text.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

from PIL import Image

from daemons.errors import UnknownName
from daemons.folders.paths import disk_path
from daemons.pictures.content import opened
from daemons.pictures.exif import read_turn
from daemons.pictures.image_file import decoded
from daemons.worker_process import Begin, Result, serve
from daemons.workflows.polling.metadata.reading import read_metadata

_SIDEWAYS = {
    Image.Transpose.ROTATE_90,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSPOSE,
    Image.Transpose.TRANSVERSE,
}


def read_facts(path: bytes) -> dict[str, Any]:
    """Return the dimensions, from the file's head alone. Raises ImageError."""
    with opened(path) as file, decoded(file, os.fstat(file.fileno()).st_size) as image:
        size = image.size[::-1] if read_turn(image) in _SIDEWAYS else image.size
        return {"width": size[0], "height": size[1]}


DOES: dict[str, Callable[[bytes], dict[str, Any]]] = {"facts": read_facts, "metadata": read_metadata}


def handle(request: dict[str, Any]) -> Iterator[Begin | Result]:
    """Look into one still; what is wrong with it is why the request fails."""
    look = DOES.get(request["what"])
    if look is None:
        raise UnknownName(f"There is nothing called {request['what']!r} to be done with a still.")
    yield Begin(request["path"])
    yield Result(look(disk_path(request["path"])))


if __name__ == "__main__":
    serve(handle)
