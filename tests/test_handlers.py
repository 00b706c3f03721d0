"""A handler declares its type once, and what it takes and gives is checked."""

from typing import Any

import pytest
from pydantic import BaseModel, Field, field_validator

from daemons.errors import ErrorInfo, Invalid, Permanent
from daemons.handlers import JobContext, JobFailed, JobSpec, ResultNotJson, can_be_retried, info_of, job, spec_of


class Picture(BaseModel):
    path: str
    size: int = Field(3, ge=1)


@job("describe", max_attempts=5, timeout=900, lane="io", conflicts_with={"stash_scan"})
async def describe(ctx: JobContext, args: Picture) -> Picture:
    """Says what a picture shows."""
    return args


@job("plain")
async def plain(ctx: JobContext, args: dict[str, Any]) -> None:
    return


@job("bare")
async def bare(ctx: JobContext) -> None:
    return


def spec(handler: object) -> JobSpec:
    found = spec_of(handler)
    assert found is not None
    return found


def test_the_rules_are_noted_on_the_function_and_it_stays_a_function() -> None:
    found = spec(describe)

    assert (found.type, found.lane, found.max_attempts, found.timeout) == ("describe", "io", 5, 900)
    assert found.conflicts_with == {"stash_scan"}
    assert found.description == "Says what a picture shows."
    assert spec_of(len) is None


def test_arguments_are_completed_and_stored_as_json() -> None:
    assert spec(describe).accept({"path": "a.jpg"}) == {"path": "a.jpg", "size": 3}
    assert spec(describe).accept(Picture(path="a.jpg", size=1)) == {"path": "a.jpg", "size": 1}
    assert spec(plain).accept(None) == {}
    assert spec(bare).accept(None) == {}


@pytest.mark.parametrize(
    ("handler", "args", "message"),
    [
        (describe, {"size": 0, "path": "a"}, "size: "),
        (describe, {}, "path: Field required"),
        (describe, "a.jpg", "describe: args"),
        (plain, [1], "plain: args"),
        (plain, {"x": float("nan")}, "nan"),
        (plain, {"x": "\ud800"}, "surrogate"),
        (plain, {"x": "y" * 2_000_000}, "bytes of JSON"),
        (bare, {"x": 1}, "bare takes no arguments"),
    ],
)
def test_bad_arguments_are_refused_naming_what_is_wrong(handler: object, args: Any, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        spec(handler).accept(args)


def test_results_are_models_or_json() -> None:
    assert spec(describe).result(Picture(path="a")) == {"path": "a", "size": 3}
    assert spec(describe).result([1, None]) == [1, None]
    with pytest.raises(ResultNotJson):
        spec(describe).result({1, 2})


def test_a_bad_declaration_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="must be an async function"):
        job("sync")(lambda ctx: None)  # type: ignore[arg-type, return-value]
    with pytest.raises(TypeError, match="must take"):

        @job("many")
        async def many(ctx: JobContext, a: int, b: int) -> None:
            return

    for type, rules in (("Upper", {}), ("ok", {"max_attempts": 0}), ("ok", {"timeout": 0}), ("ok", {"lane": ""})):
        with pytest.raises(ValueError):
            job(type, **rules)  # type: ignore[arg-type]


def test_only_what_another_try_may_mend_is_tried_again() -> None:
    assert can_be_retried(OSError())
    assert not can_be_retried(Permanent())
    assert not can_be_retried(Invalid())


def test_exceptions_become_errors_with_codes() -> None:
    assert info_of(SystemExit(1)).code == "ERR_HANDLER_EXITED"
    assert info_of(TimeoutError("late")).code == "ERR_TIMEOUT"
    inner = ErrorInfo("ERR_INNER", "inner")

    class Carrying(Permanent):
        """It carries what another process recorded."""

    error = Carrying()
    error.inner = inner
    assert info_of(error).cause == inner
    assert issubclass(JobFailed, Permanent)


def test_an_error_that_is_raised_anew_is_not_its_own_cause() -> None:
    try:
        try:
            try:
                raise OSError("gone")
            except OSError as error:
                raise Permanent("The file is damaged.", remedy="Copy it again.", code="ERR_DAMAGED") from error
        except Permanent as error:
            raise Invalid(error.message, code=error.error_code) from error
    except Invalid as error:
        info = info_of(error)

    assert (info.code, info.message, info.remedy) == ("ERR_DAMAGED", "The file is damaged.", "Copy it again.")
    assert info.cause is not None
    assert (info.cause.message, info.cause.cause) == ("gone", None)
    assert info.detail is not None
    assert ("Permanent" in info.detail, "Invalid" in info.detail) == (True, True)


def test_what_a_checker_says_of_arguments_is_told_in_its_own_words() -> None:
    class Even(BaseModel):
        count: int

        @field_validator("count")
        @classmethod
        def is_even(cls, count: int) -> int:
            if count % 2:
                raise ValueError(f"{count} is odd")
            return count

    @job("pairs")
    async def pairs(ctx: JobContext, args: Even) -> None:
        return

    with pytest.raises(Invalid, match=r"^pairs: count: 3 is odd$"):
        spec(pairs).accept({"count": 3})
