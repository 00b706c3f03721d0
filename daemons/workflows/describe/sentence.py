"""Puts facts into one sentence, as a person would, and says nothing that is not known."""

from collections.abc import Sequence
from datetime import datetime

from daemons.pictures.facts import Colour, Coordinates, Facts, Shot

_TINY_EDGE = 32

_ENTIRELY = 0.97
_MOSTLY = 0.5
_ALSO = 0.12

_DARK, _BRIGHT = 0.25, 0.68
_SOFT, _SHARP = 0.12, 0.28

_MONTHS = (
    "January February March April May June July August September October November December".split()  # noqa: SIM905
)
# Spelled out letter by letter, so they take "an" although they begin with a consonant.
_SPELLED = ("HMD", "HP", "HTC", "LG", "RED", "SM-", "SP-", "XT")


def describe(facts: Facts) -> str:
    """Return one sentence about the picture."""
    parts = [_subject(facts), *_colours(facts), *_light(facts), *_circumstances(facts.shot)]
    sentence = ", ".join(part for part in parts if part)
    return sentence[0].upper() + sentence[1:] + "."


def _subject(facts: Facts) -> str:
    if facts.width == facts.height == 1:
        return "a single pixel"
    noun = "photograph" if facts.shot.is_photograph else "image"
    words = [
        "tiny" if max(facts.width, facts.height) <= _TINY_EDGE else "",
        "animated" if facts.is_animated else "",
        "black-and-white" if facts.looks.is_monochrome else "",
        {"landscape": "landscape-format", "portrait": "portrait-format", "square": "square", "panorama": "panoramic"}[
            facts.orientation
        ],
        noun,
    ]
    phrase = " ".join(word for word in words if word)
    extent = _extent(facts)
    return f"{_article(phrase)} {phrase}{extent}"


def _extent(facts: Facts) -> str:
    if facts.is_animated and facts.frames:
        return f" of {facts.frames} frames"
    if max(facts.width, facts.height) <= _TINY_EDGE:
        return f" of {facts.width} × {facts.height} pixels"
    return ""


def _colours(facts: Facts) -> list[str]:
    transparent = facts.looks.transparent_share
    if transparent >= _ENTIRELY:
        return ["entirely transparent"]
    phrases = [_colour_phrase(facts.looks.palette)]
    if transparent >= _ALSO:
        phrases.append("mostly transparent" if transparent >= _MOSTLY else "partly transparent")
    return phrases


def _colour_phrase(palette: Sequence[Colour]) -> str:
    match palette:
        case []:
            return ""
        case [only, *_] if only.share >= _ENTIRELY:
            return f"entirely {only.name}"
        case [first, second, *_] if first.share + second.share >= _MOSTLY and second.share >= _ALSO:
            return f"mostly {first.name} and {second.name}"
        case [first, *_] if first.share >= _MOSTLY:
            return f"mostly {first.name}"
        case [first, second, *_]:
            return f"in many colours, {first.name} and {second.name} foremost"
        case [first]:
            return f"in many colours, {first.name} foremost"
    return ""


def _light(facts: Facts) -> list[str]:
    looks = facts.looks
    is_plain = bool(looks.palette) and looks.palette[0].share >= _ENTIRELY
    if is_plain or looks.brightness is None:
        return []
    words = []
    if not _DARK <= looks.brightness <= _BRIGHT:
        words.append("dark" if looks.brightness < _DARK else "bright")
    if looks.sharpness is not None and not _SOFT <= looks.sharpness < _SHARP:
        words.append("soft" if looks.sharpness < _SOFT else "sharp")
    return [" and ".join(words)]


def _circumstances(shot: Shot) -> list[str]:
    when = f"taken on {_date(shot.taken_at)}" if shot.taken_at else ""
    camera = f"with {_article(shot.camera)} {shot.camera}" if shot.camera else ""
    where = f"near {_place(shot.coordinates)}" if shot.coordinates else ""
    known = " ".join(part for part in (when, camera, where) if part)
    return [known if when or not known else f"taken {known}"]


def _date(taken_at: str) -> str:
    moment = datetime.fromisoformat(taken_at)
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"


def _place(coordinates: Coordinates) -> str:
    # Two decimals are about a kilometre, which is what "near" promises.
    north = f"{abs(coordinates.latitude):.2f}° {'S' if coordinates.latitude < 0 else 'N'}"
    east = f"{abs(coordinates.longitude):.2f}° {'W' if coordinates.longitude < 0 else 'E'}"
    return f"{north}, {east}"


def _article(phrase: str) -> str:
    return "an" if phrase[0].lower() in "aeiou" or phrase.startswith(_SPELLED) else "a"
