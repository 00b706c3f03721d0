"""Measures the pixels: colours, brightness, contrast, sharpness and a hash that similar pictures share."""

from PIL import Image, ImageChops, ImageStat

from daemons.pictures.facts import Colour, Looks
from daemons.pictures.image_errors import ImageUnsupported
from daemons.pictures.palette import colours_of, is_neutral

# Sharpness is judged as on a screen; more pixels would only make decoding slow.
WORKING_EDGE = 1024

_PALETTE_EDGE = 64
_OPAQUE = 128
_HASH_EDGE = 8
_SMALLEST_FOR_SHARPNESS = 16
_LEAST_CONTRAST = 0.06


def shrink(image: Image.Image, edge: int = WORKING_EDGE) -> Image.Image:
    """Decode `image` into RGB or RGBA, no edge longer than `edge`; a JPEG is decoded no larger than that needs."""
    scale = min(1.0, edge / max(image.size))
    target = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    image.draft(None, target)
    image.load()
    # Made small before it is converted, which would double the memory.
    return _in_colour(_resized(image, target))


def measure(small: Image.Image) -> Looks:
    """Return what a picture that `shrink` made and somebody turned upright looks like."""
    visible, transparent = _visible(small)
    palette = colours_of(visible) if visible else ()
    grey = small.convert("L")
    low, high = _spread(grey)
    return Looks(
        palette=palette,
        is_monochrome=_is_monochrome(palette),
        transparent_share=round(transparent, 3),
        brightness=round(ImageStat.Stat(visible.convert("L")).mean[0] / 255, 3) if visible else None,
        contrast=round((high - low) / 255, 3),
        sharpness=_sharpness(grey, low, high),
        perceptual_hash=_difference_hash(grey),
    )


def _resized(image: Image.Image, target: tuple[int, int]) -> Image.Image:
    if image.mode in ("1", "P", "PA"):
        # Indexed pixels can only be picked, not averaged: so twice as many are picked, then averaged as colours. Fewer
        # would leave nothing to read of a screenshot; all of them would be four times the memory.
        picked = image.resize(_no_larger(image.size, 2 * target[0], 2 * target[1]), Image.Resampling.NEAREST)
        return picked if picked.size == target else _in_colour(picked).resize(target, Image.Resampling.BOX)
    if image.mode.startswith("I;16"):  # of 16-bit greys Pillow resizes one byte order, and not in two steps
        plain = image if image.mode == "I;16" else image.convert("I")
        return plain.resize(target, Image.Resampling.BOX)
    return image.resize(target, Image.Resampling.BOX, reducing_gap=2.0)


def _no_larger(size: tuple[int, int], width: int, height: int) -> tuple[int, int]:
    return min(size[0], width), min(size[1], height)


def _in_colour(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        return _eight_bits(image).convert("RGB")
    try:
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    except ValueError as error:
        raise ImageUnsupported(f"The colour model {image.mode} of the image cannot be read here.") from error


def _eight_bits(image: Image.Image) -> Image.Image:
    # 16-bit greys use their whole range by definition; of wider types only the values themselves tell the range.
    wide = image.convert("F")
    low, high = (0.0, 65535.0) if image.mode.startswith("I;16") else _finite_extrema(wide)
    factor = 255.0 / (high - low) if high > low else 0.0
    return wide.point(lambda value: value * factor + (-low * factor)).convert("L")


def _finite_extrema(wide: Image.Image) -> tuple[float, float]:
    low, high = wide.getextrema()
    assert isinstance(low, float)
    assert isinstance(high, float)
    if not -1e30 < low <= high < 1e30:  # infinities and things that are not a number
        return 0.0, 0.0
    return (0.0, 65535.0) if 255 < high <= 65535 and low >= 0 else (low, high)


def _visible(image: Image.Image) -> tuple[Image.Image | None, float]:
    """Return the pixels one can see, in any order, and the share of those one cannot."""
    size = min(image.width, _PALETTE_EDGE), min(image.height, _PALETTE_EDGE)
    small = image.resize(size, Image.Resampling.BOX)
    if small.mode == "RGB":
        return small, 0.0
    cover = small.getchannel("A").tobytes()
    data = small.convert("RGB").tobytes()
    seen = b"".join(data[3 * at : 3 * at + 3] for at, opacity in enumerate(cover) if opacity >= _OPAQUE)
    count = len(seen) // 3
    return Image.frombytes("RGB", (count, 1), seen) if count else None, 1 - count / len(cover)


def _is_monochrome(palette: tuple[Colour, ...]) -> bool:
    return len(palette) > 1 and all(map(is_neutral, palette))


def _spread(grey: Image.Image) -> tuple[int, int]:
    """Return the brightness that 1 % of the pixels stay below, and the one that 1 % exceed."""
    histogram = grey.histogram()
    return _percentile(histogram, 0.01), _percentile(histogram, 0.99)


def _percentile(histogram: list[int], share: float) -> int:
    wanted, seen = share * sum(histogram), 0
    for value, count in enumerate(histogram):
        seen += count
        if seen >= wanted:
            return value
    return 255


def _sharpness(grey: Image.Image, low: int, high: int) -> float | None:
    """Return how much of its whole contrast the picture crosses from one pixel to the next at its steepest edges."""
    if min(grey.size) < _SMALLEST_FOR_SHARPNESS or (high - low) / 255 < _LEAST_CONTRAST:
        return None
    width, height = grey.size
    here = grey.crop((0, 0, width - 1, height - 1))
    across = ImageChops.difference(here, grey.crop((1, 0, width, height - 1)))
    down = ImageChops.difference(here, grey.crop((0, 1, width - 1, height)))
    # So few that one straight line through the picture is enough, and too many for specks of noise.
    steepest = _percentile(ImageChops.lighter(across, down).histogram(), 0.9995)
    return round(min(1.0, steepest / (high - low)), 3)


def _difference_hash(grey: Image.Image) -> str:
    """Return 64 bits, each whether a spot of the picture is darker than its right neighbour."""
    spots = grey.resize((_HASH_EDGE + 1, _HASH_EDGE), Image.Resampling.BOX).tobytes()
    bits = 0
    for row in range(_HASH_EDGE):
        for column in range(_HASH_EDGE):
            at = row * (_HASH_EDGE + 1) + column
            bits = bits << 1 | (spots[at] < spots[at + 1])
    return f"{bits:016x}"
