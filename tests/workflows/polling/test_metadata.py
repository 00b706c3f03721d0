"""What a still says of itself, in each standard and each of their old habits, whatever is written there."""

import os
import struct
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from daemons.workflows.polling.metadata import exiftool
from daemons.workflows.polling.metadata.dates import iso_date
from daemons.workflows.polling.metadata.reading import read_metadata
from daemons.workflows.polling.metadata.xmp_notes import XmpUnreadable, notes_of
from daemons.workflows.polling.steps.metadata import metadata
from tests.pictures.samples import canon_in_berlin, landscape, saved
from tests.workflows.polling.step_context import Context, after, context, record

SMALL = (64, 48)


@pytest.fixture(autouse=True)
def without_exiftool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have every test find the same, also in worker processes, on machines with exiftool and without."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


@pytest.fixture
async def ctx() -> AsyncIterator[Context]:
    async with context() as ctx:
        yield ctx


def xmp(inside: str, attributes: str = "") -> bytes:
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" '
        'xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:xmpRights="http://ns.adobe.com/xap/1.0/rights/" '
        f"{attributes}>{inside}</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end='w'?>"
    ).encode()


def iptc(*datasets: tuple[int, int, bytes]) -> bytes:
    """Return the Photoshop segment of a JPEG with these datasets."""
    data = b"".join(b"\x1c" + bytes((record, number)) + struct.pack(">H", len(v)) + v for record, number, v in datasets)
    block = b"8BIM\x04\x04\x00\x00" + struct.pack(">I", len(data)) + data + b"\x00" * (len(data) % 2)
    body = b"Photoshop 3.0\x00" + block
    return b"\xff\xed" + struct.pack(">H", len(body) + 2) + body


def with_iptc(path: bytes, *datasets: tuple[int, int, bytes]) -> bytes:
    file = Path(os.fsdecode(path))
    data = file.read_bytes()
    file.write_bytes(data[:2] + iptc(*datasets) + data[2:])
    return path


def found(path: bytes) -> Mapping[str, Any]:
    return read_metadata(path)["fields"]


async def test_all_standards_together_make_one_set_of_fields(ctx: Context, tmp_path: Path) -> None:
    words = xmp(
        "<dc:title><rdf:Alt><rdf:li xml:lang='de'>Laden</rdf:li><rdf:li xml:lang='x-default'>A shop</rdf:li></rdf:Alt>"
        "</dc:title><dc:subject><rdf:Bag><rdf:li>shop</rdf:li><rdf:li>street</rdf:li><rdf:li>shop</rdf:li></rdf:Bag>"
        "</dc:subject><dc:source>https://example.org/shop?id=7</dc:source>",
        "photoshop:City='Berlin' photoshop:Country='Germany' photoshop:DateCreated='1931-05'",
    )
    path = saved(landscape(*SMALL), tmp_path / "a.jpg", exif=canon_in_berlin(), xmp=words)
    with_iptc(path, (2, 5, b"Not this title"), (2, 80, b"Anna Example"), (2, 110, b"Example Archive"))

    outcome = await metadata(ctx, record(path))

    known = {name: value for name, value in outcome.fields.items() if value is not None}
    assert known == {
        "title": "A shop",
        "keywords": ["shop", "street"],
        "creator": "Anna Example",
        "credit": "Example Archive",
        "taken_at": "2021-05-03T14:03:22+02:00",
        "latitude": 52.52,
        "longitude": 13.4,
        "place": "Berlin, Germany",
        "camera": "Canon EOS 80D",
        "url": "https://example.org/shop?id=7",
        "metadata_source": ["EXIF", "IPTC", "XMP"],
    }
    assert outcome.note is None


def test_a_headline_is_kept_beside_a_title_and_else_is_the_title(tmp_path: Path) -> None:
    def pictured(name: str, attributes: str, *datasets: tuple[int, int, bytes]) -> Mapping[str, Any]:
        words = xmp("", f"photoshop:Headline='{attributes}'") if attributes else b""
        told = found(with_iptc(saved(landscape(*SMALL), tmp_path / name, xmp=words), *datasets))
        return {name: told[name] for name in ("title", "headline") if name in told}

    both = pictured("a.jpg", "", (2, 5, b"A 17"), (2, 105, b"Whitby froze"))
    alone = pictured("b.jpg", "", (2, 5, b"Untitled"), (2, 105, b"Whitby froze"))
    twice = pictured("c.jpg", "A 17", (2, 5, b"A 17"))
    apart = pictured("d.jpg", "Whitby froze", (2, 105, b"Whitby froze"))

    assert both == {"title": "A 17", "headline": "Whitby froze"}
    assert alone == apart == {"title": "Whitby froze"}
    assert twice == {"title": "A 17"}


async def test_what_a_person_wrote_stays_and_what_an_earlier_look_found_is_renewed(
    ctx: Context, tmp_path: Path
) -> None:
    path = with_iptc(saved(landscape(*SMALL), tmp_path / "a.jpg"), (2, 5, b"Found"), (2, 120, b"Caption"))
    first = after(record(path), await metadata(ctx, record(path)), "metadata")
    edited = first._replace(
        fields={**first.fields, "title": "A person's", "notes": "n"},
        provenance={**first.provenance, "title": {"by": "anna"}, "notes": {"by": "anna"}},
    )
    saved(landscape(*SMALL), tmp_path / "a.jpg")

    second = after(edited, await metadata(ctx, edited), "metadata")

    assert (first.fields["title"], first.fields["caption"]) == ("Found", "Caption")
    assert second.fields == {"title": "A person's", "notes": "n"}


@pytest.mark.parametrize(
    ("charset", "raw"),
    [
        (b"\x1b%G", "Čapek’s café".encode()),
        (None, "Čapek’s café".encode()),
        (None, "Zoë’s café".encode("cp1252")),
        (None, b"caf\x81\xe9"),
    ],
)
def test_iptc_of_any_encoding_is_text(tmp_path: Path, charset: bytes | None, raw: bytes) -> None:
    head = [(1, 90, charset)] if charset else []
    path = with_iptc(saved(landscape(*SMALL), tmp_path / "a.jpg"), *head, (2, 120, raw))

    assert found(path)["caption"] in ("Čapek’s café", "Zoë’s café", "caf\\x81é")


def test_exif_text_of_every_program_is_text(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "M@@rchen"
    exif[0x013B] = "OLYMPUS DIGITAL CAMERA"
    exif[0x9C9E] = "ein Wort;zwei Wörter\0".encode("utf-16-le")
    exif[0x9C9B] = "Titel ✓\0".encode("utf-16-le")
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\x00" + "other".encode("utf-16-be")
    path = saved(landscape(*SMALL), tmp_path / "a.jpg", exif=exif)
    # Pillow writes plain ASCII only; other programs write UTF-8.
    file = tmp_path / "a.jpg"
    file.write_bytes(file.read_bytes().replace(b"M@@rchen", "Märchen".encode()))
    only_comment = Image.Exif()
    only_comment.get_ifd(0x8769)[0x9286] = b"UNICODE\x00" + "Größe".encode("utf-16-be")
    other = saved(landscape(*SMALL), tmp_path / "b.jpg", exif=only_comment)

    fields = found(path)

    assert fields["keywords"] == ["ein Wort", "zwei Wörter"]
    assert (fields["title"], fields["caption"]) == ("Titel ✓", "Märchen")
    assert "creator" not in fields
    assert found(other)["caption"] == "Größe"


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("0000:00:00 00:00:00", None),
        ("0000-00-00", None),
        ("00000000", None),
        ("0001-01-01T00:00:00", None),
        ("9999:99:99 99:99:99", None),
        ("1931", "1931"),
        ("1931-05", "1931-05"),
        ("19310500", "1931-05"),
        ("1931-13-01", "1931"),
        ("1931-02-30", "1931"),
        ("20210503 140322+0200", "2021-05-03T14:03:22+02:00"),
        ("2021:05:03 14:03:22", "2021-05-03T14:03:22"),
        ("2021-05-03T14:03Z", "2021-05-03T14:03:00+00:00"),
        ("2021-05-03T25:61:00", "2021-05-03"),
        ("circa 1931", None),
        ("٢٠٢١", None),
        ("", None),
    ],
)
def test_of_dates_as_much_is_kept_as_makes_sense(text: str, date: str | None) -> None:
    assert iso_date(text) == date


def test_hostile_words_come_out_clean_and_short(tmp_path: Path) -> None:
    bags = "".join(f"<rdf:li>word {number} {'x' * 300}</rdf:li>" for number in range(500))
    words = xmp(
        "<dc:title><rdf:Alt><rdf:li xml:lang='x-default'>a\u202egnp.exe\u200f<b>&lt;script&gt;</b></rdf:li></rdf:Alt>"
        f"</dc:title><dc:description><rdf:Alt><rdf:li>{'é' * 100_000}</rdf:li></rdf:Alt></dc:description>"
        f"<dc:subject><rdf:Bag>{bags}</rdf:Bag></dc:subject><dc:source>javascript:alert(1)</dc:source>",
        "exif:GPSLatitude='95,0N' exif:GPSLongitude='13,24,0E'",
    )
    path = saved(landscape(*SMALL), tmp_path / "a.png", pnginfo=_text("XML:com.adobe.xmp", words.decode()))

    fields = found(path)

    assert fields["title"] == "a\\u202egnp.exe\\u200f"
    assert len(fields["caption"]) == 8_000
    assert (len(fields["keywords"]), max(map(len, fields["keywords"]))) == (100, 100)
    assert not {"url", "latitude", "longitude"} & fields.keys()


def test_five_megabytes_of_metadata_are_read_and_cost_no_more_than_their_limit(tmp_path: Path) -> None:
    tags = ImageFileDirectory_v2()
    tags[700] = xmp(
        f"<dc:title><rdf:Alt><rdf:li>T</rdf:li></rdf:Alt></dc:title><photoshop:History>{'h' * 5_000_000}"
        "</photoshop:History>"
    )
    tags.tagtype[700] = 1
    path = saved(landscape(*SMALL), tmp_path / "a.tif", tiffinfo=tags)

    assert found(path)["title"] == "T"
    with pytest.raises(XmpUnreadable, match="more than"):
        notes_of(b"<a/>" + b" " * 17_000_000 + b"<b/>")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "document type"),
        (b"<a><b>", "no XML"),
        (b"\xff\xff\xff", "no XML"),
        (b"<?xml version='1.0' encoding='no-such'?><a/>", "no XML"),
        (b"<a>" * 200_000, "no XML"),
    ],
)
def test_xmp_that_is_none_is_told(data: bytes, why: str) -> None:
    with pytest.raises(XmpUnreadable, match=why):
        notes_of(data)


def test_xmp_in_other_encodings_than_it_says_is_read() -> None:
    words = xmp("<dc:title><rdf:Alt><rdf:li>Zoë\x07</rdf:li></rdf:Alt></dc:title>")

    assert notes_of(words.replace("ë".encode(), b"\xeb").replace("\ufeff".encode(), b"")).title == "Zoë"
    assert notes_of(words.replace(b"\x07", b"").decode().encode("utf-16")).title == "Zoë"


async def test_metadata_that_cannot_be_read_are_a_note_and_no_failure(ctx: Context, tmp_path: Path) -> None:
    path = with_iptc(saved(landscape(*SMALL), tmp_path / "a.jpg", xmp=b"<a><b>"), (2, 5, b"Title"))

    outcome = await metadata(ctx, record(path))

    assert outcome.fields["title"] == "Title"
    assert outcome.note is not None
    assert outcome.note.startswith("The XMP cannot be read: it is no XML")


async def test_a_file_of_another_size_is_not_the_one_that_was_looked_at(ctx: Context, tmp_path: Path) -> None:
    path = saved(landscape(*SMALL), tmp_path / "a.jpg")

    outcome = await metadata(ctx, record(path, size=1))

    assert (outcome.to, dict(outcome.fields)) == ("0 - Pending File Info", {})
    assert outcome.note is not None
    assert outcome.note.startswith("The file is not the one whose facts were read")


def test_exiftool_fills_in_what_nobody_else_found(tmp_path: Path) -> None:
    path = with_iptc(saved(landscape(*SMALL), tmp_path / "a.jpg"), (2, 5, b"Title"))
    answer = (
        '[{"SourceFile":"a","ObjectName":"Other","Keywords":["one",2],"DateTimeOriginal":"0000:00:00 00:00:00",'
        '"CreateDate":"1999:12:31 23:59:59","GPSLatitude":52.5,"GPSLongitude":-13.25,"Make":"Leica","Model":"M6"}]'
    )
    _program(tmp_path, f"printf '%s' '{answer}'")

    assert found(path) == {
        "title": "Title",
        "keywords": ["one", "2"],
        "taken_at": "1999-12-31T23:59:59",
        "latitude": 52.5,
        "longitude": -13.25,
        "camera": "Leica M6",
        "metadata_source": ["IPTC", "exiftool"],
    }


@pytest.mark.parametrize("script", ["exit 1", "echo '{'", "echo '[]'", 'echo \'[{"Error":"File format error"}]\''])
def test_an_exiftool_that_fails_is_a_problem_and_no_failure(tmp_path: Path, script: str) -> None:
    path = with_iptc(saved(landscape(*SMALL), tmp_path / "a.jpg"), (2, 5, b"Title"))
    _program(tmp_path, script)

    told = read_metadata(path)

    assert told["fields"] == {"title": "Title", "metadata_source": ["IPTC"]}
    assert told["problems"][0].startswith("exiftool: it ")
    assert exiftool.exiftool() is not None


def _program(folder: Path, script: str) -> None:
    (folder / "bin").mkdir()
    program = folder / "bin" / "exiftool"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def _text(name: str, text: str) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_itxt(name, text)
    return info
