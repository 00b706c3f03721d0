"""How values are written for people."""

from datetime import timedelta

import pytest
from markupsafe import Markup

from web.wording import breakable, brief, duration, linked, number, plain, pretty_json, short


def test_numbers_are_grouped_and_whole_ones_have_no_point() -> None:
    assert number(31841.0) == "31\u202f841"
    assert number(2.25) == "2.2"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 ms"),
        (0.024, "24 ms"),
        (3.24, "3.2 s"),
        (59.7, "1 min"),
        (185, "3 min 5 s"),
        (7440, "2 h 4 min"),
        (86_400 * 3 + 60, "3 d"),
    ],
)
def test_a_duration_is_told_in_its_two_largest_units(seconds: float, words: str) -> None:
    assert duration(timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "—"),
        ("", "—"),
        ("/home/ana/Pictures", "/home/ana/Pictures"),
        (30.0, "30"),
        (0.5, "0.5"),
        (True, "true"),
        (["a", "é"], '["a", "é"]'),
    ],
)
def test_an_option_is_written_as_a_person_would_type_it(value: object, words: str) -> None:
    assert plain(value) == words


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (
            {"described": 8, "failed": 1, "paths": ["a.jpg"], "known_already": 0},
            "described 8 · failed 1 · known already 0",
        ),
        ("too late", "too late"),
        ([1, 2], ""),
        (None, ""),
        ("x" * 500, "x" * 160 + "…"),
    ],
)
def test_a_result_is_told_in_a_few_words_or_not_at_all(result: object, words: str) -> None:
    assert brief(result) == words


def test_a_huge_value_is_cut_and_says_so() -> None:
    assert pretty_json({"a": [1]}) == '{\n  "a": [\n    1\n  ]\n}'
    assert pretty_json("x" * 50_000).endswith("the whole value is in the API")


def test_an_id_in_a_sentence_leads_to_its_job_and_the_rest_is_escaped() -> None:
    job = "5e044e80-7607-4446-9f8a-f2f937f1e561"

    sentence = linked(f"<b>Waits</b> for gated {job} to end", lambda path: "/deck" + path)

    assert sentence == Markup(
        f'&lt;b&gt;Waits&lt;/b&gt; for gated <a class="code" href="/deck/jobs/{job}">{short(job)}</a> to end'
    )


def test_a_name_breaks_where_its_parts_meet_and_is_escaped() -> None:
    assert breakable("lighthouse_05.jpg") == Markup("lighthouse_<wbr>05<wbr>.jpg")
    assert breakable("<b>.jpg") == Markup("&lt;b&gt;.jpg")
