import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select

from daemons.database import Database
from daemons.database.transaction import Transaction
from daemons.errors import Invalid
from daemons.json_values import JSON_BYTES, JSON_DEPTH, check_json, json_text
from daemons.models import LogTable
from daemons.text import clean

ANY_TEXT = st.text(st.characters(exclude_categories=()))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(ANY_TEXT, st.integers(1, 20))
def test_clean_text_is_short_and_one_line_without_controls(text: str, limit: int) -> None:
    cleaned = clean(text, limit)

    assert len(cleaned) <= limit
    assert len(cleaned.splitlines()) <= 1
    assert not {unicodedata.category(character) for character in cleaned} & {"Cc", "Cs", "Zl", "Zp"}
    cleaned.encode()


@given(ANY_TEXT, st.integers(1, 20), st.booleans())
def test_cleaning_twice_changes_nothing(text: str, limit: int, keep_newlines: bool) -> None:
    once = clean(text, limit, keep_newlines=keep_newlines)

    assert clean(once, limit, keep_newlines=keep_newlines) == once


@given(st.text(st.characters(categories=("L", "N", "P", "S"))))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert clean(text, len(text)) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nul\0 and escape\x1b[31m", "nul␀ and escape␛[31m"),
        ("two\r\nlines\nand\u2028more", "two⏎lines⏎and⏎more"),
        ("a\tb\x7f\x85", "a b␡\\x85"),
        ("exe.\u202egpj", "exe.\\u202egpj"),
        ("half \ud800 a character", "half \ufffd a character"),
        ("not UTF-8: \udcff", "not UTF-8: \\xff"),
        ("family 👨\u200d👩\u200d👧, naïve, 東京, <script>", "family 👨\u200d👩\u200d👧, naïve, 東京, <script>"),
    ],
)
def test_what_cannot_be_shown_becomes_a_visible_mark(text: str, shown: str) -> None:
    assert clean(text, 100) == shown


def test_text_of_exactly_the_limit_is_whole_and_one_more_is_cut() -> None:
    assert clean("a" * 500, 500) == "a" * 500
    assert clean("a" * 501, 500) == "a" * 499 + "…"
    assert clean("\0" * 10_000_000, 500) == "␀" * 499 + "…"
    assert clean("\r\n" * 400, 500) == "⏎" * 250 + "⏎…"


def test_a_log_line_may_keep_its_newlines() -> None:
    assert clean("one\r\n\ttwo\rthree\x1b", 100, keep_newlines=True) == "one\n\ttwo\nthree␛"


@given(JSON)
def test_json_that_is_taken_can_be_read_back(value: object) -> None:
    check_json(value)

    assert json.loads(json_text(value)) == value


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"a": [1, {"b": float("nan")}]}, "args.a[1].b is nan"),
        ({"size": float("inf")}, "args.size is inf"),
        (["ok", "\udc80"], "args[1] holds half a character"),
        ({"\ud800": 1}, "A key of args holds half a character"),
        ({"when": {1, 2}}, "args.when is of type set"),
        ({"by": {7: "x"}}, "args.by has the key '7'"),
        ({"n": 2**70}, "args.n is a number of more than 64 bits"),
        (b"bytes", "args is of type bytes"),
    ],
)
def test_what_is_not_json_is_refused_naming_the_place(value: object, place: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_json(value, "args")

    assert refused.value.message.startswith(place)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_never_written_though_its_name_may_be(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_text({"share": [number]})

    assert json.loads(json_text({"NaN": "-Infinity"})) == {"NaN": "-Infinity"}


def test_json_that_is_too_deep_or_too_large_is_refused() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]

    with pytest.raises(Invalid, match=f"more than {JSON_DEPTH} levels"):
        check_json(deep)
    with pytest.raises(Invalid, match="bytes of JSON"):
        check_json("x" * (2 * 1024 * 1024))
    check_json("x" * (JSON_BYTES - 2))


async def test_every_clean_text_reads_back_the_same(database: Database) -> None:
    texts = [clean("".join(map(chr, range(start, start + 0x400))), 5_000) for start in range(0, 0x11000, 0x400)]

    def write_all(tx: Transaction) -> None:
        tx.execute(insert(LogTable), [{"at": tx.now, "level": "info", "message": text} for text in texts])

    await database.write(write_all)

    assert [row.message for row in await database.fetch(select(LogTable.message).order_by(LogTable.id))] == texts
