"""What kind of file this is, told by its first bytes and never by its name."""

from dataclasses import dataclass
from typing import BinaryIO

from daemons.pictures.image_errors import ImageUnsupported, NotAnImage

_HEAD = 64
_TAIL = 64 * 1024

_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
)
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_AVIF_BRANDS = {b"avif", b"avis"}
_OTHERS = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a compressed archive"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "an XML document"),
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
    (b"8BPS", "a Photoshop document"),
    (b"\x00\x00\x01\x00", "an icon"),
)
_TEXT = frozenset(range(0x20, 0x7F)) | set(b"\t\n\r\f") | set(range(0x80, 0x100))


@dataclass(frozen=True, slots=True)
class ImageKind:
    """One of the formats that are decoded, by the name of its decoder."""

    name: str

    def is_cut_short(self, file: BinaryIO, size: int) -> bool:
        """Return whether the file lacks what every complete one of its kind ends with."""
        head = _read_at(file, 0, 12)
        tail = _read_at(file, max(0, size - _TAIL), _TAIL)
        match self.name:
            case "JPEG":
                return b"\xff\xd9" not in tail
            case "PNG":
                return b"IEND" not in tail
            case "GIF":
                return b";" not in tail[-16:]
            case "WEBP":
                return size < int.from_bytes(head[4:8], "little") + 8
            case "BMP":
                return size < int.from_bytes(head[2:6], "little")
            case _:
                return False


def recognise(file: BinaryIO) -> ImageKind:
    """Return the kind of image that `file` holds, or raise what it holds instead."""
    head = _read_at(file, 0, _HEAD)
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            if head[8:10] == b"CR":
                raise ImageUnsupported("This is a Canon raw photograph, which cannot be read here.")
            return ImageKind(name)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return ImageKind("WEBP")
    if head[4:8] == b"ftyp":
        return _recognise_boxes(head)
    raise NotAnImage(f"The file is not an image: it {_begins_like(head)}.")


def _recognise_boxes(head: bytes) -> ImageKind:
    brands = {head[at : at + 4] for at in range(8, min(len(head), int.from_bytes(head[:4], "big")), 4)}
    if brands & _AVIF_BRANDS:
        return ImageKind("AVIF")
    if brands & _HEIF_BRANDS:
        raise ImageUnsupported("This is a HEIC photograph, which cannot be read here.")
    raise NotAnImage("The file is not an image: it begins like a film.")


def _begins_like(head: bytes) -> str:
    if not head:
        return "is empty"
    if not head.strip(b"\x00"):
        return "begins with zeros, as a file does whose copying failed"
    for signature, name in _OTHERS:
        if head.lstrip().lower().startswith(signature.lower()):
            return f"begins like {name}"
    return "begins like text" if set(head) <= _TEXT else "begins like no format known here"


def _read_at(file: BinaryIO, position: int, length: int) -> bytes:
    file.seek(position)
    return file.read(length)
