"""What OpenAI-compatible servers answer, read without trust: each takes its own liberties with the form."""

import json
import re
from dataclasses import dataclass
from typing import Any

from daemons.clients.asking import Finish
from daemons.clients.errors import AnswerCut, BadAnswer, ImageFailed, ModelOnlyThought, ModelRefused, ModelSaidNothing
from daemons.text import clean

ANSWER_CHARACTERS = 8_000
MODELS_MOST = 200
_NAME_CHARACTERS = 300
_REFUSING_CODES = frozenset({"content_filter", "content_policy_violation"})
_THOUGHTS = (("<think>", "</think>"), ("<thinking>", "</thinking>"), ("[THINK]", "[/THINK]"))
_TITLE = re.compile(r"<title[^>]{0,200}>([^<]{1,300})", re.IGNORECASE)
_TOKENS_MOST = 10**9


@dataclass(frozen=True, slots=True)
class Said:
    """What the model said, or why it said nothing, and what that used."""

    text: str
    finish: Finish
    model: str | None
    prompt_tokens: int | None
    output_tokens: int | None
    failure: ImageFailed | None = None


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a server says is wrong, out of one of the many shapes of error bodies; None where it says nothing."""

    message: str
    code: str | None = None
    param: str | None = None
    is_page: bool = False
    """It is a web page, or no JSON at all: most likely not the server that was meant."""
    is_flagged: bool = False
    """What was asked is held to be against some policy."""


def read_answer(body: bytes) -> Said:
    """Return what the model said. Raises BadAnswer when `body` is no answer of a chat."""
    data = _object(body)
    if complaint := _complaint_in(data):
        raise BadAnswer(f"it answered with an error: {complaint.message}", may_pass=True)
    choices = data.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if isinstance(choice, dict) and (failed := _complaint_in({"error": choice.get("error")})):
        raise BadAnswer(f"it answered with an error: {failed.message}", may_pass=True)
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise BadAnswer("its answer holds no message", may_pass=True)
    reason = choice.get("finish_reason")
    finish: Finish = "length" if reason == "length" else "stop"
    text, thought = without_thoughts(_text_of(message.get("content")))
    thought = thought or any(_text_of(message.get(name)) for name in ("reasoning", "reasoning_content", "thinking"))
    shown = clean(text, ANSWER_CHARACTERS, keep_newlines=True).strip()
    failure = _failure(message, reason, shown, has_thought=thought)
    usage = data.get("usage")
    counted = usage if isinstance(usage, dict) else {}
    return Said(
        shown,
        finish,
        _name(data.get("model")),
        _count(counted.get("prompt_tokens")),
        _count(counted.get("completion_tokens")),
        failure,
    )


def _failure(message: dict[str, Any], reason: object, text: str, *, has_thought: bool) -> ImageFailed | None:
    refusal = _text_of(message.get("refusal")).strip()
    if refusal:
        return ModelRefused(f"The model refuses: {clean(refusal, 300)}")
    if reason == "content_filter":
        return ModelRefused("The server's filter held the description back.")
    if text:
        return None
    if has_thought:
        return ModelOnlyThought()
    return AnswerCut() if reason == "length" else ModelSaidNothing()


def read_complaint(body: bytes) -> Complaint:
    """Return what the body of an error says; never raises."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return _of_no_json(body)
    if isinstance(data, str):
        return Complaint(data)
    found = _complaint_in(data) if isinstance(data, dict) else None
    return found or Complaint("it does not say why")


def read_models(body: bytes) -> tuple[str, ...]:
    """Return the names of the models that a server lists. Raises BadAnswer."""
    data = _object(body)
    listed = data.get("data", data.get("models"))
    if not isinstance(listed, list):
        raise BadAnswer("it lists no models")
    names = (_name(model.get("id", model.get("name"))) for model in listed if isinstance(model, dict))
    return tuple(dict.fromkeys(name for name in names if name))[:MODELS_MOST]


def without_thoughts(text: str) -> tuple[str, bool]:
    """Return what is said after thinking aloud, and whether that was done. Never ended, all of it is thought."""
    has_thought = False
    for begin, end in _THOUGHTS:
        # The template of some models holds the beginning, so that only the end is in the answer.
        _, found, after = text.rpartition(end)
        if found:
            text, has_thought = after, True
        elif text.lstrip().startswith(begin):
            return "", True
    return text.strip(), has_thought


def _object(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise BadAnswer(f"its answer is no JSON: {_of_no_json(body).message}", may_pass=True) from None
    if not isinstance(data, dict):
        raise BadAnswer("its answer is no JSON object", may_pass=True)
    return data


def _of_no_json(body: bytes) -> Complaint:
    text = body[:20_000].decode("utf-8", "replace").strip()
    if text[:1] == "<":
        title = _TITLE.search(text)
        return Complaint(f"a web page, “{title[1].strip()}”" if title else "a web page", is_page=True)
    return Complaint(text or "nothing", is_page=True)


def _complaint_in(data: dict[str, Any]) -> Complaint | None:
    error = data.get("error")
    # {"error": {…}}, {"error": "…"}, {"detail": …} of FastAPI, {"object": "error", "message": …} of older vLLM.
    if isinstance(error, dict):
        inner = error.get("metadata")
        return Complaint(
            _text_of(error.get("message")) or "it does not say why",
            _word(error.get("code")) or _word(error.get("type")),
            _word(error.get("param")),
            is_flagged=_word(error.get("code")) in _REFUSING_CODES
            or (isinstance(inner, dict) and "flagged_input" in inner),
        )
    if isinstance(error, str) and error:
        return Complaint(error, _word(data.get("code")))
    detail = data.get("detail")
    if isinstance(detail, str) and detail:
        return Complaint(detail)
    if isinstance(detail, list) and detail:
        return Complaint("; ".join(str(one.get("msg")) for one in detail[:3] if isinstance(one, dict)))
    if data.get("object") == "error" or ("message" in data and "choices" not in data):
        return Complaint(_text_of(data.get("message")) or "it does not say why", _word(data.get("code")))
    return None


def _text_of(content: object) -> str:
    """Return the text of what may be text, a list of parts, or anything else."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = (part.get("text") if isinstance(part, dict) else part for part in content)
        return "".join(part for part in parts if isinstance(part, str))
    return ""


def _name(value: object) -> str | None:
    return clean(value, _NAME_CHARACTERS) if isinstance(value, str) and value.strip() else None


def _word(value: object) -> str | None:
    return clean(str(value), 100) if isinstance(value, str | int) and not isinstance(value, bool) else None


def _count(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= _TOKENS_MOST else None
