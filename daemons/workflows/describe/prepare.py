"""Makes a picture ready for a model's eyes: upright, on white, of a size that every server takes, without its notes."""

import io

from PIL import Image

from daemons.pictures.looks import WORKING_EDGE

JPEG_BYTES = 500_000
"""As base64 within a line of JSON this stays well below what a worker may send at once."""

# What models cut a picture into: some refuse one that is smaller than a single such square.
_SHORTEST_EDGE = 32
# The last ones look bad, but nothing except noise ever needs them.
_QUALITIES = (90, 80, 65, 45, 25)


def for_a_model(upright: Image.Image) -> Image.Image:
    """Return `upright` as RGB on white, large enough for any model, carrying nothing but its pixels."""
    # A new image: comments and profiles of the old one would be sent along, and may say who took it and where.
    plain = Image.new("RGB", upright.size, "white")
    plain.paste(upright, mask=upright.getchannel("A") if upright.mode == "RGBA" else None)
    return plain if min(plain.size) >= _SHORTEST_EDGE else _enlarged(plain)


def jpeg_of(picture: Image.Image, limit: int = JPEG_BYTES) -> bytes:
    """Return `picture` as a JPEG of at most `limit` bytes, as good as fits."""
    while True:
        for quality in _QUALITIES:
            data = io.BytesIO()
            picture.save(data, "JPEG", quality=quality)
            if data.tell() <= limit:
                return data.getvalue()
        picture = picture.reduce(2)


def _enlarged(plain: Image.Image) -> Image.Image:
    # Enlarged as a whole as far as its longer edge allows, then laid on white: a line of pixels stays a line.
    factor = max(1, min(-(-_SHORTEST_EDGE // min(plain.size)), WORKING_EDGE // max(plain.size)))
    larger = plain.resize((plain.width * factor, plain.height * factor), Image.Resampling.NEAREST)
    sheet = Image.new("RGB", (max(larger.width, _SHORTEST_EDGE), max(larger.height, _SHORTEST_EDGE)), "white")
    sheet.paste(larger, ((sheet.width - larger.width) // 2, (sheet.height - larger.height) // 2))
    return sheet
