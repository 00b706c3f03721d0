"""What a request says, checked: the query against a model, the body as strict JSON against a model.

Whatever is wrong is refused with a sentence that names it.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Annotated, Any, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from starlette.requests import HTTPConnection, Request

from daemons.errors import Invalid, UnknownName
from daemons.text import own_words
from web.problems import WrongType

Q = TypeVar("Q", bound="Query")
B = TypeVar("B", bound="Body")


class Query(BaseModel):
    """The parameters that a call takes after the question mark."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Body(BaseModel):
    """The JSON object that a call takes."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True, allow_inf_nan=False)


def _no_number(value: object) -> object:
    # Else a number is taken for seconds since 1970, which the schema does not say.
    if isinstance(value, datetime) or (isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d[Tt ]", value)):
        return value
    raise ValueError("write it as 2026-01-31T07:00:00+01:00")


def _no_other_day(value: object) -> object:
    if isinstance(value, date) or (isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value)):
        return value
    raise ValueError("write it as 2026-01-31")


Moment = Annotated[AwareDatetime, BeforeValidator(_no_number)]
"""A time with its offset."""
Day = Annotated[date, BeforeValidator(_no_other_day)]
"""A day, without a time."""
Length = Annotated[
    timedelta,
    Field(gt=timedelta(0)),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "duration"}, {"type": "number", "exclusiveMinimum": 0}]}),
]
"""Seconds, or ISO 8601 (PT1H)."""


class NoQuery(Query):
    """Calls that take no parameters."""


class NoBody(Body):
    """Calls that need no body; an empty object will do."""


def read_query(connection: HTTPConnection, model: type[Q], *, from_form: bool = False) -> Q:
    """Return the query as `model`. Raises Invalid for a name that is unknown, given twice or badly valued.

    `from_form`: what is empty was not filled in, and counts as not given.
    """
    given: dict[str, str] = {}
    for name, value in connection.query_params.multi_items():
        if name in given:
            raise Invalid(f"{name} is given twice.")
        given[name] = value
    if from_form:
        given = {name: value for name, value in given.items() if value}
    return parse_model(model, given, "parameter")


async def read_body(request: Request, model: type[B]) -> B:
    """Return the JSON body as `model`; no body at all is an empty object. Raises WrongType or Invalid."""
    kind = kind_of_body(request)
    body = await request.body()
    if kind and kind != "application/json":
        raise WrongType(f"The body has to be JSON, not {kind[:100]}.")
    if not body:
        return parse_model(model, {}, "field")
    if not kind:
        raise WrongType()
    value = parse_json(body)
    if not isinstance(value, dict):
        raise Invalid("The body has to be a JSON object.", code="ERR_INVALID_JSON")
    return parse_model(model, value, "field")


def kind_of_body(request: Request) -> str:
    """Return what the body is said to be, as text/csv; empty where that is not said."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def check_kind(request: Request, kinds: Iterable[str]) -> None:
    """Raise WrongType unless the body is a file of one of these kinds."""
    if (kind := kind_of_body(request)) not in kinds:
        told = ", ".join(kinds)
        raise WrongType(
            f"The body is {kind[:100] or 'of no kind that is named'}.", remedy=f"Send it with Content-Type: {told}."
        )


async def read_form(request: Request, *, names: Iterable[str]) -> dict[str, str]:
    """Return the fields of a form of ours. Raises Invalid for a file, a field given twice or one we do not know."""
    known = set(names)
    fields: dict[str, str] = {}
    async with request.form(max_files=0, max_fields=max(20, len(known))) as form:
        for name, value in form.multi_items():
            if name not in known or name in fields or not isinstance(value, str):
                raise Invalid(f"The form has no such field as {name[:100]}, or it is there twice.")
            fields[name] = value
    return fields


def parse_json(body: bytes) -> Any:
    """Return what `body` says. Raises Invalid for anything that is not exactly JSON, or that cannot be stored."""
    try:
        return json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_unique_names,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except Invalid:
        raise
    except UnicodeDecodeError as error:
        raise _bad_json("it is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise _bad_json(f"{error.msg}, line {error.lineno} column {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise _bad_json("a number is too long, or the nesting too deep") from error


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for name, value in pairs:
        if name in named:
            raise _bad_json(f"the name {name[:100]!r} is there twice")
        _check_text(name)
        if isinstance(value, str):
            _check_text(value)
        elif isinstance(value, list):
            _check_list(value)
        named[name] = value
    return named


def _check_list(values: list[Any]) -> None:
    # Objects in it were checked when they were read; lists in lists were not.
    for value in values:
        if isinstance(value, str):
            _check_text(value)
        elif isinstance(value, list):
            _check_list(value)


def _check_text(text: str) -> None:
    # PostgreSQL can store neither, SQLite both: refused at the door for both.
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise _bad_json(f"the text {text[:50]!r} holds a NUL or half a character")


def _refuse_constant(name: str) -> Any:
    raise _bad_json(f"{name} is not a JSON value")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise _bad_json(f"{digits[:50]} is too large a number")
    return value


def _bad_json(reason: str) -> Invalid:
    return Invalid(f"The body is not valid JSON: {reason}.", code="ERR_INVALID_JSON")


M = TypeVar("M", bound=BaseModel)


def parse_model(model: type[M], values: Mapping[str, Any], noun: str = "field") -> M:
    """Return `values` as `model`. Raises Invalid naming what is wrong."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise _refused(error, model, noun) from error


def _refused(error: ValidationError, model: type[BaseModel], noun: str) -> Invalid:
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    sentences = []
    for problem in problems:
        name = ".".join(str(part)[:100] for part in problem["loc"]) or "the body"
        unknown = problem["type"] == "extra_forbidden"
        what = f"there is no such {noun}" if unknown else own_words(problem["msg"])
        sentences.append(f"{name}: {what}")
    known = ", ".join(field.alias or name for name, field in model.model_fields.items()) or "none"
    remedy = f"The {noun}s are: {known}."
    kind = UnknownName if any(problem["type"] == "extra_forbidden" for problem in problems) else Invalid
    return kind("; ".join(sentences) + ".", remedy=remedy)
