"""XMP, as photo programs write it into a picture. It comes from strangers: no entities, no document types."""

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from PIL import Image

from daemons.workflows.polling.metadata.dates import iso_date
from daemons.workflows.polling.metadata.notes import Notes, decoded, joined_place

XMP_BYTES = 16 * 1024 * 1024
_ITEMS_MOST = 1000

_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_DC = "{http://purl.org/dc/elements/1.1/}"
_PHOTOSHOP = "{http://ns.adobe.com/photoshop/1.0/}"
_XMP = "{http://ns.adobe.com/xap/1.0/}"
_RIGHTS = "{http://ns.adobe.com/xap/1.0/rights/}"
_IPTC = "{http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/}"
_EXIF = "{http://ns.adobe.com/exif/1.0/}"
_TIFF = "{http://ns.adobe.com/tiff/1.0/}"
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DEGREES = re.compile(r"(\d{1,3}),(\d{1,2}(?:\.\d{1,10})?)(?:,(\d{1,2}(?:\.\d{1,10})?))?([NSEW])", re.ASCII)


class XmpUnreadable(ValueError):
    """The XMP of the picture is no XML, or more of it than is read."""


def xmp_notes(image: Image.Image) -> Notes:
    """Return what XMP says. Raises XmpUnreadable."""
    data = image.info.get("xmp")
    if isinstance(data, str):
        data = data.encode("utf-8", "replace")
    return notes_of(data) if isinstance(data, bytes) and data.strip(b"\x00 \t\r\n") else Notes()


def notes_of(data: bytes) -> Notes:
    """Return what this XMP says. Raises XmpUnreadable."""
    said = _Said(_parsed(data))
    north, east = _degrees(said.text(f"{_EXIF}GPSLatitude"), 90), _degrees(said.text(f"{_EXIF}GPSLongitude"), 180)
    if not north and not east:
        north = east = None
    maker, model = said.text(f"{_TIFF}Make"), said.text(f"{_TIFF}Model")
    moments = (f"{_EXIF}DateTimeOriginal", f"{_PHOTOSHOP}DateCreated", f"{_XMP}CreateDate")
    places = (f"{_IPTC}Location", f"{_PHOTOSHOP}City", f"{_PHOTOSHOP}State", f"{_PHOTOSHOP}Country")
    return Notes.of(
        title=said.text(f"{_DC}title"),
        headline=said.text(f"{_PHOTOSHOP}Headline"),
        caption=said.text(f"{_DC}description"),
        keywords=said.texts(f"{_DC}subject"),
        creator=said.texts(f"{_DC}creator"),
        copyright=said.text(f"{_DC}rights"),
        credit=said.text(f"{_PHOTOSHOP}Credit"),
        taken_at=next((on for name in moments if (on := iso_date(said.text(name)))), None),
        latitude=north,
        longitude=east,
        place=joined_place(said.text(name) for name in places),
        camera=model if model.casefold().startswith(maker.casefold()) else f"{maker} {model}",
        url=[said.text(f"{_DC}source"), said.text(f"{_PHOTOSHOP}Source"), said.text(f"{_DC}identifier")],
        rights=said.text(f"{_RIGHTS}UsageTerms"),
    )


class _Said:
    """Properties by their names, whether they stand as elements or as attributes."""

    def __init__(self, root: Element) -> None:
        self._abouts = list(root.iter(f"{_RDF}Description"))

    def text(self, name: str) -> str:
        """Return the default text of a property, or its first one; empty where there is none."""
        return next(iter(self.texts(name)), "")

    def texts(self, name: str) -> list[str]:
        """Return all texts of a property, the default one first."""
        for about in self._abouts:
            if found := about.get(name, "").strip():
                return [found]
            element = about.find(name)
            if element is not None and (several := list(_texts(element))):
                return several
        return []


def _texts(element: Element) -> Iterator[str]:
    items = element.findall(f"*/{_RDF}li")[:_ITEMS_MOST]
    items.sort(key=lambda item: item.get(_LANGUAGE) != "x-default")
    for item in items or [element]:
        if text := (item.text or "").strip():
            yield text


def _parsed(data: bytes) -> Element:
    if len(data) > XMP_BYTES:
        raise XmpUnreadable(f"its {len(data):,} bytes are more than the {XMP_BYTES:,} that are read")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        data = data.decode("utf-16", "replace").encode()
    data = data.strip(b"\x00 \t\r\n")
    # What says it is UTF-8 is often something else, or holds characters that XML may not.
    for attempt in (data, _NOT_XML.sub("", decoded(data)).encode()):
        try:
            root: Element = fromstring(attempt, forbid_dtd=True)
        except (ParseError, ValueError, LookupError) as error:
            if isinstance(error, DefusedXmlException):
                raise XmpUnreadable("it declares a document type or entities, which XMP never does") from error
            failed = error
            continue
        return root
    raise XmpUnreadable(f"it is no XML: {failed}") from failed


def _degrees(text: str, limit: int) -> float | None:
    """Return degrees of `52,31.2N` or `52,31,12N`."""
    found = _DEGREES.fullmatch(text.strip().upper())
    if found is None:
        return None
    degrees = int(found[1]) + float(found[2]) / 60 + float(found[3] or 0) / 3600
    if degrees > limit:
        return None
    return round(-degrees if found[4] in "SW" else degrees, 6)
