"""Decodes a picture safely: by its bytes, with one decoder and a bound on pixels."""

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

# Imported here although only registered: a format that Pillow does not know yet makes it load all 70 of its plug-ins.
from PIL import AvifImagePlugin, Image, TiffImagePlugin, WebPImagePlugin

from daemons.pictures.image_errors import FileUnreadable, ImageDamaged, ImageTooLarge, ImageTruncated
from daemons.pictures.image_kinds import ImageKind, recognise

PIXEL_LIMIT = 200_000_000
# Pillow's own check, which also covers what is found while decoding; by itself it would only warn.
Image.MAX_IMAGE_PIXELS = PIXEL_LIMIT

_ = (AvifImagePlugin, TiffImagePlugin, WebPImagePlugin)

# What Pillow's decoders raise for bytes that are not what they should be.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    EOFError,
    NotImplementedError,
    struct.error,
    zlib.error,
)


@contextmanager
def decoded(file: BinaryIO, size: int) -> Iterator[Image.Image]:
    """Yield the image in `file`, not loaded yet; what decoding raises within the block becomes an error of ours."""
    kind = recognise(file)
    file.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=[kind.name]) as image:
                _refuse_giants(image.size)
                yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageTooLarge(str(error).split(",")[0] + ".") from error
    except MemoryError as error:
        raise ImageTooLarge("Decoding the image needs more memory than a worker may use.") from error
    except _DECODER_ERRORS as error:
        raise _why_not_decoded(kind, file, size) from error


def _refuse_giants(size: tuple[int, int]) -> None:
    width, height = size
    if width * height > PIXEL_LIMIT:
        raise ImageTooLarge(
            f"The image has {width:,} × {height:,} pixels; up to {PIXEL_LIMIT // 1_000_000} million are decoded."
        )


def _why_not_decoded(kind: ImageKind, file: BinaryIO, size: int) -> Exception:
    # Asked of the bytes: Pillow tells a missing end from a wrong one only in the wording of its messages.
    try:
        return ImageTruncated() if kind.is_cut_short(file, size) else ImageDamaged()
    except (OSError, io.UnsupportedOperation):
        return FileUnreadable()
