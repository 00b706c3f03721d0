"""Vectors of words without a model: who shares words is near, and the same text always has the same vector."""

import math

import pytest

from daemons.workflows.polling.hashing import DIMENSIONS, hashed, words_of

PLACES = {4: -2 / 3, 232: -2 / 3, 268: 1 / 3}
"""Where two words and their pair are."""


def likeness(one: str, other: str) -> float:
    return sum(a * b for a, b in zip(hashed(one), hashed(other), strict=True))


def test_texts_that_share_words_are_nearer_than_others() -> None:
    harbour = "Fishing boats return to the harbour of Whitby at dusk"

    assert likeness(harbour, harbour) == pytest.approx(1)
    assert likeness(harbour, "Boats in Whitby harbour, fishing") > 0.4
    assert abs(likeness(harbour, "Portrait of a woman with a red hat")) < 0.2


def test_the_order_of_words_counts_a_little() -> None:
    assert 0.5 < likeness("red dog white cat", "white dog red cat") < 0.999


def test_a_vector_has_its_length_and_its_place_for_good() -> None:
    vector = hashed("Whitby harbour")

    assert len(vector) == DIMENSIONS and math.hypot(*vector) == pytest.approx(1)
    # Vectors that are stored are compared with those of years later: other places need another name of the space.
    assert {at: value for at, value in enumerate(vector) if value} == pytest.approx(PLACES)


@pytest.mark.parametrize("text", ["", " \n ", "... !!! ---", "the of and", "\x00\ufffd"])
def test_a_text_without_words_has_none(text: str) -> None:
    assert not any(hashed(text))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Zürich_ÉTÉ", ["zürich", "été"]),
        ("Straße STRASSE", ["strasse", "strasse"]),
        ("ｆｕｌｌ ﬁsh", ["full", "fish"]),
        ("北京大学", ["北京", "京大", "大学"]),
        ("港", ["港"]),
        ("photo港2", ["photo", "港", "2"]),
        ("Кот и КОТ", ["кот", "и", "кот"]),
    ],
)
def test_words_are_compared_in_one_spelling(text: str, words: list[str]) -> None:
    assert list(words_of(text)) == words
