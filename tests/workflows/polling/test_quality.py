"""How much is known of a still, part by part, and when a person is asked."""

from types import SimpleNamespace
from typing import Any

import pytest

from daemons.clock import SystemClock
from daemons.subprocess_work.pool import WorkerPool
from daemons.workflows.polling.evaluation import FULL, MOST, evaluate
from daemons.workflows.polling.ladder import Outcome
from daemons.workflows.polling.steps.quality import evaluate_metadata
from tests.workflows.polling.step_context import Context, record


def rated(**fields: Any) -> Any:
    return evaluate(record(b"/a.jpg", **fields))


@pytest.mark.parametrize(
    ("caption", "passes"),
    [
        ("News footage from 1980s showing political rally in Washington DC, duration 2:45", True),
        ("Documentary footage of factory workers, filmed in Detroit 1970, 16mm film, 4 minutes", True),
        ("Basic footage file from archive, minimal description", True),
        ("Stock photo of a man in uniform, royalty free, download now", False),
        ("", False),
    ],
)
def test_the_examples_of_the_earlier_system_come_out_as_they_did(caption: str, passes: bool) -> None:
    assert (rated(caption=caption).points >= 10) is passes


def test_each_part_has_its_points_and_says_why() -> None:
    found = rated(
        title="Suffrage march",
        caption="Emmeline Pankhurst speaks to a crowd in Hyde Park, London, on 21 June 1908. Glass negative, museum "
        "collection; behind her the banners of the Women's Social and Political Union, and mounted police.",
        keywords=["suffrage", "march"],
        camera="Canon EOS 80D",
        latitude=51.5,
        longitude=-0.16,
    )

    assert found.parts == {**MOST, "boilerplate": 0.0}
    assert (found.points, found.quality, found.grade) == (FULL, 1.0, "A+")
    assert found.reasons == ()
    assert found.explanation.startswith("50 of 50 points, grade A+. ")
    assert "A date: 21 June 1908 (+6)." in found.explanation


def test_what_is_missing_names_its_rule_and_the_field_that_would_help() -> None:
    found = rated(title="IMG_20210503_140322.jpg", caption="A dog")

    assert (found.grade, found.parts["dates"]) == ("F", 0.0)
    assert {reason.rule: reason.field for reason in found.reasons} == {
        "too_few_keywords": "keywords",
        "text_too_short": "caption",
        "too_few_names": "place",
        "no_archival_word": "notes",
        "no_date": "taken_at",
    }
    assert found.reasons[0].sentence == "No keywords are known; two are enough."


@pytest.mark.parametrize(
    ("caption", "said"),
    [
        ("", "There is no text at all"),
        ("A", "There is one character of text"),
        ("A dog", "There are only 5 characters of text"),
    ],
)
def test_how_much_text_is_missing_is_told_in_characters(caption: str, said: str) -> None:
    told = {reason.rule: reason.sentence for reason in rated(caption=caption).reasons}

    assert told["text_too_short"] == f"{said}; 150 characters are enough."


@pytest.mark.parametrize(
    ("fields", "points"),
    [
        ({"taken_at": "1931-05"}, 5),
        ({"taken_at": "2021-05-03T14:03:22"}, 6),
        ({"caption": "circa 1931"}, 4),
        ({"caption": "3. März 1931"}, 6),
        ({"caption": "March 3, 1931"}, 6),
        ({"caption": "the 1920s"}, 5),
        ({"caption": "no 12345 and 999"}, 0),
        ({"taken_at": 7, "caption": ["x"], "title": None}, 0),
    ],
)
def test_dates_of_every_spelling_count(fields: dict[str, Any], points: float) -> None:
    assert rated(**fields).parts["dates"] == points


def test_phrases_of_shops_count_against_and_never_below_nothing() -> None:
    found = rated(url_text="Stock photo. Royalty-free! Buy now, add to\ncart, subscribe to us; privacy policy.")

    assert found.parts["boilerplate"] == -8
    assert found.points == 0
    assert found.reasons[-1].rule == "boilerplate"


def test_what_a_describer_made_up_counts_for_nothing_and_what_a_person_wrote_does() -> None:
    still = record(b"/a.jpg", description="A market in Lisbon, Portugal, photographed in 1931.")

    assert evaluate(still._replace(provenance={"description": {"by": "describe"}})).points == 0
    assert evaluate(still._replace(provenance={"description": {"by": "anna"}})).points > 20


def test_a_book_of_a_page_costs_no_time_to_speak_of() -> None:
    found = rated(url_text="Aa " * 700_000, caption="A" * 8_000 + " of" * 4_000, title="-" * 255)

    assert found.parts["text"] == 12


async def judged(threshold: float, **fields: Any) -> Outcome:
    ctx = Context(WorkerPool(SystemClock()), SimpleNamespace(threshold=threshold))
    return await evaluate_metadata(ctx, record(b"/a.jpg", **fields))


async def test_below_the_threshold_a_person_is_asked_and_told_why() -> None:
    outcome = await judged(0.2, caption="A dog in the garden.")

    assert outcome.to == "Awaiting User Input"
    assert outcome.fields["quality"] < 0.2
    assert outcome.fields["quality_grade"] == "F"
    assert outcome.reasons[0].rule == "quality_too_low"
    assert outcome.reasons[0].sentence.endswith("points are known of it, grade F; 10 are needed.")
    assert {reason.field for reason in outcome.reasons} >= {"keywords", "caption"}


async def test_at_the_threshold_it_goes_on_and_the_story_says_what_it_had() -> None:
    caption = "Market in Lisbon, collection of the museum."
    outcome = await judged(0.2, caption=caption)

    assert (outcome.to, outcome.reasons) == (None, ())
    assert outcome.note is not None
    assert "It is called collection, museum (+10)." in outcome.note
    assert (await judged(outcome.fields["quality"], caption=caption)).to is None
    assert (await judged(0.0)).to is None
