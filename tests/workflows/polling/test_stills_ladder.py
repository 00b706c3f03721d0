"""Stills climb from a file to a description, or to a person who is asked for what is missing."""

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from daemons.workflows.polling.keeper import RecordKeeper
from daemons.workflows.polling.ladders.stills import STATUSES, STILLS, StillForm
from daemons.workflows.polling.options import StillsOptions
from daemons.workflows.polling.records import Record
from tests.pictures.samples import canon_in_berlin, landscape, saved
from tests.workflows.polling.step_context import Context, Shelf, after, context, record
from tests.workflows.polling.test_metadata import with_iptc


def described(type: str, args: Any) -> Any:
    return SimpleNamespace(result={"description": "Sky above snow.", "describer": "basic", "seconds": 0.1})


@pytest.fixture
def library(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    folder.mkdir()
    return folder


@pytest.fixture
async def ctx(library: Path, tmp_path: Path) -> AsyncIterator[Context]:
    options = StillsOptions(library=library, scrape=False)
    async with context(options, job=described, keepers={RecordKeeper: Shelf(tmp_path / "records")}) as ctx:
        yield ctx


async def climbed(ctx: Context, still: Record) -> tuple[Record, list[str]]:
    """Take the record up, step by step, until a person is asked or none is left; return which steps it took."""
    taken: list[str] = []
    while (step := STILLS.next_step(still)) is not None and len(taken) < 20:
        outcome = await step.run(ctx, still)
        taken.append(step.name)
        still = after(still, outcome, step.name)._replace(status=outcome.to or step.to, reasons=tuple(outcome.reasons))
        if still.status == STILLS.awaiting:
            break
    return still, taken


def test_the_statuses_are_those_of_the_scripts_letter_for_letter() -> None:
    assert STATUSES == (
        "0 - Pending File Info",
        "1 - File Info Complete",
        "2 - Server Copy Complete",
        "3 - Metadata Parsed",
        "4 - Scraping URL",
        "5 - Generating Description",
        "6 - Generating Embeddings",
        "Awaiting User Input",
        "Force Resume",
    )
    assert STILLS.statuses == STATUSES


async def test_a_photograph_that_says_enough_of_itself_climbs_to_the_top(ctx: Context, tmp_path: Path) -> None:
    path = with_iptc(
        saved(landscape(64, 48), tmp_path / "a.jpg", exif=canon_in_berlin()),
        (2, 5, b"Market in Lisbon"),
        (2, 25, b"market"),
        (2, 25, b"Lisbon"),
        (2, 80, b"Anna Example"),
    )

    still, taken = await climbed(ctx, record(path, STATUSES[0]))

    assert taken == ["file_info", "copy", "metadata", "evaluate", "describe", "embed"]
    assert STILLS.is_complete(still)
    assert still.fields["description"] == "Sky above snow."
    assert still.fields["embedding_dimensions"] > 0
    assert still.fields["library_path"] == str(tmp_path / "library" / "a.jpg")
    assert (still.fields["title"], still.fields["quality_grade"]) == ("Market in Lisbon", "A")
    assert ctx.jobs[0][1]["path"] == still.fields["library_path"]


async def test_one_that_says_too_little_asks_a_person_and_goes_on_once_answered(ctx: Context, tmp_path: Path) -> None:
    waiting, taken = await climbed(ctx, record(saved(landscape(64, 48), tmp_path / "a.jpg"), STATUSES[0]))
    form = StillForm(caption="Market in Lisbon, from the collection of the museum.", taken_at="1931")
    answered = waiting._replace(fields={**waiting.fields, **form.model_dump(exclude_defaults=True)})

    _, on = await climbed(ctx, answered)

    assert (waiting.status, taken[-1]) == ("Awaiting User Input", "evaluate")
    assert {reason.field for reason in waiting.reasons} - {None} <= StillForm.model_fields.keys()
    assert on == ["evaluate", "describe", "embed"]


async def test_a_person_may_have_it_go_on_as_it_is(ctx: Context, tmp_path: Path) -> None:
    path = saved(landscape(64, 48), tmp_path / "a.jpg")

    _, taken = await climbed(ctx, record(path, "Force Resume"))

    assert taken == ["resume", "describe", "embed"]


@pytest.mark.parametrize(
    ("status", "read_at", "step"),
    [
        ("3 - Metadata Parsed", None, "scrape"),
        ("3 - Metadata Parsed", "2030-01-01T13", "scrape"),
        ("Awaiting User Input", None, "scrape"),
        ("Awaiting User Input", "2030-01-01T11", "scrape"),
        ("Awaiting User Input", "2030-01-01T13", "evaluate"),
    ],
)
def test_a_url_that_a_person_wrote_is_read_and_one_that_was_read_is_not_read_again(
    status: str, read_at: str | None, step: str
) -> None:
    written = {"url": {"by": "anna", "at": "2030-01-01T12"}}
    still = record(b"/a.jpg", status, url="example.org/shop")._replace(
        provenance=written | ({"url_problem": {"by": "scrape", "at": read_at}} if read_at else {}),
    )

    found = STILLS.next_step(still)

    assert found is not None
    assert found.name == step
    assert STILLS.next_step(record(b"/a.jpg", status, url="")).name == "evaluate"


async def test_one_without_words_has_no_vector_and_is_complete_all_the_same(ctx: Context) -> None:
    still, taken = await climbed(ctx, record(b"/a.jpg", "6 - Generating Embeddings"))

    assert taken == ["embed"]
    assert STILLS.is_complete(still)


async def test_with_scraping_off_no_url_is_read(ctx: Context) -> None:
    still = record(b"/a.jpg", "3 - Metadata Parsed", url="https://example.org/")

    outcome = await STILLS.next_step(still).run(ctx, still)

    assert (dict(outcome.fields), outcome.note) == ({}, "URLs are not read: `scrape` is off.")


def test_what_a_person_types_is_cleaned_and_bounded() -> None:
    form = StillForm(
        title=" A\u202e shop\n",
        caption=" two\r\nlines\x00",
        keywords=["one ", "one", " ", "two"],
        taken_at="1931:05:03",
    )

    assert (form.title, form.caption, form.keywords, form.taken_at) == (
        "A\\u202e shop",
        "two\nlines␀",
        ["one", "two"],
        "1931-05-03",
    )
    assert StillForm(taken_at="about 1931").taken_at == "about 1931"
    assert StillForm().model_dump(exclude_defaults=True) == {}
    with pytest.raises(ValidationError):
        StillForm(title="x" * 256)
    with pytest.raises(ValidationError):
        StillForm(keywords=["x" * 101])
