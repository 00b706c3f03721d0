"""What people may write into a record: the form of its ladder, and a few things that every ladder knows."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from daemons.errors import Invalid, UnknownName
from daemons.text import own_words
from daemons.workflows.polling.keeper import Ladder

EMPTY: tuple[object, ...] = (None, "", [])
"""What removes a field."""


Line = Annotated[str | None, Field(json_schema_extra={"lines": 1})]


class PersonFields(BaseModel):
    """What a person knows better than the file."""

    title: Line = Field(None, max_length=255, description="A few words.")
    caption: str | None = Field(None, max_length=10_000, description="Who and what is seen, where and when.")
    keywords: list[str] = Field([], max_length=200)
    creator: Line = Field(None, max_length=255, description="Who made it.")
    place: Line = Field(None, max_length=255)
    taken_at: str | None = Field(None, max_length=40, description="As 2021-05-03 or 2021-05-03T14:03:22.")
    url: Line = Field(None, max_length=2048, description="A page of the web that tells of it.")
    description: str | None = Field(None, max_length=20_000, description="Of what it shows, in place of a model's.")
    notes: str | None = Field(None, max_length=10_000, description="For those who work with it.")


class FieldsRefused(Invalid):
    """A field cannot hold that; `problems` has a sentence for each by its name."""

    code = "ERR_INVALID_FIELDS"

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {sentence}" for name, sentence in problems.items()) + ".")
        self.problems = problems


def form_of(ladder: Ladder | None, *, awaits: bool) -> type[BaseModel]:
    """Return the form for a record: its ladder's own where it waits for a person, else what people may write."""
    return ladder.form if awaits and ladder is not None and ladder.form is not None else PersonFields


def fields_of_forms(ladder: Ladder | None) -> dict[str, type[BaseModel]]:
    """Return what people may write by name, each with the form that knows it best."""
    own = ladder.form if ladder is not None else None
    forms: list[type[BaseModel]] = [PersonFields, own] if own is not None else [PersonFields]
    return {name: form for form in forms for name in form.model_fields}


def check_fields(ladder: Ladder | None, given: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Return `given` as it is stored. Raises UnknownName for what is not a person's to write, FieldsRefused."""
    of_form = fields_of_forms(ladder)
    if unknown := sorted(given.keys() - of_form.keys()):
        remedy = f"A person may write: {', '.join(of_form)}."
        raise UnknownName(f"{unknown[0][:100]}: there is no such field for people.", remedy=remedy)
    checked: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for form in {*of_form.values()}:
        mine = {name: value for name, value in given.items() if of_form[name] is form}
        checked |= _checked(form, mine, known, problems)
    if problems:
        raise FieldsRefused(problems)
    return {name: checked[name] for name in given}


def _checked(
    form: type[BaseModel], given: Mapping[str, Any], known: Mapping[str, Any], problems: dict[str, str]
) -> dict[str, Any]:
    filled = {name: value for name, value in given.items() if value not in EMPTY}
    there = {name: known[name] for name in form.model_fields if name in known and name not in given}
    try:
        dumped = form.model_validate({**there, **filled}).model_dump(mode="json")
    except ValidationError as error:
        # What was there before, or is missing still, is not the fault of what is written now.
        for problem in error.errors(include_url=False, include_input=False, include_context=False):
            if (name := str(problem["loc"][0]) if problem["loc"] else "") in filled:
                problems[name] = own_words(problem["msg"])
        dumped = filled
    return {name: dumped[name] if name in filled else None for name in given}
