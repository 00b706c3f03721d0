"""Colours by the names people use for them."""

import math
from functools import cache

from PIL import Image

from daemons.pictures.colours import COLOURS
from daemons.pictures.facts import Colour

_CLUSTERS = 16
_LEAST_SHARE = 0.03
_MOST_COLOURS = 6
_NEUTRAL_CHROMA = 5.0


def colours_of(visible: Image.Image) -> tuple[Colour, ...]:
    """Return the main colours of an RGB image, the widest first; clusters of one name count as one colour."""
    reduced = visible.quantize(_CLUSTERS, Image.Quantize.MEDIANCUT)
    palette = reduced.getpalette() or []
    total = visible.width * visible.height
    shares: dict[str, list[tuple[float, tuple[int, int, int]]]] = {}
    for count, index in reduced.getcolors() or []:
        assert isinstance(index, int)
        red, green, blue = palette[3 * index : 3 * index + 3]
        shares.setdefault(name_of(red, green, blue), []).append((count / total, (red, green, blue)))
    colours = [_merged(name, parts) for name, parts in shares.items()]
    colours.sort(key=lambda colour: (-colour.share, colour.name))
    return tuple(colour for colour in colours[:_MOST_COLOURS] if colour.share >= _LEAST_SHARE)


def is_neutral(colour: Colour) -> bool:
    """Return whether `colour` is black, white or a grey without a tint."""
    _, a, b = _lab(*bytes.fromhex(colour.hex[1:]))
    return math.hypot(a, b) < _NEUTRAL_CHROMA


@cache
def _landmarks() -> tuple[tuple[str, tuple[float, float, float]], ...]:
    return tuple((name, _lab(*bytes.fromhex(value))) for name, value in COLOURS.items())


def name_of(red: int, green: int, blue: int) -> str:
    """Return the name of the colour that looks nearest."""
    own = _lab(red, green, blue)
    return min(_landmarks(), key=lambda landmark: math.dist(own, landmark[1]))[0]


def _merged(name: str, parts: list[tuple[float, tuple[int, int, int]]]) -> Colour:
    share = sum(part for part, _ in parts)
    mean = [round(sum(part * colour[channel] for part, colour in parts) / share) for channel in range(3)]
    return Colour(name, "#" + bytes(mean).hex(), round(share, 3))


def _lab(red: int, green: int, blue: int) -> tuple[float, float, float]:
    """Convert sRGB to CIELAB (D65), where distance is how different two colours look."""
    r, g, b = (_linear(channel / 255) for channel in (red, green, blue))
    x = _cube_root((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047)
    y = _cube_root(0.2126 * r + 0.7152 * g + 0.0722 * b)
    z = _cube_root((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else math.pow((channel + 0.055) / 1.055, 2.4)


def _cube_root(value: float) -> float:
    return math.cbrt(value) if value > 0.008856 else 7.787 * value + 16 / 116
