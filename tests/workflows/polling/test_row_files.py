"""Files of records are read row by row: what is torn, foreign or hostile is told with its line, and costs no other."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from daemons.errors import Invalid
from daemons.workflows.polling.keeper import Kind, kind_of, read_rows
from daemons.workflows.polling.keeper.row_files import CELL_CHARACTERS


def values(data: str | bytes, kind: Kind = "csv") -> Sequence[tuple[int, dict[str, Any]]]:
    rows, _ = read_rows(data.encode() if isinstance(data, str) else data, kind)
    return [tuple(row) for row in rows]


def refused(data: str | bytes, kind: Kind = "csv") -> Sequence[tuple[int, str]]:
    _, refused = read_rows(data.encode() if isinstance(data, str) else data, kind)
    return [(one.line, one.code) for one in refused]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_csv_is_read_however_it_was_saved(delimiter: str, end: str, mark: bytes) -> None:
    text = end.join(["Source,place,note", "/a.jpg,Köln,", ",,", "", '/b.jpg,,"1929: ""ice"""']).replace(",", delimiter)

    assert values(mark + text.encode()) == [
        (2, {"source": "/a.jpg", "place": "Köln"}),
        (5, {"source": "/b.jpg", "note": '1929: "ice"'}),
    ]


def test_a_cell_may_hold_delimiters_and_lines_and_rows_keep_their_line() -> None:
    text = 'source,caption\n/a.jpg,"one, two\nthree"\n/b.jpg,=1+1\n/c.jpg,5" disk\n/d.jpg\n'

    assert values(text) == [
        (2, {"source": "/a.jpg", "caption": "one, two\nthree"}),
        (4, {"source": "/b.jpg", "caption": "=1+1"}),
        (5, {"source": "/c.jpg", "caption": '5" disk'}),
        (6, {"source": "/d.jpg"}),
    ]


@pytest.mark.parametrize("torn", ['"/b.jpg,x', '/b.jpg,"x', '"/b.jpg"x,y'])
def test_a_lone_quote_costs_its_own_row(torn: str) -> None:
    text = f'source,caption\n/a.jpg,one\n{torn}\n/c.jpg,"three"\n/d.jpg,four\n'

    assert [row["source"] for _, row in values(text)] == ["/a.jpg", "/c.jpg", "/d.jpg"]
    assert refused(text) == [(3, "ERR_BAD_QUOTES")]


def test_the_rest_of_a_torn_cell_makes_no_record() -> None:
    text = 'source,caption\n/a.jpg,"never\nclosed by anybody\n/c.jpg,three\n'

    assert [row["source"] for _, row in values(text)] == ["/c.jpg"]
    assert refused(text) == [(2, "ERR_BAD_QUOTES"), (3, "ERR_RAGGED_ROW")]


def test_many_lone_quotes_are_read_in_a_moment() -> None:
    text = "source,caption\n" + '/a.jpg,"\n' * 50_001

    # A mark opens a cell that the next one closes; the last stays open.
    assert len(values(text)) == 25_000
    assert refused(text) == [(50_002, "ERR_BAD_QUOTES")]


def test_hostile_cells_are_refused_with_their_row() -> None:
    long = "x" * (CELL_CHARACTERS + 1)
    text = f'source,caption\n/a.jpg,a\0b\n/b.jpg,{long}\n/c.jpg,"{long}"\n/d.jpg,four,five\n/e.jpg,ok,,\n'

    assert sorted(refused(text)) == [
        (2, "ERR_BAD_TEXT"),
        (3, "ERR_TOO_LARGE"),
        (4, "ERR_TOO_LARGE"),
        (5, "ERR_RAGGED_ROW"),
    ]
    assert values(text) == [(6, {"source": "/e.jpg", "caption": "ok"})]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "ERR_NO_ROWS"),
        (b"\n \r\n", "ERR_NO_ROWS"),
        ("source,caption\n/a.jpg,Köln\n".encode("latin-1"), "ERR_NOT_UTF8"),
        ("source,caption\n/a.jpg,x\n".encode("utf-16"), "ERR_NOT_UTF8"),
        ("source,caption\n/a.jpg,x\n".encode("utf-16-le"), "ERR_NOT_UTF8"),
        (b"name,caption\n/a.jpg,x\n", "ERR_NO_SOURCE"),
        (b"source,Place,place\n/a.jpg,x,y\n", "ERR_DUPLICATE_COLUMN"),
        (",".join(["source", *map(str, range(100_000))]).encode(), "ERR_TOO_MANY_COLUMNS"),
        (b"source,Source\n/a.jpg,x\n", "ERR_DUPLICATE_COLUMN"),
        (b'"source,caption\n/a.jpg,x\n', "ERR_BAD_HEADER"),
    ],
)
def test_what_is_no_such_csv_is_refused_as_a_whole(data: bytes, code: str) -> None:
    with pytest.raises(Invalid) as error:
        read_rows(data, "csv")

    assert error.value.error_code == code


def test_of_another_encoding_the_line_is_told() -> None:
    with pytest.raises(Invalid, match="line 3"):
        read_rows(b"source\n/a.jpg\n/\xff.jpg\n", "csv")


def test_json_keeps_types_and_tells_the_line_of_each_object() -> None:
    text = '\n[ {"source": "/a.jpg", "year": 1907},\n\n  {"source":\n "/b.jpg", "keywords": ["ice"]}, 7\n]\n'

    assert values(text, "json") == [
        (2, {"source": "/a.jpg", "year": 1907}),
        (4, {"source": "/b.jpg", "keywords": ["ice"]}),
    ]
    assert refused(text, "json") == [(5, "ERR_NO_OBJECT")]
    assert values("[]", "json") == []


ROWS = {
    '{"source": "/a.jpg", "source": "/b.jpg"}': "ERR_INVALID_JSON",
    '{"source": "/a.jpg", "x": {"y": 1, "y": 2}}': "ERR_INVALID_JSON",
    '{"source": "a\\u0000b"}': "ERR_BAD_TEXT",
    '{"a\\u0000b": 1}': "ERR_BAD_TEXT",
    '{"source": "\\ud800"}': "ERR_NOT_JSON",
    '{"source": "/a.jpg", "x": NaN}': "ERR_NOT_JSON",
    '{"source": "/a.jpg", "x": 1e999}': "ERR_NOT_JSON",
    '{"source": "/a.jpg", "x": ' + "9" * 5000 + "}": "ERR_NOT_JSON",
    '{"source": "/a.jpg", "x": ' + "[" * 100 + "]" * 100 + "}": "ERR_NOT_JSON",
    '{"source": "' + "x" * 1_100_000 + '"}': "ERR_TOO_LARGE",
    "null": "ERR_NO_OBJECT",
}


@pytest.mark.parametrize(("row", "code"), ROWS.items(), ids=list(map(str, range(len(ROWS)))))
def test_a_hostile_object_costs_only_itself(row: str, code: str) -> None:
    good = '{"source": "/good.jpg"}'

    assert refused(f"[{good},\n{row},\n{good}]", "json") == [(2, code)]
    assert refused(f"{good}\n{row}\n{good}", "jsonl") == [(2, code)]
    assert len(values(f"{good}\n{row}\n{good}", "jsonl")) == len(values(f"[{good},\n{row},\n{good}]", "json")) == 2


@pytest.mark.parametrize(
    "text",
    ["", "{}", "7", "[", "[{}", "[{},]", '[{"a": 1} {"b": 2}]', "[{}] x", "[nonsense]", "[" * 100_000, "[,]"],
)
def test_what_is_no_list_of_objects_is_refused_as_a_whole(text: str) -> None:
    with pytest.raises(Invalid) as error:
        read_rows(text.encode(), "json")

    assert error.value.error_code == "ERR_INVALID_JSON"


def test_a_line_that_is_no_json_costs_only_itself() -> None:
    text = '\ufeff{"source": "/a.jpg"}\r\n\r\n{"source": \n' + "[" * 100_000 + '\n{"source": "/b\u2028.jpg"}'

    assert [row["source"] for _, row in values(text, "jsonl")] == ["/a.jpg", "/b\u2028.jpg"]
    assert refused(text, "jsonl") == [(3, "ERR_INVALID_JSON"), (4, "ERR_INVALID_JSON")]


def test_the_kind_is_told_by_the_name_or_by_how_it_begins() -> None:
    names = ["a.CSV", "a.tsv", "a.json", "a.ndjson", "a.jsonl"]
    begins = [b"source\n", b"\xef\xbb\xbf [{}]", json.dumps({"source": 1}).encode(), b""]

    assert [kind_of(name, b"") for name in names] == ["csv", "csv", "json", "jsonl", "jsonl"]
    assert [kind_of("-", data) for data in begins] == ["csv", "json", "jsonl", "csv"]
