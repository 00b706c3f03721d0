"""What is known of a record is told in an order and a spelling for people."""

from datetime import UTC, datetime
from typing import Any

import pytest

from web.record_facts import by_origin, facts_of


def test_what_people_write_comes_first_and_the_deck_s_own_file_not_at_all() -> None:
    fields = {"sha256": "ab", "thumbnail": "ab", "notes": "n", "width": 3, "title": "A dog"}

    facts = facts_of(fields, {"title": {"by": "ana", "at": "2026-01-01T00:00:00+00:00"}}, without=["width"])

    assert [fact.name for fact in facts] == ["title", "notes", "sha256"]
    assert [(fact.by, fact.at) for fact in facts[:2]] == [("ana", "2026-01-01T00:00:00+00:00"), (None, None)]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("keywords", ["boats", "ice"], "boats, ice"),
        ("keywords", [], "—"),
        ("quality_parts", {"text": 12.0, "names": 3}, "text 12 · names 3"),
        ("deep", {"a": [1]}, '{"a": [1]}'),
        ("size", 18_525, "19 kB"),
        ("size", "large", "large"),
        ("width", 320, "320"),
        ("empty", "", "—"),
        ("is_cut", True, "true"),
    ],
)
def test_a_value_is_spelt_for_people(name: str, value: Any, text: str) -> None:
    assert [fact.text for fact in facts_of({name: value}, {})] == [text]


@pytest.mark.parametrize(
    ("name", "value", "moment"),
    [
        ("copied_at", "2026-01-02T03:04:05+00:00", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("taken_at", "2021-05-03T14:03:22", None),
        ("taken_at", "about 1931", None),
        ("copied_at", "0001-01-01T00:00:00+14:00", None),
        ("copied_at", 5, None),
        ("title", "2026-01-02T03:04:05+00:00", None),
    ],
)
def test_only_a_time_with_a_zone_is_one_for_every_viewer(name: str, value: Any, moment: datetime | None) -> None:
    assert [fact.moment for fact in facts_of({name: value}, {})] == [moment]


def test_a_camera_s_time_is_told_as_the_camera_showed_it() -> None:
    times = ["2021-05-03T14:03:22", "2021-05-03T14:03:22Z", "2021-05-03", "about 1931"]

    assert [fact.wall for time in times for fact in facts_of({"taken_at": time}, {})] == [times[0], None, None, None]


def test_facts_of_one_step_stand_together_under_names_for_people() -> None:
    metadata, person = {"by": "metadata", "at": "1"}, {"by": "ana", "at": "2"}
    fields = {"title": "A dog", "metadata_source": "exif", "source_url": "http://a.example", "__": 1, "camera": "Canon"}
    provenance = {"title": person, "metadata_source": metadata, "source_url": metadata, "camera": metadata}

    origins = by_origin(facts_of(fields, provenance))

    assert [(origin.by, origin.at) for origin in origins] == [("ana", "2"), ("metadata", "1"), (None, None)]
    assert [fact.label for origin in origins for fact in origin.facts] == [
        "Title",
        "Metadata source",
        "Source URL",
        "Camera",
        "__",
    ]
