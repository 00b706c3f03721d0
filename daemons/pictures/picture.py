"""Looks at a file once: which bytes these are, the facts, and the picture itself, upright and at working size."""

from dataclasses import dataclass

from PIL import Image

from daemons.pictures.content import Content, ensure_unchanged, opened, read_content
from daemons.pictures.exif import read_shot, read_turn
from daemons.pictures.facts import Facts, Orientation, Shot
from daemons.pictures.image_file import decoded
from daemons.pictures.looks import measure, shrink

_SQUARE_WITHIN = 0.02
_PANORAMA = 2.0
_SIDEWAYS = {
    Image.Transpose.ROTATE_90,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSPOSE,
    Image.Transpose.TRANSVERSE,
}
_ANIMATIONS = {"GIF", "PNG", "WEBP", "AVIF"}
# Counting the frames of a GIF means walking through all of it.
_LARGEST_COUNTED = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Picture:
    """What was found at a path; `upright` is RGB or RGBA, no edge longer than `looks.WORKING_EDGE`."""

    content: Content
    facts: Facts
    upright: Image.Image


@dataclass(frozen=True, slots=True)
class _Decoded:
    format: str
    mode: str
    size: tuple[int, int]
    frames: int | None
    upright: Image.Image
    shot: Shot


def look_at(path: bytes) -> Picture:
    """Return the picture at `path`, or raise an ImageError that says what is wrong with it."""
    with opened(path) as file:
        content = read_content(file)
        with decoded(file, content.size) as image:
            found = _decode(image, content.size)
        ensure_unchanged(file, content)
    return Picture(content, _facts_of(found), found.upright)


def _decode(image: Image.Image, size: int) -> _Decoded:
    name, mode, full_size = image.format or "", image.mode, image.size
    frames = _count_frames(image, size)
    small = shrink(image)
    # After decoding: a PNG may carry its EXIF behind the pixels, and a TIFF has turned itself by then.
    shot, turn = read_shot(image), read_turn(image)
    return _Decoded(
        format=name,
        mode=mode,
        size=full_size[::-1] if turn in _SIDEWAYS else full_size,
        frames=frames,
        upright=small if turn is None else small.transpose(turn),
        shot=shot,
    )


def _facts_of(found: _Decoded) -> Facts:
    width, height = found.size
    return Facts(
        format=found.format,
        mode=found.mode,
        width=width,
        height=height,
        orientation=_orientation(width, height),
        frames=found.frames,
        is_animated=found.format in _ANIMATIONS and bool(found.frames and found.frames > 1),
        looks=measure(found.upright),
        shot=found.shot,
    )


def _count_frames(image: Image.Image, size: int) -> int | None:
    if image.format == "GIF" and size > _LARGEST_COUNTED:
        return None
    return int(getattr(image, "n_frames", 1))


def _orientation(width: int, height: int) -> Orientation:
    if abs(width - height) <= _SQUARE_WITHIN * max(width, height):
        return "square"
    if width < height:
        return "portrait"
    return "panorama" if width >= _PANORAMA * height else "landscape"
