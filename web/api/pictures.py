"""Calls that answer with the picture behind a description: a small copy of it, or the file as it is."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Literal, TypeVar

from pydantic import Field
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from daemons.errors import DaemonError
from daemons.workflows.describe.keeper import Original, Size
from web.api.calls import Call
from web.api.describe import keeper_of
from web.assets import STATIC
from web.parsing import Query

# Whatever a browser makes of a picture: no script, no form, no frame.
_SANDBOX = {"Content-Security-Policy": "default-src 'none'; sandbox"}
# Under this address are these bytes only; without its hash they have to be asked for again.
_FOR_LONG = "private, max-age=604800, immutable"
_ASK_AGAIN = "private, no-cache"
_FOR_A_MOMENT = "private, max-age=30"
_NO_PICTURE = (STATIC / "no-picture.svg").read_bytes()
_BINARY = {"type": "string", "format": "binary"}
_HUNG_UP = 499
"""What servers write down for an asker who did not wait; nobody reads it."""

T = TypeVar("T")


class ThumbnailQuery(Query):
    """Which bytes are meant."""

    v: str | None = Field(None, max_length=64, description="The beginning of its hash.")
    size: Literal["small", "large"] = Field("small", description="Fit for a card, or for the whole of a page.")


class ImageQuery(Query):
    """As what the picture is wanted."""

    download: bool = Field(False, description="As a file to be saved, whatever kind of image it is.")


async def get_thumbnail(request: Request, query: ThumbnailQuery) -> Response:
    try:
        size = Size.LARGE if query.size == "large" else Size.THUMBNAIL
        found = await _unless_left(request, keeper_of(request).pictures.thumbnail(request.path_params["id"], size))
    except DaemonError:
        if not _wants_only_images(request):
            raise
        # For a page: an empty frame at once, and no complaint of the browser for each.
        return Response(_NO_PICTURE, media_type="image/svg+xml", headers={"Cache-Control": _FOR_A_MOMENT})
    return _small(request, found, is_named=query.v is not None and found is not None and found[0].startswith(query.v))


async def get_image(request: Request, query: ImageQuery) -> Response:
    pictures, description_id = keeper_of(request).pictures, request.path_params["id"]
    sha256, original = await pictures.original(description_id)
    if original.media_type is None and not query.download:
        original.file.close()
        return _small(request, await _unless_left(request, pictures.thumbnail(description_id, Size.LARGE)))
    tag = sha256 or f"{original.stamp[0]:x}-{original.stamp[1]:x}"
    if _has(request, tag):
        original.file.close()
        return Response(status_code=304, headers={"ETag": f'"{tag}"', "Cache-Control": _ASK_AGAIN})
    return PictureResponse(original, tag, as_file=query.download)


class PictureResponse(FileResponse):
    """Sends an open picture, or the part of it that is asked for, and closes it."""

    def __init__(self, original: Original, tag: str, *, as_file: bool) -> None:
        self._file = original.file
        super().__init__(
            # The file that was opened and looked at, whatever its path leads to by now.
            f"/dev/fd/{original.file.fileno()}",
            headers={"ETag": f'"{tag}"', "Cache-Control": _ASK_AGAIN, **_SANDBOX},
            media_type=original.media_type or "application/octet-stream",
            filename=original.name,
            stat_result=original.status,
            content_disposition_type="attachment" if as_file else "inline",
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()


def _small(request: Request, found: tuple[str, bytes] | None, *, is_named: bool = False) -> Response:
    if found is None:
        return Response(status_code=_HUNG_UP)
    sha256, webp = found
    headers = {"ETag": f'"{sha256}"', "Cache-Control": _FOR_LONG if is_named else _ASK_AGAIN, **_SANDBOX}
    if _has(request, sha256):
        return Response(status_code=304, headers=headers)
    return Response(webp, media_type="image/webp", headers=headers)


def _has(request: Request, tag: str) -> bool:
    """Whether the asker has this already."""
    known = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
    return "*" in known or f'"{tag}"' in known


def _wants_only_images(request: Request) -> bool:
    kinds = request.headers.get("accept", "").split(",")
    return kinds[0].strip().startswith("image/")


async def _unless_left(request: Request, work: Coroutine[Any, Any, T]) -> T | None:
    """Return what `work` returns; None, and the work cancelled, once the asker has closed the connection."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.wait({working, leaving})


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


CALLS = [
    Call(
        "GET",
        "/api/descriptions/{id}/thumbnail",
        get_thumbnail,
        "A small copy of the picture that was described; an empty frame for those who accept only images.",
        files={"image/webp": _BINARY, "image/svg+xml": _BINARY},
    ),
    Call(
        "GET",
        "/api/descriptions/{id}/image",
        get_image,
        "The picture itself; a large copy where browsers show none of its kind.",
        files={"image/*": _BINARY, "application/octet-stream": _BINARY},
    ),
]
