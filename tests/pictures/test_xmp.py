"""Descriptions as XMP: other programs read it, and what they wrote stays to the byte."""

import re
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemons.pictures.xmp import SidecarUnreadable, merged, new_sidecar, read

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
SPACES = f'xmlns:r="{RDF}" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:lr="http://ns.adobe.com/lightroom/1.0/"'


def sidecar(inner: str) -> bytes:
    return (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Adobe XMP Core 5.6"><r:RDF {SPACES}><!-- mine -->{inner}</r:RDF>'
        "</x:xmpmeta><?xpacket end='w'?>"
    ).encode()


def said_in(data: bytes) -> str | None:
    """Return the default description as another reader of XML finds it."""
    found = ElementTree.fromstring(data).find(
        f".//{{http://purl.org/dc/elements/1.1/}}description/{{{RDF}}}Alt/{{{RDF}}}li"
        "[@{http://www.w3.org/XML/1998/namespace}lang='x-default']"
    )
    return found.text if found is not None else None


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.text(min_size=1, max_size=20))
def test_any_words_are_read_back_also_by_others(words: str, before: str) -> None:
    expected = re.sub(r"\r\n?", "\n", re.sub("[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "\ufffd", words))

    data = new_sidecar(before.encode("utf-8", "replace").decode(), version="1.0", now=NOW)
    again = merged(read(data), words)

    assert (read(again).said, read(again).is_ours) == (expected, True)
    assert said_in(again.replace(b"\xef\xbb\xbf", b"")) == expected
    assert b"<xmp:CreatorTool>Daemondeck 1.0</xmp:CreatorTool>" in data
    assert b"2026-01-02T03:04:05+00:00" in data


LIGHTROOM = "<lr:weightedFlatSubject><r:Bag><r:li>a &amp; b</r:li></r:Bag></lr:weightedFlatSubject>"
GERMAN = '<r:li xml:lang="de">Ein Hund</r:li>'


@pytest.mark.parametrize(
    ("inner", "kept"),
    [
        (f'<r:Description r:about="">{LIGHTROOM}</r:Description>', [LIGHTROOM]),
        ('<r:Description r:about="x>y" lr:note="/"/>', ['lr:note="/"']),
        ("", ["<!-- mine -->"]),
        (
            f"<r:Description><dc:description><r:Alt>{GERMAN}</r:Alt></dc:description>{LIGHTROOM}</r:Description>",
            [GERMAN, LIGHTROOM],
        ),
        (
            f'<r:Description><dc:description><r:Alt>{GERMAN}<r:li xml:lang="x-default">Old</r:li></r:Alt>'
            "</dc:description></r:Description>",
            [GERMAN],
        ),
        (
            '<r:Description><dc:description><r:Alt><r:li xml:lang="x-default"/></r:Alt></dc:description>'
            "</r:Description>",
            [],
        ),
        (f"<r:Description><dc:description><r:Alt/></dc:description>{LIGHTROOM}</r:Description>", [LIGHTROOM]),
        ("<r:Description><dc:description/></r:Description>", []),
        ("<r:Description><dc:description>Old</dc:description></r:Description>", []),
        (f"<r:Description>{LIGHTROOM}</r:Description><r:Description><dc:description/></r:Description>", [LIGHTROOM]),
    ],
)
def test_only_the_description_is_put_in(inner: str, kept: list[str]) -> None:
    old = sidecar(inner)

    new = merged(read(old), "A <dog>.")

    assert said_in(new) == read(new).said == "A <dog>."
    assert not read(new).is_ours
    assert all(words.encode() in new for words in [*kept, "<!-- mine -->", 'x:xmptk="Adobe XMP Core 5.6"'])
    assert b"Old" not in new
    assert merged(read(new), "A <dog>.") == new


BOMB = "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(9))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 100,
        b"not xml",
        b"<a/>",
        sidecar("")[:-40],
        sidecar("").decode().encode("utf-16"),
        sidecar("") + b"<more/>",
        f'<!DOCTYPE x [<!ENTITY a0 "lol">{BOMB}]>'.encode() + sidecar("&a9;"),
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd">' + sidecar(""),
        b'<?xml version="1.0" encoding="cp037"?><a/>',
        sidecar('<r:Description dc:description="As an attribute"/>'),
        b"<a>" * 100_000,
    ],
)
def test_what_is_no_xmp_or_could_do_harm_is_refused(data: bytes) -> None:
    with pytest.raises(SidecarUnreadable):
        read(data)
