"""JSON as it leaves: compact, times with their offset, never NaN and never half a character."""

import json
from datetime import datetime
from typing import Any

from starlette.responses import Response


def encode(value: object) -> str:
    """Return `value` as JSON. Raises ValueError for NaN and infinities."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_spell)


def _spell(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    raise TypeError(f"{type(value).__name__} has no place in JSON")


class JsonResponse(Response):
    """An answer of the API; private, so never kept by a cache."""

    media_type = "application/json"

    def __init__(self, content: Any, status_code: int = 200, headers: dict[str, str] | None = None) -> None:
        super().__init__(content, status_code, {"Cache-Control": "no-store", **(headers or {})})

    def render(self, content: Any) -> bytes:
        return encode(content).encode("utf-8", "replace")


class Listing(JsonResponse):
    """One page of a list."""

    def __init__(self, items: list[Any], next: str | None = None) -> None:
        super().__init__({"items": items, "next": next})
