"""What a page says, whatever its bytes are."""

import pytest

from daemons.workflows.polling.page_text import (
    TEXT_CHARACTERS,
    TITLE_CHARACTERS,
    PageText,
    PageUnreadable,
    decode,
    read_page,
)

ARTICLE = """<!DOCTYPE html><html><head><meta charset="utf-8"><title> Harbour at dusk
 | Archive</title><meta name="description" content="A harbour, photographed in 1931."><style>p { color: red }</style>
</head><body><nav><a href="/">Home</a> <a href="/x">About us</a></nav><div class="sidebar">Buy our mugs</div>
<article><h1>Harbour at dusk</h1><p>Fishing boats return to the harbour of Whitby at dusk, photographed by Frank
Sutcliffe from the west pier, in the spring of 1931, for the local paper.</p><p>The print is kept in the archive of
the town; its number is 1931/204, and it was restored in 2009, by the archive's <b>own</b> workshop.</p>
<script>alert("a script")</script></article><footer>We use cookies</footer></body></html>"""


def html(body: str, **more: str) -> PageText:
    return read_page(body.encode(), "text/html", more.get("charset"))


def test_what_people_came_for_is_told_from_what_stands_around_it() -> None:
    page = html(ARTICLE)

    assert page.title == "Harbour at dusk | Archive"
    assert page.text.splitlines()[0] == "A harbour, photographed in 1931."
    assert "Fishing boats return" in page.text and "by the archive's own workshop" in page.text
    assert not [word for word in ("Buy our mugs", "cookies", "alert", "color", "About us", "<") if word in page.text]


def test_a_page_of_few_words_is_read_whole() -> None:
    assert html("<title>A</title><h1>Whitby</h1><ul><li>1931<li>glass plate</ul>").text == "Whitby\n1931\nglass plate"


def test_a_page_without_a_title_is_called_by_its_heading() -> None:
    assert html("<body><h1>A <i>name</i></h1><p>Text.</p>").title == "A name"


def test_plain_text_stays_as_it_is() -> None:
    text = read_page(b"One <b>line</b>.\r\n\r\nAnother.\x1b[31m", "text/plain", None)

    assert text == PageText("", "One <b>line</b>.\nAnother.␛[31m")


def test_long_texts_are_cut() -> None:
    page = html(f"<title>{'t' * 9_000}</title><p>{'word, ' * 90_000}</p>")

    assert (len(page.title), len(page.text)) == (TITLE_CHARACTERS, TEXT_CHARACTERS)


@pytest.mark.parametrize(
    ("body", "charset", "text"),
    [
        ("Zürich".encode(), None, "Zürich"),
        ("Zürich".encode("latin-1"), None, "Zürich"),
        ("“Zürich”".encode("cp1252"), "iso-8859-1", "“Zürich”"),
        ("Кот".encode("koi8-r"), "KOI8-R", "Кот"),
        ("港".encode("shift_jis"), "shift_jis", "港"),
        (b'<meta charset="windows-1251">' + "Кот".encode("cp1251"), None, '<meta charset="windows-1251">Кот'),
        ("Zürich".encode("utf-16"), "utf-8", "Zürich"),
        ("\ufeffZürich".encode(), "latin-1", "Zürich"),
        (b"abc", "base64", "abc"),
        (b"abc", "idna", "abc"),
        (b"abc", "unicode_escape", "abc"),
        (b"abc", "no-such-thing", "abc"),
        ("Zürich ü".encode()[:-1], None, "Zürich \ufffd"),
    ],
)
def test_a_page_is_decoded_as_browsers_do(body: bytes, charset: str | None, text: str) -> None:
    assert decode(body, charset) == text


@pytest.mark.parametrize("body", ["", "   ", "<!-- nothing -->", "<p>" * 100_001])
def test_what_cannot_be_read_says_so(body: str) -> None:
    with pytest.raises(PageUnreadable):
        html(body)


@pytest.mark.parametrize(
    "body",
    [
        "<div>" * 50_000,
        "<" * 100_000,
        "<table><tr><td>" * 5_000,
        "<a " + "x=y " * 50_000 + ">",
        "&#0;&#xd800;&#x110000;<p>\x00",
        "<frameset><frame src=x></frameset>",
        "<title>" + " " * 1_000_000 + "x",
        "<?xml version='1.0' encoding='utf-32'?><html><body><p>Words</p></body></html>",
        '<!DOCTYPE x [<!ENTITY a "b"><!ENTITY f SYSTEM "file:///etc/passwd">]><p>&a;&f;</p>',
    ],
)
def test_hostile_pages_are_borne(body: str) -> None:
    page = html(body)

    assert "root:" not in page.text and "\x00" not in page.text
