"""The call that takes in a file of records: CSV, a list in JSON, or JSON lines."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, get_origin

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from daemons.errors import Invalid
from daemons.workflows.polling.keeper import Brought, Imported, Kind, Ladder, Refused, brought_of, read_rows
from web.api import shapes
from web.api.calls import TEXT, Call
from web.api.describe import Text
from web.api.record_fields import EMPTY, check_fields, fields_of_forms
from web.api.records import keeper_of
from web.context import viewer
from web.encoding import JsonResponse
from web.parsing import Query, kind_of_body

ROWS_MOST = 20_000
KINDS: dict[str, Kind] = {"text/csv": "csv", "application/json": "json", "application/x-ndjson": "jsonl"}


class ImportQuery(Query):
    """Where rows belong that do not say so, and whether anything is written."""

    ladder: Text | None = Field(None, max_length=63, description="Of rows that name none.")
    dry_run: bool = Field(False, description="Tell what would become of each row, and write nothing.")


class RefusedRowShape(shapes.Shape):
    """A row that was not taken, by the line it begins at, and why."""

    line: int
    code: str
    message: str


class ImportedRecordsShape(shapes.Shape):
    """What became of the rows: of those that were refused the first hundred are named."""

    added: int
    known: int
    refused: list[RefusedRowShape]
    refused_total: int


async def bring_in(request: Request, data: bytes, kind: Kind, ladder: str | None, *, dry_run: bool) -> Imported:
    """Take in what a file brings. Raises Invalid for what is no such file, UnknownName for the ladder."""
    keeper = keeper_of(request)
    if ladder is not None:
        keeper.ladder(ladder)
    brought, refused = await asyncio.to_thread(_read, keeper.ladders, data, kind, ladder)
    imported = await keeper.bring_in(brought, by=viewer(request).name, dry_run=dry_run)
    imported.refused += refused
    return imported


def _read(
    ladders: Mapping[str, Ladder], data: bytes, kind: Kind, ladder: str | None
) -> tuple[list[Brought], list[Refused]]:
    rows, refused = read_rows(data, kind, ROWS_MOST)
    brought = []
    for row in rows:
        try:
            brought.append(brought_of(ladders, row, ladder, _fields))
        except Invalid as error:
            refused.append(Refused.of(row.line, error))
    return brought, refused


def _fields(ladder: Ladder, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields as they are stored: what is empty is none, and numbers and lists may have come as text."""
    of_form = fields_of_forms(ladder)
    spelled = {name.casefold(): name for name in of_form}
    fields: dict[str, Any] = {}
    for name, value in given.items():
        own = name if name in of_form else spelled.get(name.casefold(), name)
        if value in EMPTY:
            continue
        if own in fields:
            raise Invalid(f"{own} is there twice.", code="ERR_DUPLICATE_COLUMN")
        is_list = own in of_form and get_origin(of_form[own].model_fields[own].annotation) is list
        fields[own] = _listed(value) if is_list and isinstance(value, str) else value
    return check_fields(ladder, fields, {})


def _listed(text: str) -> Any:
    if text.startswith("["):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    mark = next((mark for mark in "\n;," if mark in text), ",")
    return [word.strip() for word in text.split(mark) if word.strip()]


async def import_records(request: Request, query: ImportQuery) -> Response:
    kind = KINDS[kind_of_body(request)]
    data = await request.body()
    imported = await bring_in(request, data, kind, query.ladder, dry_run=query.dry_run)
    return JsonResponse(imported.as_dict())


CALLS = [
    Call(
        "POST",
        "/api/records/import",
        import_records,
        "Make records of the rows of a file: what is known by its source stays, what is refused stops nothing.",
        ImportedRecordsShape,
        takes={
            "text/csv": TEXT,
            "application/json": {"type": "array", "items": {}, "description": f"Objects, at most {ROWS_MOST:,}."},
            "application/x-ndjson": TEXT,
        },
        command="daemondeck records import records.csv",
    ),
]
