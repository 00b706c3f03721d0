"""Reading what servers answer: whatever it is, it becomes text or an error of ours."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from daemons.clients.base import RETRY_MOST, HttpClient, Reply
from daemons.clients.chat_answers import ANSWER_CHARACTERS, read_answer, read_complaint, read_models
from daemons.clients.chat_verdicts import verdict
from daemons.clients.errors import BadAnswer, ImageFailed
from daemons.errors import DaemonError
from tests.fake_clock import FakeClock
from tests.fakes.openai_server import completion

SECRET = "sk-canary-0123456789"
NAMES = ("choices", "message", "content", "finish_reason", "error", "detail", "code", "usage", "refusal", "data", "id")
NAMES += ("reasoning", "model", "prompt_tokens", "text", "object", "param", "metadata", "flagged_input")
WORDS = st.sampled_from(["stop", "length", "content_filter", "<think>", "</think>", "context", "max_tokens", SECRET])
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | WORDS
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
)
"""Any JSON, with a liking for the names that are looked for."""


def grafted(values: list[Any]) -> bytes:
    """Return a good answer in which some places hold anything at all."""
    answer = completion()
    choice = answer["choices"][0]
    places: list[tuple[Any, str]] = [
        (choice["message"], "content"), (choice, "finish_reason"), (answer, "usage"), (answer, "model"),
        (choice["message"], "refusal"), (choice["message"], "reasoning_content"), (choice, "message"),
        (answer, "error"),
    ]  # fmt: skip
    for (place, name), value in zip(places, values, strict=False):
        if value is not ...:
            place[name] = value
    return json.dumps(answer).encode()


@settings(max_examples=120, deadline=None)
@given(
    st.binary(max_size=60)
    | ANYTHING.map(lambda value: json.dumps(value).encode())
    | st.lists(ANYTHING | st.just(...), max_size=8).map(grafted),
    st.integers(100, 599),
)
@example(b'{"choices":' * 50_000, 500)
@example(b"9" * 5000, 400)
@example(b'{"error": {"code": ["x"], "metadata": [], "message": {}}}', 403)
def test_any_answer_is_text_or_an_error_of_ours(body: bytes, status: int) -> None:
    with suppress(BadAnswer):
        said = read_answer(body)
        assert len(said.text) <= ANSWER_CHARACTERS and (said.text or said.failure)
        said.text.encode()
    with suppress(BadAnswer):
        assert all(isinstance(name, str) for name in read_models(body))
    client = HttpClient(
        "The vision server", "http://127.0.0.1:1/v1", FakeClock(), setting="vision.url", secrets=[SECRET]
    )
    told = client.told(read_complaint(body).message)
    told.encode()
    assert SECRET not in told and len(told) <= 300 and "\n" not in told

    raised = verdict(status, read_complaint(body), None, has_key=False)

    assert isinstance(raised, DaemonError) and raised.error_code.startswith("ERR_")


@pytest.mark.parametrize(
    ("content", "more", "text"),
    [
        ("<think>hm</think>\n\nA cat.", {}, "A cat."),
        ("the user wants…</think>A cat.", {}, "A cat."),
        ("<thinking>a</thinking><think>b</think> A cat.", {}, "A cat."),
        ([{"type": "text", "text": "A "}, {"type": "image"}, {"type": "text", "text": "cat."}], {}, "A cat."),
        (["A ", "cat."], {}, "A cat."),
        ("A cat.", {"reasoning": "hm", "refusal": None}, "A cat."),
        ("  Line one.\r\nLine two.  ", {}, "Line one.\nLine two."),
        ("A <think> sign.", {}, "A <think> sign."),
    ],
)
def test_what_is_said_is_found_in_each_form(content: Any, more: dict[str, Any], text: str) -> None:
    said = read_answer(json.dumps(completion(content, **more)).encode())

    assert (said.text, said.failure, said.prompt_tokens) == (text, None, 300)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": "no", "type": "x"}}, "no"),
        ({"error": "no"}, "no"),
        ({"detail": "no"}, "no"),
        ({"detail": [{"loc": ["body"], "msg": "no"}, {"msg": "way"}]}, "no; way"),
        ({"object": "error", "message": "no", "code": 404}, "no"),
        ("no", "no"),
        ([], "it does not say why"),
        ({}, "it does not say why"),
    ],
)
def test_what_is_wrong_is_found_in_each_form(body: Any, message: str) -> None:
    assert read_complaint(json.dumps(body).encode()).message == message


def test_a_page_is_told_by_its_title() -> None:
    page = b"<!DOCTYPE html>\n<html><head><TITLE>502 Bad Gateway</TITLE></head>"

    assert read_complaint(page).message == "a web page, “502 Bad Gateway”"
    assert read_complaint(b"").message == "nothing"


@given(
    st.text(max_size=40)
    | st.integers().map(str)
    | st.datetimes().map(lambda at: at.strftime("%a, %d %b %Y %H:%M:%S GMT"))
)
@example("Fri, 31 Dec 9999 23:59:59 -2359")
@example("9" * 400)
def test_any_wait_that_is_asked_for_is_bounded(value: str) -> None:
    reply = Reply(503, {"retry-after": value}, b"", 0.0)

    seconds = reply.retry_after(datetime(2030, 1, 1, tzinfo=UTC))

    assert seconds is None or 0 <= seconds <= RETRY_MOST


def test_every_outcome_says_what_to_do() -> None:
    kinds = [ImageFailed, *ImageFailed.__subclasses__()]

    assert all(kind().remedy for kind in kinds[1:]) and len({kind.code for kind in kinds}) == len(kinds)
