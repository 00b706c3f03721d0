"""Forms drawn from a schema give back what was put into them, and say what is wrong field by field."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretStr

from web.schema_forms import PREFIX, fields_of, input_names, read_fields
from web.schema_forms import Field as Input

HOSTILE = '"><script>alert(1)</script>\u202e{{7*7}}'


class Everything(BaseModel):
    """One field of each kind."""

    name: str = Field("night", max_length=63, description="What it is called.")
    story: str = Field("", max_length=5_000)
    count: int = Field(3, ge=1, le=10)
    share: float = Field(0.5, gt=0)
    on: bool = True
    mood: Literal["calm", "busy"] = "calm"
    folder: Path | None = None
    limit: int | None = None
    maybe: bool | None = None
    words: list[str] = []
    sizes: list[int] = []
    password: SecretStr | None = None
    extra: dict[str, Any] = {}


SCHEMA = Everything.model_json_schema()
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60)
lines = texts.map(str.strip).filter(bool)
values = st.fixed_dictionaries(
    {
        "name": texts,
        "story": texts | st.just("two\nlines"),
        "count": st.integers(-(10**12), 10**12),
        "share": st.floats(allow_nan=False, allow_infinity=False),
        "on": st.booleans(),
        "mood": st.sampled_from(["calm", "busy"]),
        "folder": st.none() | lines,
        "limit": st.none() | st.integers(0, 10**9),
        "maybe": st.none() | st.booleans(),
        "words": st.lists(lines, max_size=4),
        "sizes": st.lists(st.integers(-5, 5), max_size=4),
        "extra": st.dictionaries(texts, st.none() | texts | st.integers(-9, 9), max_size=3),
    }
)


def posted(fields: list[Input]) -> dict[str, str]:
    """Return what a browser posts of a form: boxes that are not ticked are left out."""
    return {
        field.input_name: field.text
        for field in fields
        if field.may_be_nothing or field.kind != "boolean" or field.is_checked
    }


@given(values)
def test_what_is_drawn_and_not_touched_is_read_back(value: dict[str, Any]) -> None:
    read = read_fields(SCHEMA, posted(fields_of(SCHEMA, value)))

    assert read.errors == {}
    assert read.value == value


def test_each_field_says_what_may_stand_in_it() -> None:
    fields = {field.name: field for field in fields_of(SCHEMA)}

    assert {name: field.kind for name, field in fields.items()} == {
        "name": "text",
        "story": "long text",
        "count": "integer",
        "share": "number",
        "on": "boolean",
        "mood": "choice",
        "folder": "text",
        "limit": "integer",
        "maybe": "boolean",
        "words": "list",
        "sizes": "list",
        "password": "secret",
        "extra": "json",
    }
    assert (fields["count"].minimum, fields["count"].maximum, fields["name"].longest) == (1, 10, 63)
    assert (fields["name"].text, fields["count"].text, fields["on"].is_checked) == ("night", "3", True)
    assert fields["folder"].may_be_nothing
    assert input_names(SCHEMA)[0] == PREFIX + "name"


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("count", "many"), ("count", "1.5"), ("count", ""), ("share", "nan"), ("share", "1e999"), ("mood", "angry"),
        ("limit", "x"), ("maybe", "perhaps"), ("sizes", "1\ntwo"), ("extra", "{"), ("extra", "NaN"),
        ("extra", "[" * 5_000), ("count", HOSTILE), ("mood", HOSTILE), ("count", "9" * 10_000),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_beside_its_field(name: str, typed: str) -> None:
    form = {**posted(fields_of(SCHEMA)), PREFIX + name: typed}

    read = read_fields(SCHEMA, form)
    again = {field.name: field for field in fields_of(SCHEMA, posted=form, errors=read.errors)}

    assert set(read.errors) == {name}
    assert again[name].text == typed
    assert again[name].error


def test_a_secret_is_never_drawn_and_kept_unless_typed() -> None:
    [secret] = [field for field in fields_of(SCHEMA, {"password": "swordfish"}) if field.kind == "secret"]

    assert secret.text == ""
    assert "password" not in read_fields(SCHEMA, {PREFIX + "password": ""}).value
    assert read_fields(SCHEMA, {PREFIX + "password": "new"}).value["password"] == "new"


@pytest.mark.parametrize(
    "schema", [{}, {"properties": {}}, {"properties": {"x": {}}}, {"properties": {"x": {"$ref": "#/x"}}}]
)
def test_a_schema_of_nothing_known_is_typed_as_json(schema: Mapping[str, Any]) -> None:
    assert {field.kind for field in fields_of(schema, {"x": [{}]})} <= {"json"}


def test_labels_are_written_as_a_sentence_and_those_that_were_chosen_as_they_are() -> None:
    class Named(BaseModel):
        url: str = ""
        taken_at: str = ""
        is_new: bool = Field(False, title="Brand New")

    untitled = {"properties": {"max_size": {"type": "integer"}}}

    assert [field.label for field in fields_of(Named.model_json_schema())] == ["URL", "Taken at", "Brand New"]
    assert [field.label for field in fields_of(untitled)] == ["max_size"]
