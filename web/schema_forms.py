"""Forms drawn from a JSON schema, and what was typed into them read back: for settings and for answers.

    fields_of(schema, value)  ─▶ templates/partials/schema_form.html ─▶ a posted form ─▶ read_fields(schema, posted)

Knows text, whole and other numbers, yes or no, one of several, lists of these one to a line, any of them or nothing;
whatever else a schema may ask for is typed as JSON.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from daemons.values import MASK
from web.wording import in_words

PREFIX = "field."
"""Begins the names of the form's inputs, so that none is taken for something else the form posts."""
LONG_TEXT = 200
"""Characters from which on a text gets several lines, unless its schema says `"lines": 1`."""

Kind = Literal["text", "long text", "number", "integer", "boolean", "choice", "list", "secret", "json"]
_NUMBERS = {"integer": int, "number": float}


class Choice(NamedTuple):
    """One of several: what is posted, and what is shown."""

    posted: str
    label: str


@dataclass(frozen=True, slots=True)
class Field:
    """One input: what it is called, what stands in it, what may stand in it, and what is wrong with it."""

    name: str
    label: str
    help: str
    kind: Kind
    text: str
    is_required: bool
    may_be_nothing: bool
    choices: Sequence[Choice] = ()
    minimum: float | None = None
    maximum: float | None = None
    longest: int | None = None
    error: str | None = None

    @property
    def input_name(self) -> str:
        return PREFIX + self.name

    @property
    def is_checked(self) -> bool:
        return self.text == "true"


class Read(NamedTuple):
    """What was posted: the value as far as it could be read, and what is wrong by field."""

    value: dict[str, Any]
    errors: dict[str, str]


def fields_of(
    schema: Mapping[str, Any],
    value: Mapping[str, Any] | None = None,
    *,
    posted: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> list[Field]:
    """Return the inputs for an object of `schema`.

    They hold `value`, else the schema's defaults; after a refusal `posted` as it was typed, with `errors` by field.
    """
    value, errors = value or {}, errors or {}
    return [
        _field(schema, name, one, value.get(name, one.get("default")), posted, errors.get(name))
        for name, one in _properties(schema)
    ]


def input_names(schema: Mapping[str, Any]) -> list[str]:
    """Return the names of the inputs that `fields_of` draws."""
    return [PREFIX + name for name, _ in _properties(schema)]


def read_fields(schema: Mapping[str, Any], posted: Mapping[str, str]) -> Read:
    """Read a posted form. A secret that was not typed is left out; nothing typed where nothing may stand is None.

    Only the kind of each value is checked here: what a model or a schema demands besides is theirs to say.
    """
    value: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for name, one in _properties(schema):
        shape, may_be_nothing = _shape(schema, one)
        kind = _kind(shape)
        text = posted.get(PREFIX + name, "")
        if kind == "secret" and text in ("", MASK):
            continue
        try:
            value[name] = _read(shape, kind, text, may_be_nothing)
        except ValueError as error:
            errors[name] = str(error)
    return Read(value, errors)


def shown_text(value: Any) -> str:
    """Return a value as its input holds it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, list) and all(isinstance(one, str | int | float) for one in value):
        return "\n".join(shown_text(one) for one in value)
    return json.dumps(value, ensure_ascii=False)


def _properties(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    properties: Mapping[str, Any] = schema.get("properties") or {}
    yield from properties.items()


def _field(
    schema: Mapping[str, Any],
    name: str,
    one: Mapping[str, Any],
    value: Any,
    posted: Mapping[str, str] | None,
    error: str | None,
) -> Field:
    shape, may_be_nothing = _shape(schema, one)
    kind = _kind(shape)
    text = _text(kind, value) if posted is None else posted.get(PREFIX + name, "")
    if kind == "text" and "\n" in text:
        kind = "long text"
    if kind == "secret":
        # What a person cannot see must not come back in the page either.
        text = ""
    return Field(
        name,
        _label(name, one.get("title")),
        one.get("description") or shape.get("description") or "",
        kind,
        text,
        name in (schema.get("required") or ()),
        may_be_nothing,
        [Choice(shown_text(choice), shown_text(choice)) for choice in _choices(shape)],
        _bound(shape, "minimum", "exclusiveMinimum"),
        _bound(shape, "maximum", "exclusiveMaximum"),
        shape.get("maxLength"),
        error,
    )


def _label(name: str, title: object) -> str:
    """Return what an input is called; a title that Pydantic made of the name, "Taken At", is written as a sentence."""
    if not isinstance(title, str) or not title:
        return name
    return in_words(name) if title == name.replace("_", " ").title() else title


def _text(kind: Kind, value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if kind == "json" and value is not None else shown_text(value)


def _shape(schema: Mapping[str, Any], one: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """Return what `one` describes, references followed, and whether nothing will do as well."""
    one = _followed(schema, one)
    choices = [_followed(schema, each) for each in one.get("anyOf") or ()]
    others = [choice for choice in choices if choice.get("type") != "null"]
    if len(others) == 1:
        return {**others[0], **{key: one[key] for key in ("title", "description", "lines") if key in one}}, len(
            choices
        ) == 2
    return one, False


def _followed(schema: Mapping[str, Any], one: Mapping[str, Any]) -> Mapping[str, Any]:
    for _ in range(5):
        reference = one.get("$ref")
        if not isinstance(reference, str):
            break
        found: Mapping[str, Any] = (schema.get("$defs") or {}).get(reference.rpartition("/")[2], {})
        one = {**found, **{key: value for key, value in one.items() if key != "$ref"}}
    return one


def _kind(shape: Mapping[str, Any]) -> Kind:
    if _choices(shape):
        return "choice"
    match shape.get("type"):
        case "boolean":
            return "boolean"
        case "integer":
            return "integer"
        case "number":
            return "number"
        case "string":
            if shape.get("format") == "password" or shape.get("writeOnly"):
                return "secret"
            is_long = shape.get("maxLength", 0) > LONG_TEXT and shape.get("lines") != 1
            return "long text" if is_long else "text"
        case "array" if _is_list_of_scalars(shape):
            return "list"
    return "json"


def _choices(shape: Mapping[str, Any]) -> Sequence[Any]:
    choices = shape.get("enum") or ([shape["const"]] if "const" in shape else ())
    return choices if all(isinstance(choice, str | int | float) for choice in choices) else ()


def _is_list_of_scalars(shape: Mapping[str, Any]) -> bool:
    items = shape.get("items")
    return isinstance(items, Mapping) and items.get("type") in ("string", "integer", "number")


def _bound(shape: Mapping[str, Any], inclusive: str, exclusive: str) -> float | None:
    # A browser knows no exclusive bound; the model refuses what it lets through.
    bound = shape.get(inclusive, shape.get(exclusive))
    return bound if isinstance(bound, int | float) and not isinstance(bound, bool) else None


def _read(shape: Mapping[str, Any], kind: Kind, text: str, may_be_nothing: bool) -> Any:
    if kind == "boolean" and not may_be_nothing:
        # A box that is not ticked is not posted.
        return text in ("true", "on")
    if may_be_nothing and not text.strip():
        return None
    match kind:
        case "boolean":
            return _one_of([True, False], text)
        case "choice":
            return _one_of(_choices(shape), text)
        case "integer" | "number":
            return _number(kind, text)
        case "list":
            items = shape["items"].get("type")
            lines = [line.strip("\r") for line in text.split("\n")]
            return [line if items == "string" else _number(items, line) for line in lines if line.strip()]
        case "json":
            return _json(text)
    return text.replace("\r\n", "\n")


def _one_of(choices: Sequence[Any], text: str) -> Any:
    for choice in choices:
        if shown_text(choice) == text:
            return choice
    raise ValueError(f"Choose one of: {', '.join(map(shown_text, choices))}.")


def _number(kind: str, text: str) -> float:
    try:
        number: float = _NUMBERS[kind](text.strip())
    except (ValueError, OverflowError):
        raise ValueError(
            "This has to be a whole number." if kind == "integer" else "This has to be a number."
        ) from None
    if not math.isfinite(number):
        raise ValueError("This has to be a number.")
    return number


def _json(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise ValueError('This has to be JSON, such as {"name": "value"}.') from None


def _refuse(constant: str) -> Any:
    raise ValueError(constant)
