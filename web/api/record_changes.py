"""Calls that do something to records: write fields, move, leave a step out, go on, try again, lock; one or many."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from pydantic import Field, model_validator
from starlette.requests import Request
from starlette.responses import Response

from daemons.errors import Conflict, Invalid
from daemons.workflows.polling.keeper import Record, RecordKeeper, UnknownRecord
from web.api import shapes
from web.api.calls import Call
from web.api.record_fields import check_fields
from web.api.records import RecordShape, keeper_of, record_of, told
from web.context import viewer
from web.encoding import JsonResponse
from web.parsing import Body
from web.problems import problem

IDS_MOST = 1000
"""Records of one call; who has more calls again."""
AT_ONCE = 20
NOTE_CHARACTERS = 2000

Act = Callable[[RecordKeeper, Record, str], Awaitable[Record]]


class Edit(Body):
    """What a person writes into a record; null or nothing removes a field."""

    fields: dict[str, Any]
    revision: int | None = Field(None, ge=1, description="The revision the change was made on.")


class Move(Body):
    """Where to put a record."""

    status: str = Field(min_length=1, max_length=100, description="A status of its ladder.")
    note: str | None = Field(None, max_length=NOTE_CHARACTERS, description="Why.")
    revision: int | None = Field(None, ge=1, description="The revision the change was made on.")


class Bulk(Body):
    """What to do to many records."""

    action: Literal["retry", "resume", "skip", "move"]
    ids: list[str] = Field(min_length=1, max_length=IDS_MOST, description="Ids or codes.")
    status: str | None = Field(None, min_length=1, max_length=100, description="Where to move them.")

    @model_validator(mode="after")
    def _says_where(self) -> "Bulk":
        if (self.action == "move") is not (self.status is not None):
            raise ValueError("move needs a status, and nothing else takes one")
        return self


class ActedShape(shapes.Shape):
    """What became of one record of many; `state` and `status` are null where it is unknown."""

    id: str
    code: str | None
    status: str | None
    error: shapes.Problem | None


class ActedPage(shapes.Shape):
    """In the order of the ids."""

    items: list[ActedShape]


ACTS: dict[str, Act] = {
    "retry": lambda keeper, record, who: keeper.retry(record.id, who=who),
    "resume": lambda keeper, record, who: keeper.force_resume(record.id, who=who),
    "skip": lambda keeper, record, who: keeper.skip(record.id, who=who),
    "lock": lambda keeper, record, who: keeper.lock(record.id, who=who),
    "unlock": lambda keeper, record, who: keeper.unlock(record.id, who=who),
}


async def write(request: Request, record: Record, fields: dict[str, Any], revision: int | None) -> Record:
    """Store what a person wrote. Raises FieldsRefused, UnknownName, StaleRecord, RecordLocked."""
    keeper = keeper_of(request)
    checked = check_fields(keeper.ladders.get(record.ladder), fields, record.fields)
    return await keeper.edit(record.id, checked, who=viewer(request).name, revision=revision)


async def act(request: Request, name: str) -> Record:
    """Do one of ACTS to the record that the path names."""
    record = await record_of(request)
    return await ACTS[name](keeper_of(request), record, viewer(request).name)


async def act_on_many(request: Request, body: Bulk) -> list[dict[str, Any]]:
    """Do it to each, and return what became of it; what one refuses does not keep the next from being done."""
    keeper, who = keeper_of(request), viewer(request).name

    async def one(name: str) -> dict[str, Any]:
        came_to: dict[str, Any] = {"id": name, "code": None, "status": None, "error": None}
        try:
            record = await keeper.get(name)
            came_to |= {"id": record.id, "code": record.code, "status": record.status}
            if body.status is not None:
                record = await keeper.move(record.id, body.status, who=who, revision=record.revision)
            else:
                record = await ACTS[body.action](keeper, record, who)
            came_to["status"] = record.status
        except (Conflict, Invalid, UnknownRecord) as error:
            came_to["error"] = problem(error)
        return came_to

    ids, all_came_to = [*dict.fromkeys(body.ids)], list[dict[str, Any]]()
    for at in range(0, len(ids), AT_ONCE):
        all_came_to += await asyncio.gather(*map(one, ids[at : at + AT_ONCE]))
    return all_came_to


async def edit_record(request: Request, body: Edit) -> Response:
    changed = await write(request, await record_of(request), body.fields, body.revision)
    return await told(request, changed)


async def move_record(request: Request, body: Move) -> Response:
    record = await record_of(request)
    moved = await keeper_of(request).move(
        record.id, body.status, who=viewer(request).name, note=body.note, revision=body.revision
    )
    return await told(request, moved)


def _acting(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def acting(request: Request) -> Response:
        return await told(request, await act(request, name))

    acting.__name__ = f"{name}_record"  # by which the schema knows the call
    return acting


async def act_on_records(request: Request, body: Bulk) -> Response:
    return JsonResponse({"items": await act_on_many(request, body)})


_ONE = "/api/records/{id}"
_SENTENCES = {
    "skip": "Move the record on as if its step had been done.",
    "resume": "Have a record that waits for a person go on as it is.",
    "retry": "Have the step that failed be tried now.",
    "lock": "Make the record's form yours for two minutes, or for as long again.",
    "unlock": "Give the record's form back.",
}
CALLS = [
    Call(
        "POST",
        "/api/records/bulk",
        act_on_records,
        "Do something to many records, each for itself; what became of each is answered.",
        ActedPage,
        command="daemondeck records resume --all",
    ),
    Call(
        "PATCH",
        _ONE,
        edit_record,
        "Write fields; a record that waits for a person, or is parked, is looked at again at once.",
        RecordShape,
        command='daemondeck records edit {id} title="The harbour"',
    ),
    Call(
        "POST",
        _ONE + "/move",
        move_record,
        "Put the record at a status, where its next step is due at once.",
        RecordShape,
        command="daemondeck records move {id} STATUS",
    ),
    *(
        Call(
            "POST", f"{_ONE}/{name}", _acting(name), sentence, RecordShape, command=f"daemondeck records {name} {{id}}"
        )
        for name, sentence in _SENTENCES.items()
    ),
]
