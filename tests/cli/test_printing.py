"""Results as people and programs read them."""

import json
from datetime import timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemons.cli.options import Options, Output
from daemons.cli.printing import Columns, as_yaml, cell, complain, progress, show, stamp, table
from daemons.cli.times import ZONE
from daemons.errors import Conflict

ITEMS: list[dict[str, object]] = [
    {"name": "demo", "status": "[red]all\nwell[/red]", "job": None},
    {"name": "night_watch", "status": "\x1b[2J", "job": {"id": 1}},
]
COLUMNS: Columns = {"NAME": lambda item: item["name"], "STATUS": lambda item: item["status"]}


def options(output: Output) -> Options:
    return Options(None, None, output, False, False, None, None, None)


def test_a_table_that_nobody_looks_at_is_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    show(options(Output.TABLE), ITEMS, COLUMNS)

    assert capsys.readouterr().out.splitlines() == [
        "NAME         STATUS",
        "demo         [red]all⏎well[/red]",
        "night_watch  ␛[2J",
    ]


def test_an_empty_list_is_a_heading_or_an_empty_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert table([], COLUMNS) == "NAME  STATUS\n"

    show(options(Output.JSON), [], COLUMNS)
    assert capsys.readouterr().out == "[]\n"


def test_json_holds_all_that_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    show(options(Output.JSON), ITEMS, COLUMNS)
    assert json.loads(capsys.readouterr().out) == ITEMS

    show(options(Output.JSONL), ITEMS, COLUMNS)
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == ITEMS


HOSTILE = "\x1b[2J\x9b2J\u202egnp.exe\u2066\r\n\u2028\x7f\ud800"


@pytest.mark.parametrize("output", Output)
def test_hostile_text_never_reaches_a_terminal_raw(output: Output, capsys: pytest.CaptureFixture[str]) -> None:
    show(options(output), [{"name": HOSTILE, "status": {HOSTILE: HOSTILE}}], COLUMNS)

    told = capsys.readouterr().out
    assert all(character.isprintable() for character in told.replace("\n", "")), told
    if output in (Output.JSON, Output.JSONL):
        value = json.loads(told)
        assert (value[0] if output is Output.JSON else value)["name"] == HOSTILE


def test_names_alone_are_a_name_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    show(options(Output.NAME), ITEMS, COLUMNS)

    assert capsys.readouterr().out == "demo\nnight_watch\n"


def test_wide_adds_columns_to_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    wide: Columns = {"JOB": lambda item: item["job"]}
    for output in (Output.TABLE, Output.WIDE):
        show(options(output), ITEMS[:1], COLUMNS, wide=wide)

    assert [line.split()[0::2] for line in capsys.readouterr().out.splitlines()[0::2]] == [["NAME"], ["NAME", "JOB"]]


def test_a_time_is_stamped_in_the_zone_that_was_asked_for() -> None:
    ZONE.set(timezone(timedelta(hours=2)))
    assert stamp("2026-11-26T10:00:00.123456+00:00") == "2026-11-26T12:00:00.123+02:00"
    assert stamp(None) is None
    ZONE.set(None)


def test_yaml_nests_by_indentation() -> None:
    value = [
        {"name": "demo", "tags": ["a", "b"], "none": [], "job": {"no": True, "a: b": 2, "id": 1, "done": None}},
        "plain: text",
    ]

    assert as_yaml(value).splitlines() == [
        '- name: "demo"',
        "  tags:",
        '    - "a"',
        '    - "b"',
        "  none: []",
        "  job:",
        '    "no": true',
        '    "a: b": 2',
        "    id: 1",
        "    done: null",
        '- "plain: text"',
    ]


@given(st.recursive(st.none() | st.text() | st.integers() | st.booleans(), lambda inner: st.lists(inner, max_size=3)))
def test_a_cell_is_one_line(value: object) -> None:
    assert len(cell(value).splitlines()) <= 1


def test_an_error_is_one_line_with_code_and_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    complain(Conflict("It runs\nalready.", remedy="Stop it first."), "demo")

    captured = capsys.readouterr()
    assert captured.err == "ERR_CONFLICT: demo: It runs⏎already. Stop it first.\n"
    assert captured.out == ""


def test_progress_without_a_total_is_what_was_done() -> None:
    assert progress(None) is None
    assert progress({"done": 3, "total": None, "fraction": None}) == "3"
    assert progress({"done": 3, "total": 12, "fraction": 0.25}) == "3 / 12 · 25%"
