"""What FileMaker's answers hold, read without trust."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from daemons.clients.base import Reply, as_sentence
from daemons.clients.errors import BadAnswer, ServerBusy, ServerRefuses
from daemons.clients.filemaker.errors import OK, error_of
from daemons.errors import DaemonError
from daemons.values import JsonValue

TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")
_TITLE = re.compile(rb"<title[^>]*>(.{1,200}?)</title>", re.IGNORECASE | re.DOTALL)
_NUMBER = re.compile(r"\d{1,18}")
_BUSY = (429, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class FileMakerRecord:
    """A record as a layout shows it; `mod_id` changes with each write, by whomever."""

    record_id: str
    mod_id: str
    fields: Mapping[str, JsonValue]  #: texts with \\n at the ends of lines, numbers

    def text(self, name: str) -> str:
        """Return a field's value as text, empty where it has none."""
        value = self.fields.get(name)
        return "" if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the records that were found, and how many were in all at that moment."""

    records: tuple[FileMakerRecord, ...]
    found: int


@dataclass(frozen=True, slots=True)
class ScriptOutcome:
    """What a script returned, and the error it ended with: 0 is none."""

    result: str
    error: int

    @property
    def succeeded(self) -> bool:
        return self.error == 0


def read_response(reply: Reply, retry_after: float | None, told: Callable[[str], str]) -> dict[str, Any]:
    """Return what a call answered with. Raises what `error_of` makes of a code, or of a page in place of an answer.

    `told` makes words of the server fit for people.
    """
    try:
        body = json.loads(reply.body)
        message = body["messages"][0]
        number, words = int(message["code"]), str(message.get("message") or "")
        response = body.get("response") or {}
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        raise _of_page(reply, retry_after, told) from None
    if number != OK:
        raise error_of(number, as_sentence(f"FileMaker says: {told(words) or 'no'} ({number})"))
    if not isinstance(response, dict):
        raise _nonsense("a response that is no object")
    return response


def read_page(response: Mapping[str, Any]) -> Page:
    """Return the records of an answer. Raises BadAnswer."""
    rows = response.get("data")
    if not isinstance(rows, list):
        raise _nonsense("no list of records")
    records = tuple(_read_record(row) for row in rows)
    info = response.get("dataInfo")
    found = info.get("foundCount") if isinstance(info, dict) else None
    return Page(records, found if isinstance(found, int) and found >= 0 else len(records))


def read_number(response: Mapping[str, Any], name: str) -> str:
    """Return an id of an answer, as FileMaker spells them: digits. Raises BadAnswer."""
    value = str(response.get(name, ""))
    if not _NUMBER.fullmatch(value):
        raise _nonsense(f"no {name}")
    return value


def read_token(reply: Reply, response: Mapping[str, Any]) -> str:
    """Return the token of a new session. Raises BadAnswer."""
    token = response.get("token") or reply.headers.get("x-fm-data-access-token", "")
    if not isinstance(token, str) or not TOKEN.fullmatch(token):
        raise _nonsense("no token of a session")
    return token


def read_script(response: Mapping[str, Any]) -> ScriptOutcome:
    """Return how a script ended. Raises BadAnswer."""
    try:
        return ScriptOutcome(str(response.get("scriptResult") or ""), int(response.get("scriptError", "")))
    except (ValueError, TypeError):
        raise _nonsense("no scriptError") from None


def read_fields(response: Mapping[str, Any]) -> dict[str, str]:
    """Return the names of a layout's fields, and what kind each is, such as text. Raises BadAnswer."""
    given = response.get("fieldMetaData")
    if not isinstance(given, list):
        raise _nonsense("no fieldMetaData")
    named = [one for one in given if isinstance(one, dict) and isinstance(one.get("name"), str)]
    return {one["name"]: str(one.get("result", "")) for one in named}


def read_layouts(response: Mapping[str, Any]) -> list[str]:
    """Return the names of the layouts, those in folders too. Raises BadAnswer."""
    given = response.get("layouts")
    if not isinstance(given, list):
        raise _nonsense("no layouts")
    names, left = list[str](), list(reversed(given))
    while left:
        one = left.pop()
        if isinstance(one, dict) and isinstance(inner := one.get("folderLayoutNames"), list):
            left += reversed(inner)
        elif isinstance(one, dict) and isinstance(name := one.get("name"), str):
            names.append(name)
    return names


def _read_record(row: Any) -> FileMakerRecord:
    if not isinstance(row, dict) or not isinstance(row.get("fieldData"), dict):
        raise _nonsense("a record without fieldData")
    fields = {
        name: value.replace("\r\n", "\n").replace("\r", "\n") if isinstance(value, str) else value
        for name, value in row["fieldData"].items()
        if value is None or isinstance(value, str | int | float)
    }
    return FileMakerRecord(read_number(row, "recordId"), read_number(row, "modId"), fields)


def _of_page(reply: Reply, retry_after: float | None, told: Callable[[str], str]) -> DaemonError:
    """Tell what a page, or whatever else it is, means in place of an answer."""
    title = _TITLE.search(reply.body[:65_536])
    what = f": {told(title[1].decode('utf-8', 'replace'))}" if title else ""
    said = as_sentence(f"FileMaker's address answered {reply.status}, not as the Data API does{what}")
    if reply.status in _BUSY:
        return ServerBusy(said, retry_after)
    if reply.status in (401, 403, 404, 405, 410):
        remedy = "Turn the Data API on in the server's admin console, or correct filemaker.url."
        return ServerRefuses(said, remedy=remedy, code="ERR_NO_SUCH_CALL")
    return BadAnswer(said, may_pass=True)


def _nonsense(what: str) -> BadAnswer:
    return BadAnswer(f"FileMaker's answer makes no sense: {what}.", may_pass=True)
