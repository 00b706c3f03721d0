"""Descriptions as files, written as they are read: memory stays as small as one page, however many there are."""

import csv
import io
from collections.abc import AsyncIterator
from typing import Any, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from daemons.workflows.describe.keeper import Description, DescriptionFilter, DescriptionKeeper
from web.api.calls import TEXT, Call
from web.api.describe import DescriptionChoice, keeper_of
from web.api.export import csv_cell
from web.encoding import encode

PAGE = 500
PIECE = 50
"""So few that nobody waits long for a turn while they are written."""
_FACTS = ("format", "width", "height", "camera")
COLUMNS = (
    "id", "folder", "path", "state", "description", "describer", "model", "origin", "taken_at", "colour", *_FACTS,
    "error_code", "error_message", "finish", "prompt_tokens", "output_tokens", "seconds", "revision", "created_at",
    "edited_at", "edited_by", "gone_at",
)  # fmt: skip
_KINDS = {"csv": "text/csv; charset=utf-8", "json": "application/json", "jsonl": "application/jsonl"}


class DescriptionExport(DescriptionChoice):
    """Which descriptions, and as what."""

    format: Literal["csv", "json", "jsonl"] = Field("csv", description="csv, json, or jsonl: an object a line.")


async def export_descriptions(request: Request, query: DescriptionExport) -> Response:
    keeper, chosen = keeper_of(request), query.chosen()
    first = await keeper.list(chosen, limit=1)  # refused now, not in the middle of the file
    write = {"csv": _csv, "json": _json, "jsonl": _jsonl}[query.format]
    pages = _pages(keeper, chosen, int(first.items[0].number) + 1 if first.items else 0)
    headers = {
        "Content-Disposition": f'attachment; filename="descriptions.{query.format}"',
        "Cache-Control": "no-store",
    }
    return StreamingResponse(write(pages), media_type=_KINDS[query.format], headers=headers)


async def _pages(keeper: DescriptionKeeper, chosen: DescriptionFilter, before: int) -> AsyncIterator[list[Description]]:
    """Yield what there was when the file was begun, the newest first, and give others a turn in between."""
    while True:
        page = await keeper.list(chosen, before=before, limit=PAGE)
        for at in range(0, len(page.items), PIECE):
            await keeper.clock.breathe(0)
            yield page.items[at : at + PIECE]
        if page.next is None:
            return
        before = int(page.next)


async def _json(pages: AsyncIterator[list[Description]]) -> AsyncIterator[str]:
    lead = "["
    async for page in pages:
        for description in page:
            yield lead + encode(description.as_dict())
            lead = ",\n"
    yield "[]\n" if lead == "[" else "]\n"


async def _jsonl(pages: AsyncIterator[list[Description]]) -> AsyncIterator[str]:
    async for page in pages:
        yield "".join(encode(description.as_dict()) + "\n" for description in page)


async def _csv(pages: AsyncIterator[list[Description]]) -> AsyncIterator[str]:
    yield ",".join(COLUMNS) + "\r\n"
    async for page in pages:
        text = io.StringIO(newline="")
        csv.writer(text).writerows([[csv_cell(value) for value in _row(description)] for description in page])
        yield text.getvalue()


def _row(description: Description) -> list[Any]:
    shown = description.as_dict()
    error, facts = shown["error"] or {}, shown["facts"] or {}
    shown |= {"error_code": error.get("code"), "error_message": error.get("message")}
    shown |= {name: facts.get(name) for name in _FACTS}
    return [shown[name] for name in COLUMNS]


CALLS = [
    Call(
        "GET",
        "/api/descriptions/export",
        export_descriptions,
        "All descriptions that match, as a file, newest first.",
        files={
            "text/csv": TEXT,
            "application/json": {"type": "array", "items": {"type": "object"}},
            "application/jsonl": TEXT,
        },
        command="daemondeck descriptions export",
    ),
]
