"""The title and the readable text of a page, out of bytes that a stranger sent. Meant for a worker process."""

import codecs
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from daemons.errors import Permanent
from daemons.text import clean

TITLE_CHARACTERS = 300
TEXT_CHARACTERS = 20_000
ELEMENTS_MOST = 100_000
"""A page of more is no page to read, and would take minutes."""
ARTICLE_CHARACTERS = 200
"""What is found of less is hardly what the page is about: then all of it counts."""

_SNIFFED_BYTES = 2048
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([\w.:+-]{1,40})", re.IGNORECASE)
# What browsers read too. Python knows more: some would take minutes (idna), some are none (base64).
_CHARSETS = re.compile(
    r"utf-8|utf-16(-[lb]e)?|iso8859-\d+|cp(437|85\d|86[26]|874|932|949|950|125\d)|koi8-[ru]|mac-(roman|cyrillic)|"
    r"shift_jis(_2004|x0213)?|euc_(jp|kr)|iso2022_jp|gb2312|gbk|gb18030|big5(hkscs)?|tis-620"
)
_NARROW = ("ascii", "iso8859-1")
"""Which everybody who names them means as Windows's larger one."""
_BLOCKS = re.compile(
    "address|article|aside|blockquote|br|caption|d[dlt]|div|fieldset|figcaption|figure|footer|form|h[1-6]|header|hr|li|"
    "main|nav|ol|p|pre|section|table|tbody|t[dhr]|ul"
)
_UNREAD = ("script", "style", "noscript", "template", "svg", "iframe", "object", "title")
_SPACES = re.compile(r"[^\S\n]+")
_LINES = re.compile(r" ?\n[\n ]*")


class PageUnreadable(Permanent):
    """Nobody can make text of the page."""

    code = "ERR_URL_UNREADABLE"
    remedy = "Open the address in a browser, and write what is needed into the record."


@dataclass(frozen=True, slots=True)
class PageText:
    """What a page says; "" where it says nothing."""

    title: str
    text: str


def read_page(body: bytes, media_type: str, charset: str | None) -> PageText:
    """Return what the page says. Raises PageUnreadable."""
    decoded = decode(body, charset)
    if media_type == "text/plain":
        return PageText("", _shown(decoded))
    return _read_html(decoded)


def decode(body: bytes, charset: str | None) -> str:
    """Return `body` as text: by its mark, by what the site or the page names, or as what it looks like."""
    for mark, encoding in ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if body.startswith(mark):
            return body[len(mark) :].decode(encoding, "replace")
    named = _META_CHARSET.search(body[:_SNIFFED_BYTES])
    for name in (charset, named[1].decode("ascii") if named else None):
        if name and (known := _codec(name)):
            return body.decode(known, "replace")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        # Cut off within a character, it is UTF-8 all the same.
        is_cut = error.start >= len(body) - 3
        return body.decode("utf-8" if is_cut else "cp1252", "replace")


def _codec(name: str) -> str | None:
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        return None
    if found in _NARROW:
        return "cp1252"
    return found if _CHARSETS.fullmatch(found) else None


def _read_html(decoded: str) -> PageText:
    import lxml.etree
    import lxml.html
    from readability.readability import Unparseable

    # It tells its own troubles by itself, with tracebacks.
    logging.getLogger("readability").setLevel(logging.CRITICAL)
    try:
        # Bytes, because lxml refuses text that names its own encoding.
        parser = lxml.html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
        page = lxml.html.document_fromstring(decoded.encode("utf-8", "replace"), parser=parser)
        if sum(1 for _ in page.iter()) > ELEMENTS_MOST:
            raise PageUnreadable(f"The page has more than {ELEMENTS_MOST:,} elements.")
        title, about = _title(page), _about(page)
        text = _article(page, parser)
        if len(text) < ARTICLE_CHARACTERS:
            text = max(text, _shown("".join(_pieces(page))), key=len)
    except lxml.etree.ParserError:
        raise PageUnreadable("The page is empty.") from None
    except (lxml.etree.LxmlError, Unparseable, ValueError, RecursionError) as error:
        raise PageUnreadable(f"The page cannot be taken apart: {clean(str(error), 200)}.") from error
    return PageText(title, text if not about or about in text else _shown(f"{about}\n{text}"))


def _article(page: Any, parser: Any) -> str:
    """Return the text of the part that people came for, as far as that can be told."""
    import lxml.html
    from readability import Document

    article = Document(page).summary(html_partial=True).strip()
    if not article:
        return ""
    return _shown("".join(_pieces(lxml.html.document_fromstring(article.encode("utf-8", "replace"), parser=parser))))


def _title(page: Any) -> str:
    for found in (page.find(".//head/title"), page.find(".//title"), page.find(".//h1")):
        if found is not None and (title := _in_a_line(found.text_content())):
            return title
    return ""


def _about(page: Any) -> str:
    """Return what the page says of itself for machines: where pictures are sold or kept that is the caption."""
    for name in ("@property='og:description'", "@name='description'"):
        for found in page.xpath(f".//meta[{name}]")[:1]:
            if about := _shown(found.get("content") or ""):
                return about
    return ""


def _pieces(element: Any) -> Iterator[str]:
    """Yield the text of an element, with an end of line around whatever stands in lines of its own."""
    import lxml.etree

    for event, one in lxml.etree.iterwalk(element, events=("start", "end")):
        is_block = _BLOCKS.fullmatch(one.tag) is not None
        if event == "start":
            if is_block:
                yield "\n"
            if one.tag not in _UNREAD:
                yield one.text or ""
        else:
            if is_block:
                yield "\n"
            yield one.tail or ""


def _in_a_line(text: str) -> str:
    return clean(" ".join(text[: 10 * TITLE_CHARACTERS].split()), TITLE_CHARACTERS)


def _shown(text: str) -> str:
    lines = _LINES.sub("\n", _SPACES.sub(" ", text.replace("\r", "\n"))).strip()
    return clean(lines, TEXT_CHARACTERS, keep_newlines=True)
