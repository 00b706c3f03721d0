"""What a site answered, read without trust: how much it is once unpacked, and whether it is text at all."""

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from daemons.clients.web_errors import PageNotText, PageTooLarge
from daemons.text import clean

MEGABYTE = 1_000_000
TEXT_TYPES = ("text/html", "application/xhtml+xml", "text/plain")
_PACKED = ("gzip", "x-gzip", "deflate")
_SNIFFED_BYTES = 1445
_BINARY = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
_MARKS_OF_ORDER = (b"\xfe\xff", b"\xff\xfe")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:+-]{1,40})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came for one request; the body unpacked, or its beginning where no more was wanted."""

    status: int
    headers: Mapping[str, str]  #: names in lower case; of several of one name the first
    body: bytes


class Unpacking:
    """Takes a body bit by bit, and never holds more than `limit` bytes of it."""

    def __init__(self, encoding: str, limit: int, *, is_cut: bool = False) -> None:
        self.body = bytearray()
        self._limit = limit
        self._is_cut = is_cut
        self._packed_bytes = 0
        coding = encoding.strip().lower()
        if coding not in ("", "identity", *_PACKED):
            raise PageNotText(f"The page is packed as {clean(coding, 50)!r}, which was not asked for.")
        self._unpacker = zlib.decompressobj(wbits=47) if coding in _PACKED else None
        self._may_be_bare = coding == "deflate"

    def take(self, bit: bytes) -> bool:
        """Take some more, and return whether more is wanted. Raises PageTooLarge or PageNotText."""
        self._packed_bytes += len(bit)
        room = self._limit - len(self.body) + 1
        self.body += bit[:room] if self._unpacker is None else self._unpack(bit, room)
        if len(self.body) <= self._limit and self._packed_bytes <= self._limit + 1024:
            return True
        if not self._is_cut:
            raise too_large(self._limit)
        del self.body[self._limit :]
        return False

    def _unpack(self, bit: bytes, room: int) -> bytes:
        assert self._unpacker is not None
        try:
            unpacked = self._unpacker.decompress(bit, room)
        except zlib.error as error:
            if not self._may_be_bare:
                raise PageNotText(f"The page cannot be unpacked: {error}.", code="ERR_URL_ANSWER") from error
            # Half of the world takes deflate for zlib's format, the other half for what is within it.
            self._unpacker, self._may_be_bare = zlib.decompressobj(wbits=-15), False
            return self._unpack(bit, room)
        self._may_be_bare = False
        return unpacked


def too_large(limit: int) -> PageTooLarge:
    """Return what to raise for a page of more than `limit` bytes."""
    return PageTooLarge(f"The page is larger than {limit / MEGABYTE:g} MB; the rest was not read.")


def media_type(headers: Mapping[str, str]) -> str:
    """Return what the site says the body is, "" where it says nothing."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def check_type(headers: Mapping[str, str]) -> None:
    """Raise PageNotText when the site itself says that it is something else than text."""
    kind = media_type(headers)
    if kind and kind not in TEXT_TYPES:
        raise PageNotText(f"It is no page: the site sends {clean(kind, 80)}.")


def text_type(answer: Answer) -> tuple[str, str | None]:
    """Return the type of a body that is text, and the charset the site names. Raises PageNotText for binaries."""
    kind, said = media_type(answer.headers), answer.headers.get("content-type", "")
    named = _CHARSET.search(said)
    charset = named[1].lower() if named else None
    beginning = answer.body[:_SNIFFED_BYTES]
    is_wide = beginning.startswith(_MARKS_OF_ORDER) or (charset or "").startswith("utf-16")
    if not is_wide and (_BINARY.search(beginning) or beginning.startswith(b"%PDF-")):
        raise PageNotText(f"It is no page: the site calls it {clean(kind, 80) or 'nothing'}, but it is no text.")
    if not kind:
        kind = "text/html" if beginning.lstrip()[:1] == b"<" else "text/plain"
    return kind, charset
