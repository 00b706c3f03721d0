"""The worker process that reads films: `python -m daemons.workflows.polling.footage_worker`.

    request   {"do": "probe", "path"}
    result    the facts of `film.probing`

    request   {"do": "frames", "path", "frames": [{"seconds", "to"}], "edge"}
    results   each frame with what was written, or "error"

    request   {"do": "sound", "path", "to", "begin", "end"}
    result    {"to", "seconds", "peak", "size"}; peak is the loudest moment, of 1

Paths are `paths.wire_path` text; what is written appears under its name once it is whole. A clip on which decoding
hangs ends the process: nothing is heard of it for longer than its silence.
"""

from collections.abc import Iterator
from typing import Any

from daemons.errors import UnknownName
from daemons.folders.paths import disk_path
from daemons.subprocess_work.spec import MEBIBYTE, WorkerSpec
from daemons.worker_process import Alive, Begin, Message, Result, serve
from daemons.workflows.polling.film.errors import FootageNotInstalled

FOOTAGE_WORKER = WorkerSpec.module(
    "daemons.workflows.polling.footage_worker",
    memory=2048 * MEBIBYTE,
    silence=60.0,
    recycle_requests=100,
    recycle_memory=600 * MEBIBYTE,
)


def handle(request: dict[str, Any]) -> Iterator[Message]:
    """Do with one film what is asked; what is wrong with it is why the request fails."""
    yield Begin(request["path"])
    try:
        from daemons.workflows.polling.film import frames, probing, sound
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "av":
            raise
        raise FootageNotInstalled from error
    path = disk_path(request["path"])
    match request["do"]:
        case "probe":
            yield Result((yield from probing.probe(path)))
        case "frames":
            for found in frames.write_frames(path, request["frames"], request["edge"]):
                yield found if isinstance(found, Alive) else Result(found)
        case "sound":
            yield Result((yield from sound.write_sound(path, request["to"], request["begin"], request["end"])))
        case other:
            raise UnknownName(f"There is nothing called {other!r} that could be done with a film.")


if __name__ == "__main__":
    serve(handle)
