"""Calls about records: stills, clips and frames, and how far each has climbed."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from daemons.errors import DaemonError, Invalid
from daemons.service import Service
from daemons.values import Page
from daemons.workflows.polling.keeper import STATES, NewRecord, Record, RecordFilter, RecordKeeper, Waiting
from web.api import shapes
from web.api.calls import Call
from web.api.describe import Text
from web.api.paging import ListQuery, cursor_of, place_of
from web.api.record_fields import check_fields, form_of
from web.assets import STATIC
from web.context import service, viewer
from web.encoding import JsonResponse, Listing
from web.parsing import Body
from web.record_states import AwaitingOf, State, state_of

TEXT_CHARACTERS = 1000
_SANDBOX = {"Content-Security-Policy": "default-src 'none'; sandbox"}
_NO_PICTURE = (STATIC / "no-picture.svg").read_bytes()
_BINARY = {"type": "string", "format": "binary"}


class RecordQuery(ListQuery):
    """Which records to list, newest first."""

    ladder: Text | None = Field(None, max_length=63, description="Only of this ladder.")
    status: Text | None = Field(None, max_length=100, description="A status as the ladder spells it.")
    state: Text | None = Field(None, max_length=20, description="One of " + ", ".join(STATES) + ".")
    q: Text = Field("", max_length=TEXT_CHARACTERS, description="In the record's code, title or source.")
    code: Text | None = Field(None, max_length=100, description="Of its error, such as ERR_IMAGE_TRUNCATED.")
    parent: Text | None = Field(None, max_length=36, description="Only what is below the record of that id.")

    def chosen(self) -> RecordFilter:
        """Return the choice as the keeper takes it."""
        return RecordFilter(self.ladder, self.status, self.state, self.q, self.parent, self.code)


class NewRecordBody(Body):
    """Something to climb a ladder."""

    ladder: str = Field(max_length=63)
    source: str = Field(min_length=1, max_length=4096, description="What it is of, such as the path of a file.")
    title: str = Field("", max_length=255)
    status: str | None = Field(None, max_length=100, description="Where it begins; empty: at the ladder's foot.")
    fields: dict[str, Any] = Field(default_factory=dict, description="What a person knows of it.")


class ReasonShape(shapes.Shape):
    """Why a person is needed: the rule that said so, and which field would help."""

    rule: str
    sentence: str
    field: str | None


class StuckShape(shapes.Shape):
    """A record below one that waits, which goes on only when somebody does something."""

    id: str
    code: str
    status: str
    state: Literal["parked", "awaiting", "waits", "rests"]
    error_code: str | None
    message: str | None


class WaitingShape(shapes.Shape):
    """How many of those below a record it waits for, and the first of those that need somebody."""

    total: int
    open: int
    parked: int
    stuck: int
    noun: str
    named: list[StuckShape]


class RecordShape(shapes.Shape):
    """A record as it is now; `provenance` says of each field who wrote it and when, `waiting_reason` which of those
    below it hold it up."""

    id: str
    number: int
    ladder: str
    code: str
    source: str
    title: str
    status: str
    state: State
    fields: dict[str, Any]
    provenance: dict[str, Any]
    revision: int
    parent_id: str | None
    is_complete: bool
    attempts: int
    error: shapes.ErrorShape | None
    reasons: list[ReasonShape]
    waiting_reason: str | None
    due_at: AwareDatetime | None
    running_since: AwareDatetime | None
    parked_at: AwareDatetime | None
    status_at: AwareDatetime
    created_at: AwareDatetime
    updated_at: AwareDatetime
    edited_by: str | None
    edited_until: AwareDatetime | None


class TryShape(shapes.Shape):
    """One try of a step, or a move by somebody, which has no step."""

    step: str
    attempt: int
    outcome: str
    old: str
    new: str
    started_at: AwareDatetime
    seconds: float
    by: str | None
    error: shapes.ErrorShape | None
    note: str | None


class SuggestionShape(shapes.Shape):
    """What would fill an empty field of the record's form, and where it comes from; of a list one word."""

    field: str
    value: Any
    origin: str


class RecordDetailShape(RecordShape):
    """A record with its story, newest first, what it waits for of what is below it, and what would fill its form."""

    story: list[TryShape]
    waits_for: WaitingShape | None
    suggestions: list[SuggestionShape]


class RecordPage(shapes.Shape):
    items: list[RecordShape]
    next: str | None


def keeper_of(request: Request) -> RecordKeeper:
    """Return the keeper of records."""
    return service(request).keepers.get(RecordKeeper)


def awaiting_reader(service: Service) -> AwaitingOf:
    """Return what tells where records of a ladder wait for a person."""

    def awaiting_of(ladder: str) -> str | None:
        known = service.keepers.get(RecordKeeper).ladders.get(ladder)
        return known.awaiting if known is not None else None

    return awaiting_of


def awaiting_count(service: Service) -> int:
    """Return how many records wait for a person."""
    return len(service.keepers.get(RecordKeeper).awaiting)


def shown(request: Request, record: Record, waits: Waiting | None) -> dict[str, Any]:
    """Return a record as the API shows it, where what it waits for is known."""
    told = record.as_dict()
    state = state_of(told, awaiting_reader(service(request)))
    return {**told, "state": state, "waiting_reason": waits.sentence() if waits is not None else None}


async def all_shown(request: Request, records: Sequence[Record]) -> list[dict[str, Any]]:
    """Return records as the API shows them; what they wait for is asked at once for all."""
    waits = await keeper_of(request).waiting(records)
    return [shown(request, record, waits.get(record.id)) for record in records]


async def told(request: Request, record: Record, status: int = 200) -> Response:
    """Return the answer that tells of a record."""
    [one] = await all_shown(request, [record])
    return JsonResponse(one, status)


async def record_of(request: Request) -> Record:
    """Return the record that the path names by id or code. Raises UnknownRecord."""
    return await keeper_of(request).get(request.path_params["id"])


def form_for(request: Request, record: Record) -> type[BaseModel]:
    """Return the form by which a person writes into the record as it stands now."""
    ladder = keeper_of(request).ladders.get(record.ladder)
    return form_of(ladder, awaits=ladder is not None and record.status == ladder.awaiting)


async def find(request: Request, query: RecordQuery) -> Page:
    """Return the page of records that `query` asks for; its `next` is a cursor."""
    before = _number(place_of(query.cursor)) if query.cursor else None
    page = await keeper_of(request).list(query.chosen(), before=before, limit=query.limit)
    return Page(page.items, cursor_of(page.next) if page.next else None)


async def list_records(request: Request, query: RecordQuery) -> Response:
    page = await find(request, query)
    return Listing(await all_shown(request, page.items), page.next)


async def get_record(request: Request) -> Response:
    record = await record_of(request)
    keeper = keeper_of(request)
    waiting, story, suggested = await asyncio.gather(
        keeper.waiting([record]), keeper.story(record), keeper.suggestions(record, form_for(request, record))
    )
    waits = waiting.get(record.id)
    more = {
        "story": [one.as_dict() for one in story],
        "waits_for": asdict(waits) if waits is not None else None,
        "suggestions": [one.as_dict() for one in suggested],
    }
    return JsonResponse({**shown(request, record, waits), **more})


async def add_record(request: Request, body: NewRecordBody) -> Response:
    keeper = keeper_of(request)
    ladder = keeper.ladder(body.ladder)
    fields = check_fields(ladder, body.fields, {})
    is_new = bool(await keeper.unknown(ladder.name, [body.source]))
    new = NewRecord(ladder.name, body.status or ladder.statuses[0], body.source, body.title, fields)
    [record] = await keeper.add([new], by=viewer(request).name)
    return await told(request, record, 201 if is_new else 200)


async def get_record_thumbnail(request: Request) -> Response:
    try:
        sha256, webp = await keeper_of(request).pictures.get(await record_of(request))
    except DaemonError:
        if not request.headers.get("accept", "").startswith("image/"):
            raise
        # For a page: an empty frame, and no complaint of the browser for each.
        return Response(_NO_PICTURE, media_type="image/svg+xml", headers={"Cache-Control": "private, max-age=30"})
    headers = {"ETag": f'"{sha256}"', "Cache-Control": "private, no-cache", **_SANDBOX}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(webp, media_type="image/webp", headers=headers)


def _number(place: str) -> int:
    if not place.isascii() or not place.isdigit() or len(place) > 18:
        raise Invalid("The cursor is not one that this list gave.", code="ERR_BAD_CURSOR")
    return int(place)


CALLS = [
    Call(
        "GET",
        "/api/records",
        list_records,
        "Records of all ladders, newest first.",
        RecordPage,
        command="daemondeck records ls",
    ),
    Call(
        "POST",
        "/api/records",
        add_record,
        "Have something climb a ladder; what is there already, by its source, stays as it is.",
        RecordShape,
        201,
        also={200: RecordShape},
        command="daemondeck records add stills /photos/harbour.jpg",
    ),
    Call(
        "GET",
        "/api/records/{id}",
        get_record,
        "One record, by id or code, with every try of every step and what would fill its form.",
        RecordDetailShape,
        command="daemondeck records show {id}",
    ),
    Call(
        "GET",
        "/api/records/{id}/thumbnail",
        get_record_thumbnail,
        "A small copy of what the record is of; an empty frame for those who accept only images.",
        files={"image/webp": _BINARY, "image/svg+xml": _BINARY},
    ),
]
