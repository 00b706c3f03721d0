"""The page of one record, its form, and the buttons that move it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from daemons.errors import Conflict, DaemonError, Invalid
from daemons.workflows.polling.keeper import (
    Ladder,
    Record,
    RecordFilter,
    RecordKeeper,
    StaleRecord,
    UnknownRecord,
    nothing_to_compare,
)
from web.api.record_changes import Move, act, write
from web.api.record_fields import EMPTY, FieldsRefused
from web.api.records import form_for, keeper_of, record_of, shown
from web.context import templates, viewer
from web.pages.forms import Form, back_to
from web.pages.log_part import ShortLogQuery, log_shown
from web.pages.record_offers import Offer, choosing, fill, offers_of
from web.pages.records import drawn
from web.parsing import parse_model, read_form, read_query
from web.record_facts import by_origin, facts_of
from web.schema_forms import Field, fields_of, input_names, read_fields
from web.words import _

CHILDREN_SHOWN = 50
NEXT_AMONG = 50


async def show_record(request: Request) -> Response:
    query = read_query(request, ShortLogQuery)
    keeper, record = keeper_of(request), await record_of(request)
    ladder = keeper.ladders.get(record.ladder)
    below = await keeper.list(RecordFilter(parent_id=record.id), limit=CHILDREN_SHOWN)
    step = ladder.next_step(record) if ladder is not None else None
    waits = (await keeper.waiting([record])).get(record.id)
    return templates(request).page(
        "pages/record.html",
        viewer=viewer(request),
        record=shown(request, record, waits),
        waits=waits,
        origins=by_origin(facts_of(record.fields, record.provenance)),
        ladder=ladder,
        story=[one.as_dict() for one in await keeper.story(record)],
        titles=_titles(ladder),
        step=step,
        parent=await _parent(keeper, record),
        children=await drawn(keeper, below.items),
        has_more=below.next is not None,
        incomparable=None if record.fields.get("embedding") else nothing_to_compare(record, ladder),
        **await log_shown(request, query, item_id=record.id),
    )


def _titles(ladder: Ladder | None) -> dict[str, str]:
    """Return how people call the steps."""
    return {one.name: one.title for one in ladder.steps} if ladder is not None else {}


async def _parent(keeper: RecordKeeper, record: Record) -> Record | None:
    """Return the record above this one; None also where it is gone, of which this one tells all the same."""
    try:
        return await keeper.get(record.parent_id) if record.parent_id else None
    except UnknownRecord:
        return None


async def show_form(request: Request) -> Response:
    record = await record_of(request)
    schema = form_for(request, record).model_json_schema()
    return await _form_page(request, record, fields_of(schema, record.fields))


async def save(request: Request) -> Response:
    """Take what was typed, and lead on; whatever is refused is shown beside all that was typed.

    Where a suggestion was chosen, it is only put into its field.
    """
    record = await record_of(request)
    schema = form_for(request, record).model_json_schema()
    inputs = input_names(schema)
    posted = await read_form(request, names=[*inputs, *map(choosing, inputs), "revision", "next"])
    if any(choosing(name) in posted for name in inputs):
        return await _with_chosen(request, record, schema, posted)
    read = read_fields(schema, posted)
    problem: DaemonError | None = None
    errors, revision = read.errors, posted.get("revision", "")
    if not errors:
        try:
            await write(request, record, read.value, int(revision) if revision.isdecimal() else None)
            return back_to(request, await _way_on(request, record) if "next" in posted else f"/records/{record.id}")
        except FieldsRefused as error:
            errors = dict(error.problems)
        except (Conflict, Invalid) as error:
            problem = error
    if errors:
        problem = Invalid(_("Something in the form has to be corrected."))
    now = await record_of(request)
    fields = fields_of(schema, posted=posted, errors=errors)
    changed = _changed(schema, now, read.value) if isinstance(problem, StaleRecord) else []
    status = 409 if isinstance(problem, Conflict) else 422
    return await _form_page(request, now, fields, problem=problem, changed=changed, status=status)


async def _with_chosen(
    request: Request, record: Record, schema: Mapping[str, Any], posted: Mapping[str, str]
) -> Response:
    fields, formers = list[Field](), dict[str, Offer]()
    for field in fields_of(schema, posted=posted):
        chosen = posted.get(choosing(field.input_name))
        filled, former = (field, None) if chosen is None else fill(field, chosen)
        fields.append(filled)
        if former is not None:
            formers[field.name] = former
    return await _form_page(request, record, fields, formers=formers, revision=posted.get("revision"))


async def move(request: Request) -> Response:
    record = await record_of(request)
    form = await read_form(request, names=["status", "note"])
    body = parse_model(Move, {name: value for name, value in form.items() if value})
    await keeper_of(request).move(record.id, body.status, who=viewer(request).name, note=body.note)
    return back_to(request, f"/records/{record.id}")


def _acting(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def acting(request: Request) -> Response:
        await read_form(request, names=())
        return back_to(request, f"/records/{(await act(request, name)).id}")

    return acting


def _ladder(request: Request, record: Record) -> Ladder | None:
    return keeper_of(request).ladders.get(record.ladder)


async def _way_on(request: Request, record: Record) -> str:
    """Return the form of the record that waits longest besides this one, else the board."""
    ladder = _ladder(request, record)
    if ladder is not None and ladder.awaiting is not None:
        keeper, me = keeper_of(request), viewer(request).name
        now = keeper.clock.now()
        for one in await keeper.oldest(ladder.name, ladder.awaiting, NEXT_AMONG):
            is_others = one.edited_until is not None and one.edited_until > now and one.edited_by != me
            if one.id != record.id and one.due_at is None and one.running_since is None and not is_others:
                return f"/records/{one.id}/form"
    return f"/records?ladder={record.ladder}"


def _changed(schema: Mapping[str, Any], record: Record, typed: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the label and the present value of each field that is not as it was typed."""
    labels = {field.name: field.label for field in fields_of(schema)}
    return [
        (labels[name], record.fields.get(name))
        for name, value in typed.items()
        if record.fields.get(name) != value and not (record.fields.get(name) in EMPTY and value in EMPTY)
    ]


async def _form_page(
    request: Request,
    record: Record,
    fields: list[Field],
    *,
    problem: DaemonError | None = None,
    changed: list[tuple[str, Any]] | None = None,
    status: int = 200,
    formers: Mapping[str, Offer] | None = None,
    revision: str | None = None,
) -> Response:
    ladder = _ladder(request, record)
    offers = offers_of(await keeper_of(request).suggestions(record, form_for(request, record)))
    for name, former in (formers or {}).items():
        offers.setdefault(name, []).insert(0, former)
    asked = {field.name for field in fields}
    return templates(request).page(
        "pages/record_form.html",
        status,
        viewer=viewer(request),
        record=shown(request, record, None),
        ladder=ladder,
        step=ladder.next_step(record) if ladder is not None else None,
        origins=by_origin(facts_of(record.fields, record.provenance, without=asked)),
        titles=_titles(ladder),
        fields=fields,
        offers=offers,
        # What was begun on an older record stays so: saving has to tell of what changed since.
        revision=revision if revision and revision.isdecimal() else record.revision,
        problem=problem,
        changed=changed or [],
    )


_ONE = "/records/{id}"
FORMS = [
    Form(_ONE + "/form", save, "PATCH /api/records/{id}"),
    Form(_ONE + "/move", move, "POST /api/records/{id}/move"),
    *(
        Form(f"{_ONE}/{name}", _acting(name), f"POST /api/records/{{id}}/{name}")
        for name in ("skip", "resume", "retry")
    ),
]
ROUTES = [Route(_ONE, show_record), Route(_ONE + "/form", show_form), *(form.route() for form in FORMS)]
