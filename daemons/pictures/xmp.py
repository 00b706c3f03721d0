"""Descriptions as XMP, the form in which photo programs keep them beside an image.

What is there already is kept to the byte: only the default words of dc:description are put in or replaced.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from daemons.errors import Conflict

XMP_BYTES = 1024 * 1024
DEPTH_MOST = 64
TOOL = "Daemondeck"

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DC = "http://purl.org/dc/elements/1.1/"
_META = "adobe:ns:meta/"
_LANGUAGE = "http://www.w3.org/XML/1998/namespace lang"
_ROOT, _ABOUT, _ALT, _ITEM = (f"{_RDF} {name}" for name in ("RDF", "Description", "Alt", "li"))
_WORDS, _WRAPPER, _TOOLKIT = f"{_DC} description", f"{_META} xmpmeta", f"{_META} xmptk"
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_NAME = re.compile(rb"<([^\s/>]+)")


class SidecarUnreadable(Conflict):
    """The sidecar that is there is no XMP that can be added to."""

    code = "ERR_SIDECAR_UNREADABLE"
    remedy = "Open it with the program that wrote it, or move it away and try again."


@dataclass(slots=True)
class _Span:
    """From where to where in the bytes an element stands; `inside` is where its content begins."""

    start: int
    inside: int = -1
    end: int = -1
    is_empty: bool = False


@dataclass(slots=True)
class Xmp:
    """What was found in a sidecar."""

    data: bytes
    toolkit: str = ""
    said: str = ""
    """The default words of dc:description."""
    root: _Span | None = None
    about: _Span | None = None
    words: _Span | None = None
    alternatives: _Span | None = None
    default: _Span | None = None

    @property
    def is_ours(self) -> bool:
        return self.toolkit.startswith(TOOL)


def new_sidecar(words: str, *, version: str, now: datetime) -> bytes:
    """Return a sidecar that says `words` and nothing else of the image."""
    tool = f"{TOOL} {version}"
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        f'<x:xmpmeta xmlns:x="{_META}" x:xmptk={quoteattr(tool)}>\n'
        f' <rdf:RDF xmlns:rdf="{_RDF}">\n'
        f'  <rdf:Description rdf:about="" xmlns:dc="{_DC}" xmlns:xmp="http://ns.adobe.com/xap/1.0/">\n'
        f"   <xmp:CreatorTool>{escape(tool)}</xmp:CreatorTool>\n"
        f"   <xmp:MetadataDate>{now.isoformat(timespec='seconds')}</xmp:MetadataDate>\n"
        f"   <dc:description><rdf:Alt>{_item(words)}</rdf:Alt></dc:description>\n"
        "  </rdf:Description>\n"
        " </rdf:RDF>\n"
        "</x:xmpmeta>\n"
        '<?xpacket end="w"?>\n'
    ).encode()


def read(data: bytes) -> Xmp:
    """Read a sidecar. Raises SidecarUnreadable for what is no XMP, or holds more than XMP may."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SidecarUnreadable("The sidecar is not in UTF-8.") from error
    reading = _Reading(Xmp(data))
    try:
        reading.parser.Parse(text.encode(), True)
    except expat.ExpatError as error:
        raise SidecarUnreadable(f"The sidecar is no XML: {expat.ErrorString(error.code)}.") from error
    if reading.found.root is None:
        raise SidecarUnreadable("The sidecar is no XMP.")
    return reading.found


def merged(old: Xmp, words: str) -> bytes:
    """Return the sidecar with `words` as its default description. Raises SidecarUnreadable where they find no place."""
    data = old.data
    item = _item(words).encode()
    whole = f'<dc:description xmlns:dc="{_DC}"><rdf:Alt xmlns:rdf="{_RDF}">'.encode()
    whole += item + b"</rdf:Alt></dc:description>"
    if old.default is not None:
        new = data[: old.default.start] + item + data[old.default.end :]
    elif old.alternatives is not None and not old.alternatives.is_empty:
        new = data[: old.alternatives.inside] + item + data[old.alternatives.inside :]
    elif old.words is not None:
        new = data[: old.words.start] + whole + data[old.words.end :]
    elif old.about is not None:
        new = _inside(data, old.about, whole)
    else:
        assert old.root is not None
        about = f'<rdf:Description xmlns:rdf="{_RDF}" rdf:about="">'.encode() + whole + b"</rdf:Description>"
        new = _inside(data, old.root, about)
    if read(new).said != _clean(words):
        raise SidecarUnreadable("The sidecar is made in a way that leaves the description no place.")
    return new


def _inside(data: bytes, span: _Span, more: bytes) -> bytes:
    if not span.is_empty:
        return data[: span.inside] + more + data[span.inside :]
    name = _NAME.match(data, span.start)
    assert name is not None
    opened = data[span.start : span.end].rstrip(b">").rstrip(b"/")
    return data[: span.start] + opened + b">" + more + b"</" + name[1] + b">" + data[span.end :]


def _item(words: str) -> str:
    return f'<rdf:li xmlns:rdf="{_RDF}" xml:lang="x-default">{escape(_clean(words))}</rdf:li>'


def _clean(words: str) -> str:
    # A reader of XML takes every end of a line for \n.
    return _NOT_XML.sub("\ufffd", words).replace("\r\n", "\n").replace("\r", "\n")


class _Reading:
    """Notes where the elements stand that matter. Each ends where the next thing begins, whatever that is."""

    def __init__(self, found: Xmp) -> None:
        self.found = found
        self._path: list[str] = []
        self._spans: list[_Span | None] = []
        self._opened: _Span | None = None
        self._closed: _Span | None = None
        self.parser = parser = expat.ParserCreate("utf-8", " ")
        parser.buffer_text = False
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.DefaultHandler = lambda _: self._here()
        # Entities are what makes a small file large; XMP has no use for them.
        parser.StartDoctypeDeclHandler = self._refuse

    def _here(self) -> int:
        at = self.parser.CurrentByteIndex
        if self._opened is not None:
            self._opened.inside, self._opened = at, None
        if self._closed is not None:
            self._closed.end, self._closed = at, None
        return at

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        span = _Span(self._here())
        if len(self._path) == DEPTH_MOST:
            raise SidecarUnreadable("The sidecar is nested too deeply.")
        self._path.append(name)
        wanted = self._wanted(name, attributes)
        if wanted is not None and getattr(self.found, wanted) is None:
            setattr(self.found, wanted, span)
            self._spans.append(span)
        else:
            self._spans.append(None)
        self._opened = span
        if name == _WRAPPER:
            self.found.toolkit = attributes.get(_TOOLKIT, "")

    def _wanted(self, name: str, attributes: Mapping[str, str]) -> str | None:
        """Return under which name the element that just began is to be remembered."""
        inner = self._path[self._path.index(_ROOT) :] if _ROOT in self._path else []
        if inner[:2] == [_ROOT, _ABOUT] and f"{_DC} description" in attributes:
            raise SidecarUnreadable("The sidecar holds the description in a way that cannot be added to.")
        match inner:
            case [root]:
                return "root" if root == name else None
            case [_, about] if about == _ABOUT:
                return "about"
            case [_, about, words] if (about, words) == (_ABOUT, _WORDS):
                return "words"
            case [_, about, words, alternatives] if (about, words, alternatives) == (_ABOUT, _WORDS, _ALT):
                return "alternatives"
            case [_, _, words, alternatives, item] if (words, alternatives, item) == (_WORDS, _ALT, _ITEM):
                return "default" if attributes.get(_LANGUAGE) == "x-default" else None
        return None

    def _end(self, name: str) -> None:
        at = self.parser.CurrentByteIndex
        span = self._spans.pop()
        is_empty = self._opened is not None and self.found.data[at - 2 : at] == b"/>"
        self._here()
        self._path.pop()
        if span is not None and is_empty:
            # The end of <a/> is told from behind it.
            span.is_empty, span.end = True, at
        elif span is not None:
            self._closed = span

    def _text(self, text: str) -> None:
        self._here()
        default = self.found.default
        if default is not None and self._spans and self._spans[-1] is default:
            self.found.said += text

    def _refuse(self, *_: object) -> None:
        raise SidecarUnreadable("The sidecar declares a document type, which XMP never does.")
