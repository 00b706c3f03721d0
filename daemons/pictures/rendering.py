"""Makes the small copy of a picture that a page shows: upright, WebP, and of exactly the bytes that were described."""

import io

from PIL import Image

from daemons.pictures.content import ensure_unchanged, opened, read_content
from daemons.pictures.exif import read_turn
from daemons.pictures.image_errors import FileChanged
from daemons.pictures.image_file import decoded
from daemons.pictures.looks import shrink

WEBP_BYTES = 600_000
"""As base64 within a line of JSON this stays well below what a worker may send at once."""

# Wide colours stay what they are; a profile that is larger is a table for printers.
_PROFILE_BYTES = 4096
_QUALITIES = (80, 60, 40)


class NotTheSame(FileChanged):
    """The file is not the one that was described: its content has changed."""

    remedy = "Describe it again."


def render(path: bytes, sha256: str, edge: int) -> bytes:
    """Return the picture at `path` as WebP, no edge longer than `edge`. Raises an ImageError that says why not."""
    with opened(path) as file:
        content = read_content(file)
        if content.sha256 != sha256:
            raise NotTheSame
        with decoded(file, content.size) as image:
            profile = image.info.get("icc_profile") if image.mode in ("RGB", "RGBA") else None
            small = shrink(image, edge)
            turn = read_turn(image)
        ensure_unchanged(file, content)
    return _webp(small if turn is None else small.transpose(turn), profile)


def _webp(picture: Image.Image, profile: bytes | None) -> bytes:
    kept = profile if profile and len(profile) <= _PROFILE_BYTES else b""
    while True:
        for quality in _QUALITIES:
            data = io.BytesIO()
            # Named, or the original's own notes would go along.
            picture.save(data, "WEBP", quality=quality, icc_profile=kept, exif=b"", xmp=b"")
            if data.tell() <= WEBP_BYTES:
                return data.getvalue()
        picture = picture.reduce(2)
