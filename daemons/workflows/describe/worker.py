"""The worker process of this workflow: `python -m daemons.workflows.describe.worker`.

    request   {"describer": "basic" | "prepare" | "local", "paths": ["/pictures/a.jpg", …]}
              and for local {"ask": {"prompt", "max_tokens", "temperature", "timeout"}, "model", "device"}
    results   {"path", "seconds", "sha256", "size", "mtime_ns", "facts", "description"}
              {"path", "seconds", "error"}

The paths are `paths.wire_path` text. `prepare` adds "jpeg": the picture in base64, for a server's eyes; `local` adds
"answer": what the model said, as `Answer`; `hash` tells only which bytes a file holds. Where no model can be
loaded the whole request fails, not each picture.
"""

import base64
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from typing import Any, Protocol

from PIL import Image

from daemons.clients.errors import ImageFailed
from daemons.clock import SystemClock
from daemons.errors import ErrorInfo, UnknownName
from daemons.folders.paths import disk_path
from daemons.pictures.content import opened, read_content
from daemons.pictures.image_errors import ImageError
from daemons.pictures.picture import look_at
from daemons.worker_process import Begin, Message, Result, WornOut, serve
from daemons.workflows.describe.alongside import Steps
from daemons.workflows.describe.basic import describe_picture
from daemons.workflows.describe.prepare import for_a_model, jpeg_of


class Describer(Protocol):
    """Adds to the facts what it sees in a picture."""

    def look(self, upright: Image.Image) -> Steps[dict[str, Any]]: ...

    @property
    def is_worn_out(self) -> bool: ...


class AtOnce:
    """A describer that needs no time to speak of."""

    is_worn_out = False

    def __init__(self, see: Callable[[Image.Image], dict[str, Any]]) -> None:
        self._see = see

    def look(self, upright: Image.Image) -> Steps[dict[str, Any]]:
        yield from ()
        return self._see(upright)


class Hashing:
    """Looks at no picture, only at which bytes a file holds."""

    is_worn_out = False

    def hash_content(self, path: bytes) -> Steps[dict[str, Any]]:
        yield from ()
        with opened(path) as file:
            return asdict(read_content(file))


def _hash(request: dict[str, Any]) -> Steps[Hashing]:
    yield from ()
    return Hashing()


def _basic(request: dict[str, Any]) -> Steps[Describer]:
    yield from ()
    return AtOnce(lambda upright: {})


def _prepare(request: dict[str, Any]) -> Steps[Describer]:
    yield from ()
    return AtOnce(lambda upright: {"jpeg": base64.b64encode(jpeg_of(for_a_model(upright))).decode()})


def _local(request: dict[str, Any]) -> Steps[Describer]:
    # Here, because who never asks for a model shall not wait for what it needs.
    from daemons.workflows.describe.local import LocalDescriber

    return (yield from LocalDescriber.ready(request))


DESCRIBERS: dict[str, Callable[[dict[str, Any]], Steps[Describer | Hashing]]] = {
    "basic": _basic,
    "hash": _hash,
    "prepare": _prepare,
    "local": _local,
}


def handle(request: dict[str, Any]) -> Iterator[Message]:
    """Describe each path of `request` and say so before and after."""
    ready = DESCRIBERS.get(request["describer"])
    if ready is None:
        raise UnknownName(f"There is no describer called {request['describer']!r}.", code="ERR_UNKNOWN_DESCRIBER")
    describer = yield from ready(request)
    tell = describer.hash_content if isinstance(describer, Hashing) else partial(describe, describer)
    clock = SystemClock()
    for path in request["paths"]:
        yield Begin(path)
        started = clock.monotonic()
        outcome = yield from _outcome(tell, disk_path(path))
        yield Result({"path": path, "seconds": round(clock.monotonic() - started, 4), **outcome})
        if describer.is_worn_out:
            yield WornOut()


def _outcome(tell: Callable[[bytes], Steps[dict[str, Any]]], path: bytes) -> Steps[dict[str, Any]]:
    try:
        return (yield from tell(path))
    except ImageError as error:
        return {"error": error.info().as_dict()}
    except ImageFailed as error:
        return {"error": ErrorInfo(error.error_code, error.message, None, error.remedy).as_dict()}
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - the worker's loop: what nobody foresaw costs one picture, not its batch
        return {"error": ErrorInfo.of(error).as_dict()}


def describe(describer: Describer, path: bytes) -> Steps[dict[str, Any]]:
    """Return everything about the picture at `path`. Raises ImageError or ImageFailed."""
    picture = look_at(path)
    told = describe_picture(picture)
    return {
        "sha256": told.content.sha256,
        "size": told.content.size,
        "mtime_ns": told.content.mtime_ns,
        "facts": told.facts.as_dict(),
        "description": told.description,
        **(yield from describer.look(picture.upright)),
    }


if __name__ == "__main__":
    serve(handle)
