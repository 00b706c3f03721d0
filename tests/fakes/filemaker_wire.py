"""What goes over the wire to a FileMaker Server and back."""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.fakes.openai_server import Step, answers

MESSAGES = {
    "0": "OK",
    "101": "Record is missing",
    "102": "Field is missing",
    "104": "Script is missing",
    "105": "Layout is missing",
    "212": "Invalid user account and/or password; please try again",
    "301": "Record is in use by another user",
    "306": "Record modification ID does not match",
    "401": "No records match the request",
    "504": "Value in field is not unique, as required in validation entry options",
    "802": "Unable to open the file",
    "812": "Exceeds host's capacity",
    "952": "Invalid FileMaker Data API token (*)",
    "953": "Data transfer limit exceeded",
    "958": "Parameter missing",
    "960": "Parameter is invalid",
    "1704": "Resource does not support the specified HTTP verb",
    "1708": "Parameter value is invalid",
}
STATUSES = {"0": 200, "212": 401, "952": 401, "958": 400, "960": 400, "1704": 405, "1708": 400, "802": 500}
_BOUNDARY = re.compile(r'boundary="?([^";]+)"?')
_DISPOSITION = re.compile(rb'name="(?P<name>[^"]*)"(?:; filename="(?P<file>[^"]*)")?')


def messages(code: str, response: Mapping[str, Any] | None = None, text: str | None = None) -> dict[str, Any]:
    """Return the body of any answer."""
    return {"messages": [{"code": code, "message": text or MESSAGES.get(code, "")}], "response": {**(response or {})}}


def fails(code: str, status: int | None = None, text: str | None = None) -> Step:
    """Answer with an error of FileMaker."""
    return answers(STATUSES.get(code, 500) if status is None else status, messages(code, text=text))


@dataclass(frozen=True)
class Request:
    """A request as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    content: bytes

    @property
    def token(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")

    @property
    def body(self) -> Any:
        return json.loads(self.content) if self.content else None


class Failed(Exception):
    """The call ends with this code."""

    def __init__(self, code: str, status: int | None = None) -> None:
        super().__init__(code)
        self.code, self.status = code, status


def uploaded(request: Request) -> tuple[str, bytes]:
    """Return the one file of a form; its field has to be called `upload`."""
    boundary = _BOUNDARY.search(request.headers.get("content-type", ""))
    if boundary is None:
        raise Failed("1708", 415)
    _, part, end = request.content.split(b"--" + boundary[1].encode())
    head, _, content = part.partition(b"\r\n\r\n")
    said = _DISPOSITION.search(head)
    if said is None or said["name"] != b"upload" or end.strip() != b"--":
        raise Failed("960")
    return (said["file"] or b"").decode(), content.removesuffix(b"\r\n")


async def read(reader: asyncio.StreamReader) -> Request:
    """Return the next request of a connection."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
    method, target, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    content = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    return Request(method, parts.path, dict(parse_qsl(parts.query)), headers, content)
