"""What is offered for the empty fields of a form: from the record itself, and from those beside it."""

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import BaseModel, Field

from daemons.database import Database
from daemons.workflows.polling.file_names import date_in_name, folder_of, readable
from daemons.workflows.polling.keeper import NewRecord
from daemons.workflows.polling.keeper.adding import add
from daemons.workflows.polling.keeper.neighbours import LOOKED_AT, neighbours
from daemons.workflows.polling.ladders import LADDERS
from daemons.workflows.polling.ladders.stills import StillForm
from daemons.workflows.polling.records import Record
from daemons.workflows.polling.steps.files import PENDING
from daemons.workflows.polling.suggestions import Origin, suggestions_of
from daemons.workflows.polling.wordings import beginning, date_in, headline, name_in, urls_in
from tests.workflows.polling.step_context import record

SOURCE = b"/photos/Whitby 1931/fishing-boats-in-the-harbour.jpg"


def offered(of: Record, field: str, beside: list[Mapping[str, Any]] | None = None) -> list[tuple[Any, str]]:
    found = suggestions_of(of, StillForm, beside or [])
    return [(one.value, one.sentence) for one in found if one.field == field]


def test_a_title_is_offered_by_the_page_the_caption_and_the_file() -> None:
    still = record(SOURCE, caption="Boats in the ice. More about it.\nAnd a second line.", url_title="The ice of 1931")

    assert offered(still, "title") == [
        ("The ice of 1931", "from the title of its web page"),
        ("Boats in the ice", "from the caption"),
        ("Fishing boats in the harbour", "from the file's name"),
    ]
    assert offered(still, "caption") == []


def test_a_caption_is_offered_by_the_description_the_page_and_the_title() -> None:
    page = "Whitby froze in 1931. " + "The boats lay still for weeks. " * 40
    still = record(SOURCE, title="Whitby in the ice", description="Boats in a harbour.", url_text=page)

    described, paged, titled = offered(still, "caption")

    assert described == ("Boats in a harbour.", "from the description")
    assert paged[0].startswith("Whitby froze in 1931.") and paged[0].endswith("for weeks.") and len(paged[0]) <= 500
    assert titled == ("Whitby in the ice", "from the title")
    assert offered(record(SOURCE, title="IMG_1234.jpg"), "caption") == []
    assert offered(record(SOURCE, title="A 17", headline="Whitby froze"), "caption") == [
        ("Whitby froze", "from the headline"),
        ("A 17", "from the title"),
    ]
    assert offered(record(SOURCE, transcript="Welcome to Whitby."), "caption") == [
        ("Welcome to Whitby.", "from what is said in it")
    ]


def test_words_dates_names_and_addresses_are_found_where_they_stand() -> None:
    still = record(
        SOURCE,
        caption="A bridge, a bridge and soldiers near https://example.org/ice?a=1.",
        copyright="© 1931 Frank Meadow, all rights reserved",
        credit="Whitby Museum",
        rights="Not for sale.",
    )

    assert offered(still, "keywords") == [(["bridge"], "from the caption"), (["harbour"], "from the file's name")]
    assert offered(still, "taken_at") == [("1931", "from the folder's name")]
    assert offered(still, "url") == [("https://example.org/ice?a=1", "from the caption")]
    assert offered(still, "creator") == [
        ("Whitby Museum", "from the credit line"),
        ("Frank Meadow", "from the copyright notice"),
    ]
    assert [value for value, _ in offered(still, "notes")][:2] == ["Whitby Museum", "Not for sale."]
    assert offered(still._replace(parent_id="above"), "keywords") == [(["bridge"], "from the caption")]


def test_the_values_used_most_beside_it_are_offered_with_how_many_have_them() -> None:
    beside: list[Mapping[str, Any]] = [
        {"place": "Hull", "keywords": ["ice", "boats"], "taken_at": "1931-02-03T10:00:00"},
        {"place": "Whitby", "keywords": ["ice"], "taken_at": "1931-02-03T11:30:00"},
        {"place": "Whitby", "caption": "Mine alone", "title": "Mine alone"},
        {"place": {"not": "text"}, "keywords": [None, 3, "x" * 500]},
    ]
    still = record(b"/photos/x.jpg")

    assert offered(still, "place", beside) == [
        ("Whitby", "from 2 others in the same folder"),
        ("Hull", "from 1 other in the same folder"),
    ]
    assert offered(still, "keywords", beside) == [
        (["ice"], "from 2 others in the same folder"),
        (["boats"], "from 1 other in the same folder"),
    ]
    assert offered(still, "taken_at", beside) == [("1931-02-03", "from 2 others in the same folder")]
    assert offered(still, "caption", beside) == offered(still, "title", beside) == []


def test_only_empty_fields_are_offered_something_and_nothing_twice() -> None:
    still = record(SOURCE, title="There", keywords=[], caption="", credit="Ana", copyright="© ANA")

    assert offered(still, "title") == []
    assert offered(still, "caption") == [("There", "from the title")]
    assert offered(still, "creator", [{"creator": "ana"}]) == [("Ana", "from the credit line")]
    many = [{"place": f"Place {n}", "keywords": [f"word {n}", f"more {n}"]} for n in range(50)]
    assert (len(offered(still, "place", many)), len(offered(still, "keywords", many))) == (3, 7)


class Narrow(BaseModel):
    """A form of somebody's own."""

    title: str = Field("", max_length=12)
    year: int = Field(ge=1900)
    shelf: str | None = None
    keywords: str = ""


def test_what_a_form_would_not_take_is_not_offered() -> None:
    beside = [{"year": 1066, "shelf": "B 2"}, {"year": 1931, "shelf": "B 2"}]
    found = suggestions_of(record(SOURCE, caption="Boats. A bridge."), Narrow, beside)

    assert [(one.field, one.value) for one in found] == [("title", "Boats"), ("year", 1931), ("shelf", "B 2")]


def test_what_strangers_wrote_is_cleaned_cut_and_no_advertisement() -> None:
    evil = "Boats\u202e gnp\x00 " + "é" * 20_000
    still = record(
        SOURCE,
        description=evil,
        credit=evil,
        rights=evil,
        url_title="Stock photo: boats | Shutterstock",
        url_text=["no", "text"],
        copyright={"no": "text"},
        transcript=7,
    )
    found = suggestions_of(still, StillForm, [{"place": evil}, {"place": float("inf")}])

    texts = [word for one in found for word in (one.value if isinstance(one.value, list) else [one.value])]
    assert texts and not any("\u202e" in text or "\x00" in text for text in texts)
    assert max(map(len, texts)) <= 2_000 and len(next(one.value for one in found if one.field == "place")) <= 255
    assert Origin.PAGE_TITLE not in {one.origin for one in found}


@pytest.mark.parametrize(
    ("name", "title", "date"),
    [
        ("fishing_boats.in-the-harbour.jpeg", "Fishing boats in the harbour", None),
        ("Jean-Luc at the Quai (2).jpg", "Jean-Luc at the Quai", None),
        ("IMG_20210503_140322.jpg", "", "2021-05-03T14:03:22"),
        ("PXL_20210503_140322123.jpg", "", "2021-05-03"),
        ("IMG_1234-harbour.jpg", "Harbour", None),
        ("2021-05-03 Harbour.tiff", "Harbour", "2021-05-03"),
        ("DSC01945.JPG", "", None),
        ("99cdd56103d4960a70554fb17e309686.png", "", None),
        ("1920x1080.png", "", None),
        ("20211399.jpg", "", None),
        ("scan (3).jpg", "", None),
        ("Müller \\xff\\\\ 1931.jpg", "Müller 1931", None),
        ("", "", None),
        ("." * 255, "", None),
    ],
)
def test_names_of_files_are_read_as_people_do(name: str, title: str, date: str | None) -> None:
    assert (readable(name), date_in_name(name)) == (title, date)


def test_texts_are_read_as_people_do() -> None:
    assert headline("x" * 101) == "" and headline("One line\nand more") == "One line"
    assert beginning("word " * 50, 20) == "word word word…"
    assert date_in("It was about 1931, or so") == "about 1931" and date_in("On 3 May 1931.") == "3 May 1931"
    assert date_in("1920x1080") is None
    assert name_in("? Copyright (c) 2009-2011, Ana Lund.") == "Ana Lund"
    assert [*urls_in("(see http://a.example/b, https://c.example/d)")] == ["http://a.example/b", "https://c.example/d"]
    assert [folder_of(one) for one in ("/a/b.jpg", "/b.jpg", "filemaker:Layout/3", "b")] == ["/a", "", None, None]


async def test_neighbours_are_those_of_the_same_folder_and_ladder_nearest_first(database: Database) -> None:
    def new(source: str, ladder: str = "stills", **fields: Any) -> NewRecord:
        return NewRecord(ladder, PENDING, source, fields=fields)

    some = [
        new("/a_b/1.jpg", place="Whitby", keywords=["ice"]),
        new("/a_b/2.jpg", url_text="no place"),
        new("/a_b/3.jpg"),
        new("/a_b/4.jpg", place="Hull"),
        new("/a_b/below/5.jpg", place="below"),
        new("/axb/6.jpg", place="elsewhere"),
        new("/A_B/7.jpg", place="shouted"),
        new("/a_b/8.mp4", "footage", place="a clip's"),
    ]
    far = [new(f"/far/{n}.jpg") for n in range(LOOKED_AT)]
    last = [new("/a_b/9.jpg", place="too far")]
    made = await database.write(lambda tx: add(tx, LADDERS, [*some, *far, *last], by="Ana"))

    found = await neighbours(database, made[2], ["place", "keywords"])

    assert [one["place"] for one in found] == ["Hull", None, "Whitby"]
    assert found[2] == {"place": "Whitby", "keywords": ["ice"]}
    assert await neighbours(database, made[2], []) == []
    assert await neighbours(database, made[2]._replace(source="filemaker:Stills/3"), ["place"]) == []
