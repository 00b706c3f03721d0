"""A tiny picture, to find out whether a server describes any at all."""

from functools import cache
from io import BytesIO

SIDE = 64
"""Some models take nothing smaller than 28."""


@cache
def tiny_picture() -> bytes:
    """Return a JPEG that is half blue and half yellow."""
    from PIL import Image

    picture, room = Image.new("RGB", (SIDE, SIDE), "blue"), BytesIO()
    picture.paste("yellow", (0, SIDE // 2, SIDE, SIDE))
    picture.save(room, "JPEG")
    return room.getvalue()
