"""Options: one model, four places that give values, one value with its source."""

import math
from typing import Any

import pytest
from pydantic import Field

from daemons.options import (
    NEEDS_RESTART,
    DaemonOptions,
    InvalidOption,
    changed,
    effective,
    needing_restart,
    validate,
)


class Options(DaemonOptions):
    interval: float = Field(300.0, gt=0, description="Seconds between two looks.")
    folder: str = Field("inbox", description="Where to look.", json_schema_extra=NEEDS_RESTART)


class Configured:
    """What environment and file say of the daemon."""

    def __init__(self, environment: dict[str, Any], file: dict[str, Any]) -> None:
        self.environment, self.file = environment, file

    def daemon_overrides(self, name: str) -> dict[str, Any]:
        return self.environment

    def daemon_defaults(self, name: str) -> dict[str, Any]:
        return self.file


def test_environment_goes_before_row_before_file_before_default() -> None:
    file = {"interval": 3, "folder": "from file", "silent_after": 10}
    configured = Configured(environment={"interval": "1.5"}, file=file)

    options, sources = effective(Options, "watch", {"interval": 2, "folder": "from row"}, configured)

    assert options == Options(interval=1.5, folder="from row", silent_after=10)
    assert sources == {"interval": "environment", "folder": "row", "silent_after": "file"}


def test_an_option_that_nobody_gives_has_its_default() -> None:
    options, sources = effective(Options, "watch", {}, Configured({}, {}))

    assert options == Options()
    assert set(sources.values()) == {"default"}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"intervall": 5}, "intervall: there is no such option."),
        ({"interval": 0}, "interval: Input should be greater than 0."),
        ({"interval": math.nan}, "interval: Input should be a finite number."),
        ({"interval": [1]}, "interval: Input should be a valid number."),
        ({"folder": None}, "folder: Input should be a valid string."),
    ],
)
def test_a_bad_option_is_refused_by_name(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidOption) as refusal:
        validate(Options, given)

    assert refusal.value.message == sentence
    assert refusal.value.keys == tuple(given)


def test_a_refusal_says_where_the_value_came_from() -> None:
    with pytest.raises(InvalidOption, match=r"interval: .* \(from the file\)\."):
        effective(Options, "watch", {}, Configured({}, {"interval": "soon"}))


def test_the_options_that_need_a_restart_are_known_to_code_and_schema() -> None:
    assert needing_restart(Options) == {"folder"}
    assert Options.model_json_schema()["properties"]["folder"]["restart"] is True


def test_changed_names_what_differs() -> None:
    assert changed(Options(), Options(interval=5)) == {"interval"}
