"""What the camera wrote into the file, as far as it makes sense: garbage is left out, never passed on."""

import math
import re
import struct
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from PIL import ExifTags, Image

from daemons.pictures.facts import Coordinates, Shot

_TEXT_LIMIT = 64

GARBAGE = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    ZeroDivisionError,
    EOFError,
    OSError,
    SyntaxError,
    RecursionError,
    LookupError,
    struct.error,
)
"""What decoders raise for metadata that are not what they should be."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_BRANDS = {
    "ASUS": "Asus",
    "CASIO": "Casio",
    "EASTMAN KODAK": "Kodak",
    "FUJIFILM": "Fujifilm",
    "HUAWEI": "Huawei",
    "KODAK": "Kodak",
    "LEICA": "Leica",
    "LGE": "LG",
    "MOTOROLA": "Motorola",
    "NIKON": "Nikon",
    "OLYMPUS": "Olympus",
    "PANASONIC": "Panasonic",
    "PENTAX": "Pentax",
    "RICOH": "Ricoh",
    "SAMSUNG": "Samsung",
    "SIGMA": "Sigma",
    "SONY": "Sony",
    "XIAOMI": "Xiaomi",
}
_COMPANY_WORDS = re.compile(
    r"[\s,]+(corporation|corp|company|co|ltd|inc|optical|imaging|electronics|techwin|camera ag|ag)\b\.?", re.IGNORECASE
)


def read_shot(image: Image.Image) -> Shot:
    """Return when, where and with what `image` was taken; every field may be unknown."""
    try:
        exif = image.getexif()
        main = dict(exif)
        details = dict(exif.get_ifd(ExifTags.IFD.Exif))
    except GARBAGE:
        return Shot()
    try:
        place = dict(exif.get_ifd(ExifTags.IFD.GPSInfo))
    except GARBAGE:
        place = {}
    return Shot(
        taken_at=_taken_at(details),
        camera=_camera(main),
        lens=_text(details.get(ExifTags.Base.LensModel)),
        exposure_seconds=_number(details.get(ExifTags.Base.ExposureTime), 1e-6, 86_400),
        aperture=_number(details.get(ExifTags.Base.FNumber), 0.5, 256),
        iso=_iso(details.get(ExifTags.Base.ISOSpeedRatings)),
        focal_length=_number(details.get(ExifTags.Base.FocalLength), 0.5, 10_000),
        coordinates=_coordinates(place),
        altitude=_altitude(place),
    )


def read_turn(image: Image.Image) -> Image.Transpose | None:
    """Return how `image` must be turned to be seen as the camera was held."""
    try:
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except GARBAGE:
        return None


def _taken_at(details: Mapping[int, Any]) -> str | None:
    for moment, offset in (
        (ExifTags.Base.DateTimeOriginal, ExifTags.Base.OffsetTimeOriginal),
        (ExifTags.Base.DateTimeDigitized, ExifTags.Base.OffsetTimeDigitized),
    ):
        text = _text(details.get(moment))
        zone = _text(details.get(offset)) or ""
        for spelled in ((text or "") + zone, text or ""):
            if parsed := _parse_moment(spelled):
                return parsed.isoformat()
    return None


def _parse_moment(text: str) -> datetime | None:
    for pattern in ("%Y:%m:%d %H:%M:%S%z", "%Y:%m:%d %H:%M:%S", "%Y-%m-%d %H:%M:%S"):
        try:
            # Without an offset it is the camera's own wall clock, and no zone is made up for it.
            moment = datetime.strptime(text, pattern)  # noqa: DTZ007
        except ValueError:
            continue
        return moment if 1839 <= moment.year <= 2100 else None
    return None


def _camera(main: Mapping[int, Any]) -> str | None:
    maker = _COMPANY_WORDS.sub("", _text(main.get(ExifTags.Base.Make)) or "").strip()
    model = _text(main.get(ExifTags.Base.Model)) or ""
    if model.casefold().startswith(maker.casefold()):
        model = model[len(maker) :].strip()
    return " ".join(part for part in (_BRANDS.get(maker.upper(), maker), model) if part) or None


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return None
    cleaned = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in value.split("\x00")[0])
    return " ".join(cleaned.replace("\ufffd", " ").split())[:_TEXT_LIMIT].strip() or None


def _number(value: Any, low: float, high: float) -> float | None:
    try:
        number = float(value)
    except GARBAGE:
        return None
    return round(number, 6) if math.isfinite(number) and low <= number <= high else None


def _iso(value: Any) -> int | None:
    number = _number(value[0] if isinstance(value, tuple) and value else value, 1, 10_000_000)
    return None if number is None else int(number)


def _coordinates(place: Mapping[int, Any]) -> Coordinates | None:
    latitude = _degrees(place, ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLatitudeRef, "NS", 90)
    longitude = _degrees(place, ExifTags.GPS.GPSLongitude, ExifTags.GPS.GPSLongitudeRef, "EW", 180)
    # Exactly zero, zero is how cameras spell "no fix yet"; nobody lives there.
    if latitude is None or longitude is None or latitude == longitude == 0:
        return None
    return Coordinates(latitude, longitude)


def _degrees(place: Mapping[int, Any], tag: int, sign_tag: int, signs: str, limit: int) -> float | None:
    value, sign = place.get(tag), _text(place.get(sign_tag))
    if not isinstance(value, tuple) or len(value) != 3 or not sign or sign.upper() not in tuple(signs):
        return None
    parts = [part for part in (_number(part, 0, 180) for part in value) if part is not None]
    degrees = sum(part / step for part, step in zip(parts, (1, 60, 3600), strict=False))
    if len(parts) != 3 or degrees > limit:
        return None
    return round(-degrees if sign.upper() == signs[1] else degrees, 6)


def _altitude(place: Mapping[int, Any]) -> float | None:
    metres = _number(place.get(ExifTags.GPS.GPSAltitude), 0, 100_000)
    below = place.get(ExifTags.GPS.GPSAltitudeRef) in (1, b"\x01")
    return -metres if metres and below else metres
