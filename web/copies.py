"""What a button does, as lines to copy: the call with curl, and the command that does the same."""

import json
import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from web.api.calls import Call


def command_line(call: Call, **names: str) -> str | None:
    """Return the command that does what `call` does, its {…} filled in; None where there is none."""
    return call.command.format_map(_Quoted(names)) if call.command else None


def curl_line(call: Call, address: str, body: Mapping[str, Any] | None = None, **names: str) -> str:
    """Return the call as a line for a shell in which DAEMONDECK_TOKEN is set."""
    url = address + call.path.format_map(_Encoded(names))
    words = ["curl", *([] if call.method == "GET" else ["-X", call.method])]
    sent = ["--json", json.dumps(body)] if body else []
    line = shlex.join([*words, url, *sent])
    return f'{line} -H "Authorization: Bearer $DAEMONDECK_TOKEN"'


class _Quoted(dict[str, str]):
    """Names as a shell takes them; what is not known stays as it is, to be filled in by a person."""

    def __getitem__(self, name: str) -> str:
        return shlex.quote(super().__getitem__(name))

    def __missing__(self, name: str) -> str:
        return name.upper()


class _Encoded(dict[str, str]):
    """Names as an address takes them."""

    def __getitem__(self, name: str) -> str:
        return quote(super().__getitem__(name), safe="")
