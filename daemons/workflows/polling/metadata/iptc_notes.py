"""IPTC-IIM, as picture agencies have written it since 1991."""

from collections.abc import Mapping
from typing import Any

from PIL import Image, ImageFile, IptcImagePlugin

from daemons.workflows.polling.metadata.dates import iso_date
from daemons.workflows.polling.metadata.notes import CODECS, Notes, decoded, joined_place

_CHARACTER_SET = (1, 90)
_UTF_8 = b"\x1b%G"
_TITLE, _INSTRUCTIONS, _KEYWORDS, _DATE, _TIME, _BYLINE = (2, 5), (2, 40), (2, 25), (2, 55), (2, 60), (2, 80)
_CITY, _SUBLOCATION, _STATE, _COUNTRY = (2, 90), (2, 92), (2, 95), (2, 101)
_HEADLINE, _CREDIT, _SOURCE, _COPYRIGHT, _CAPTION = (2, 105), (2, 110), (2, 115), (2, 116), (2, 120)

Found = Mapping[tuple[int, int], bytes | list[bytes]]


def iptc_notes(image: Image.Image) -> Notes:
    """Return what IPTC says; what decoding raises is the caller's."""
    found: Found = (IptcImagePlugin.getiptcinfo(image) if isinstance(image, ImageFile.ImageFile) else None) or {}
    codecs = ("utf-8", *CODECS) if found.get(_CHARACTER_SET) == _UTF_8 else CODECS

    def texts(tag: tuple[int, int]) -> list[str]:
        value: Any = found.get(tag, [])
        return [decoded(one, codecs) for one in (value if isinstance(value, list) else [value])]

    def text(tag: tuple[int, int]) -> str:
        return next(iter(texts(tag)), "").split("\x00")[0].strip()

    on, at = text(_DATE), text(_TIME)
    return Notes.of(
        title=text(_TITLE),
        headline=text(_HEADLINE),
        caption=text(_CAPTION),
        keywords=texts(_KEYWORDS),
        creator=texts(_BYLINE),
        copyright=text(_COPYRIGHT),
        credit=text(_CREDIT),
        taken_at=iso_date(f"{on} {at}") or iso_date(on),
        place=joined_place(text(tag) for tag in (_SUBLOCATION, _CITY, _STATE, _COUNTRY)),
        url=text(_SOURCE),
        rights=text(_INSTRUCTIONS),
    )
