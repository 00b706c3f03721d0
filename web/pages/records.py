"""The board of a ladder, its records as a table, and how its steps went."""

import asyncio
from collections.abc import Sequence
from typing import Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from daemons.errors import Invalid, UnknownName
from daemons.workflows.polling.keeper import LIMIT_MOST, STATES, Ladder, Record, RecordKeeper, StepFigures
from web.api.ladders import columns_of
from web.api.record_changes import IDS_MOST, Bulk, act_on_many
from web.api.records import RecordQuery, find, keeper_of
from web.context import service, templates, viewer
from web.pages.forms import Form
from web.parsing import Query, parse_model, read_query

CARDS = 50
"""Of one column: those that stand there longest."""
CODES_NAMED = 20
FILTERS = ("ladder", "status", "state", "q", "code", "parent")
FIGURE_HOURS = 24


class BoardQuery(Query):
    """Which ladder, and whether what is complete is shown as well."""

    ladder: str | None = Field(None, max_length=63)
    complete: bool = False


async def show_board(request: Request) -> Response:
    asked = read_query(request, BoardQuery, from_form=True)
    ladder = _ladder(request, asked.ladder)
    columns: list[dict[str, Any]] = []
    if ladder is not None:
        columns = await _columns(request, ladder, with_complete=asked.complete)
    return templates(request).page(
        "pages/records.html",
        viewer=viewer(request),
        ladders=list(keeper_of(request).ladders.values()),
        ladder=ladder,
        columns=columns,
        is_empty=ladder is not None and not any(column["total"] for column in columns),
        climber=_climber(request, ladder.name) if ladder else None,
        complete=asked.complete,
    )


async def show_table(request: Request) -> Response:
    asked = read_query(request, RecordQuery, from_form=True)
    page = await find(request, asked)
    filters = {name: value for name, value in request.query_params.items() if value}
    return templates(request).page(
        "pages/records_table.html",
        viewer=viewer(request),
        ladders=list(keeper_of(request).ladders.values()),
        statuses=_statuses(request, asked.ladder),
        states=STATES,
        records=await drawn(keeper_of(request), page.items),
        next=page.next,
        filters=filters,
        is_top=asked.cursor is None,
    )


async def show_figures(request: Request) -> Response:
    asked = read_query(request, BoardQuery, from_form=True)
    ladder = _ladder(request, asked.ladder)
    figures: list[StepFigures] = []
    if ladder is not None:
        figures = list(await keeper_of(request).figures(ladder.name, FIGURE_HOURS))
    return templates(request).page(
        "pages/records_figures.html",
        viewer=viewer(request),
        ladders=list(keeper_of(request).ladders.values()),
        ladder=ladder,
        figures=figures,
    )


async def drawn(keeper: RecordKeeper, records: Sequence[Record]) -> list[dict[str, Any]]:
    """Return records as partials/record_row.html takes them, with what they wait for, asked at once for all."""
    waits = await keeper.waiting(records)
    return [record.as_dict() | {"waits_for": waits.get(record.id)} for record in records]


async def act_on_chosen(request: Request) -> Response:
    """Ask whether to do it to those that are meant now, and then do it to exactly these."""
    async with request.form(max_files=0, max_fields=IDS_MOST + 20) as form:
        given = {name: [str(value) for value in form.getlist(name)] for name in form}
    if unknown := set(given) - {"command", "id", "to", "confirmed", *FILTERS}:
        raise Invalid(f"The form has no such field as {min(unknown)[:100]}.")
    one = {name: values[0] for name, values in given.items() if name != "id" and values[0]}
    action, _, scope = one.get("command", "").partition(" ")
    ids = given.get("id", [])
    if scope == "matching":
        ids = await _matching(request, {name: one[name] for name in FILTERS if name in one})
    if not ids:
        raise Invalid("No record is selected.", remedy="Tick some, or take all that match.")
    bulk = parse_model(Bulk, {"action": action, "ids": ids, "status": one.get("to") if action == "move" else None})
    keeper = keeper_of(request)
    is_done = "confirmed" in one
    acted = await act_on_many(request, bulk) if is_done else []
    named = [] if is_done else [await keeper.get(name) for name in ids[:CODES_NAMED]]
    return templates(request).page(
        "pages/records_bulk.html",
        viewer=viewer(request),
        bulk=bulk,
        named=[record.code for record in named],
        is_done=is_done,
        done=[one for one in acted if one["error"] is None],
        refused=[one for one in acted if one["error"] is not None],
    )


async def _matching(request: Request, filters: dict[str, str]) -> list[str]:
    """Return the ids of those that match now, of very many the newest."""
    ids: list[str] = []
    cursor: str | None = None
    while len(ids) < IDS_MOST:
        page = await find(request, parse_model(RecordQuery, {**filters, "limit": LIMIT_MOST, "cursor": cursor}))
        ids += [record.id for record in page.items]
        if (cursor := page.next) is None:
            break
    return ids[:IDS_MOST]


def _ladder(request: Request, name: str | None) -> Ladder | None:
    ladders = keeper_of(request).ladders
    if name is None:
        return next(iter(ladders.values()), None)
    if name not in ladders:
        raise UnknownName(f"There is no ladder {name}.", remedy=f"There are: {', '.join(sorted(ladders))}.")
    return ladders[name]


def _climber(request: Request, ladder: str) -> str | None:
    """Return the daemon with the drop folder of a ladder, which has its name; None where it gets records otherwise."""
    deck = service(request)
    is_there = ladder in deck.registry.types and any(daemon.name == ladder for daemon in deck.board.all())
    return ladder if is_there and "drop_folder" in deck.registry.options_schema(ladder)["properties"] else None


def _statuses(request: Request, ladder: str | None) -> list[str]:
    ladders = keeper_of(request).ladders
    shown = [ladders[ladder]] if ladder in ladders else ladders.values()
    return list(dict.fromkeys(status for one in shown for status in one.statuses))


async def _columns(request: Request, ladder: Ladder, *, with_complete: bool) -> list[dict[str, Any]]:
    """Return the columns with their cards: those that wait for a person first, the others in the ladder's order."""
    columns = sorted(await columns_of(request, ladder), key=lambda column: not column["is_awaiting"])

    async def cards(column: dict[str, Any]) -> dict[str, Any]:
        folded = column["complete"] == column["total"] > 0 and not with_complete
        oldest = []
        if column["total"] and not folded:
            oldest = [*await keeper_of(request).oldest(ladder.name, column["status"], CARDS)]
        return {**column, "is_folded": folded, "records": oldest}

    filled = list(await asyncio.gather(*map(cards, columns)))
    rows = await drawn(keeper_of(request), [record for column in filled for record in column["records"]])
    by_id = {row["id"]: row for row in rows}
    return [{**column, "records": [by_id[record.id] for record in column["records"]]} for column in filled]


FORMS = [Form("/records/bulk", act_on_chosen, "POST /api/records/bulk")]
ROUTES = [
    Route("/records", show_board),
    Route("/records/table", show_table),
    Route("/records/figures", show_figures),
    *(form.route() for form in FORMS),
]
