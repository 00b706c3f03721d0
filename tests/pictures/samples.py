"""Real pictures, drawn for tests."""

import random
from pathlib import Path

from PIL import Image, ImageDraw, TiffImagePlugin

STEEL_BLUE = (74, 131, 179)
SNOW = (250, 250, 250)

Rational = TiffImagePlugin.IFDRational


def landscape(width: int = 1200, height: int = 800) -> Image.Image:
    """Return sky above snow."""
    image = Image.new("RGB", (width, height), STEEL_BLUE)
    image.paste(SNOW, (0, round(height * 0.6), width, height))
    return image


def busy(seed: int = 1, width: int = 1200, height: int = 800) -> Image.Image:
    """Return many overlapping discs, the same ones for the same seed."""
    chance = random.Random(seed)
    image = Image.new("RGB", (width, height), (120, 160, 200))
    draw = ImageDraw.Draw(image)
    for _ in range(200):
        x, y, size = chance.randrange(width), chance.randrange(height), chance.randrange(10, width // 5)
        draw.ellipse((x, y, x + size, y + size), fill=tuple(chance.randrange(30, 230) for _ in range(3)))
    return image


def canon_in_berlin(orientation: int | None = None) -> Image.Exif:
    """Return what a camera with a satellite receiver writes."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Canon", "Canon EOS 80D"
    if orientation:
        exif[0x0112] = orientation
    details = exif.get_ifd(0x8769)
    details[0x9003], details[0x9011] = "2021:05:03 14:03:22", "+02:00"
    details[0x829A], details[0x829D], details[0x8827] = Rational(1, 250), Rational(28, 10), 200
    details[0x920A], details[0xA434] = Rational(50), "EF 50mm f/1.8"
    place = exif.get_ifd(0x8825)
    place[1], place[2] = "N", (Rational(52), Rational(31), Rational(12))
    place[3], place[4] = "E", (Rational(13), Rational(24), Rational(0))
    place[5], place[6] = b"\x00", Rational(34)
    return exif


def saved(image: Image.Image, path: Path, **options: object) -> bytes:
    """Save `image` and return the path as the product takes it."""
    image.save(path, **options)  # type: ignore[arg-type]
    return bytes(path)
