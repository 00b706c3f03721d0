"""How the program itself logs."""

import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from daemons.logs import Scrubber, about, set_up_logs
from daemons.settings import MASK

SECRETS = ("canary/p w1", "canary-token-2")


class Written(io.StringIO):
    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def stream() -> Iterator[Written]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield Written()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


@pytest.fixture
def written(stream: Written) -> Written:
    set_up_logs("json", "info", SECRETS, stream)
    return stream


def test_an_event_is_one_line_of_json(written: Written) -> None:
    structlog.get_logger("daemons.test").info("It is %s.", "done", count=3)

    (line,) = written.lines
    assert (line["message"], line["level"], line["logger"], line["count"]) == ("It is done.", "info", "daemons.test", 3)
    assert line["at"].endswith("Z")


def test_libraries_are_routed_in_and_quiet(written: Written) -> None:
    for name in ("uvicorn.error", "sqlalchemy.engine", "alembic.runtime.migration", "watchfiles.main"):
        logging.getLogger(name).info("chatter")
        logging.getLogger(name).warning("trouble in %s", name)

    assert [line["message"] for line in written.lines] == [
        "trouble in uvicorn.error",
        "trouble in sqlalchemy.engine",
        "trouble in alembic.runtime.migration",
        "trouble in watchfiles.main",
    ]


def test_ids_are_on_every_line_inside_also_of_libraries(written: Written) -> None:
    with about(daemon="night_watch", job="j1"):
        structlog.get_logger().info("ours")
        logging.getLogger("uvicorn").warning("theirs")
    structlog.get_logger().info("outside")

    ours, theirs, outside = written.lines
    assert (ours["daemon"], theirs["job"]) == ("night_watch", "j1")
    assert "daemon" not in outside


def test_warnings_of_python_are_logged(written: Written) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        logging.captureWarnings(True)
        warnings.warn("old ways", stacklevel=1)

    assert "old ways" in written.lines[0]["message"]


def test_known_secrets_are_masked_everywhere(written: Written) -> None:
    logger = structlog.get_logger()

    logger.info("with canary-token-2", deep={"list": ["canary/p w1"]}, canary_token="canary-token-2")
    logger.info("in an address: https://h/?q=canary%2Fp%20w1 and canary%2Fp+w1")
    logging.getLogger("uvicorn").error("by %s", "canary-token-2")
    try:
        raise ValueError("died of canary/p w1")
    except ValueError:
        logger.exception("It died.")

    assert "canary-token-2" not in written.getvalue()
    assert "p w1" not in written.getvalue()
    assert "p%20w1" not in written.getvalue()
    assert "p+w1" not in written.getvalue()
    assert "ValueError" in written.lines[-1]["exception"]


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer canary.abc-def",
        "authorization: basic Y2FuYXJ5OnB3",
        "GET /x?apikey=canary&y=1",
        '{"api_key": "canary"}',
        "password=canary",
        "PASSWORD = 'canary'",
        "stash_token: canary",
        "http://user:canary@host/path",
        "http://127.0.0.1:8420/signin?code=canary",
        "token dd_canaryCANARYcanaryCANARY was used",
    ],
)
def test_what_is_shaped_like_a_secret_is_masked(text: str) -> None:
    scrubbed = Scrubber().text(text)

    assert MASK in scrubbed
    assert "canary" not in scrubbed
    assert "Y2Fu" not in scrubbed


@pytest.mark.parametrize(
    "text", ["The password was refused.", "3 tokens left", "http://host:8420/path", "bearer of news"]
)
def test_ordinary_sentences_stay_as_they_are(text: str) -> None:
    assert Scrubber().text(text) == text


def test_a_field_with_the_name_of_a_secret_is_masked_whatever_it_holds(written: Written) -> None:
    structlog.get_logger().info("called", headers={"Authorization": ["x"], "Accept": "json"}, api_key=12)

    (line,) = written.lines
    assert line["headers"] == {"Authorization": MASK, "Accept": "json"}
    assert line["api_key"] == MASK


def test_no_text_can_forge_a_line_on_a_terminal(stream: Written) -> None:
    set_up_logs("console", "info", (), stream)

    structlog.get_logger().info("one\n2026-01-01 [info] forged\x1b[2J", who="a\rb")
    try:
        raise ValueError("x\n2026-01-01 [info] forged")
    except ValueError:
        structlog.get_logger().exception("died")

    lines = stream.getvalue().splitlines()
    assert not any(line.startswith("2026-01-01 [info] forged") for line in lines)
    assert "\x1b[2J" not in stream.getvalue()


def test_the_level_is_obeyed(stream: Written) -> None:
    set_up_logs("json", "error", (), stream)

    structlog.get_logger().warning("not this")
    structlog.get_logger().error("this")

    assert [line["message"] for line in stream.lines] == ["this"]


def test_values_json_does_not_know_are_written_as_text(written: Written) -> None:
    structlog.get_logger().info("odd", thing=object, names={1: {2}})

    assert "object" in written.lines[0]["thing"]
