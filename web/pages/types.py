"""What kinds of daemon there are, and a form that adds one of a kind."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from daemons.errors import DaemonError, NotFound
from daemons.registry import DaemonType
from web.context import service, tell_target, templates, viewer
from web.pages.forms import Form, back_to
from web.parsing import NoQuery, read_form, read_query
from web.schema_forms import fields_of, input_names, read_fields
from web.settings_forms import by_option

SWITCHES = ("start", "auto_start")
_NAME_CODES = ("ERR_INVALID_NAME", "ERR_NAME_TAKEN")


async def show_types(request: Request) -> Response:
    read_query(request, NoQuery)
    deck = service(request)
    types = sorted(deck.registry.types.values(), key=lambda known: known.title)
    taken = [daemon.row.type for daemon in deck.board.all()]
    counts = {known.name: taken.count(known.name) for known in types}
    return templates(request).page("pages/types.html", viewer=viewer(request), types=types, counts=counts)


async def show_form(request: Request) -> Response:
    read_query(request, NoQuery)
    return _form(request, _type(request), {"start": "true"})


async def add(request: Request) -> Response:
    """Add a daemon of the kind, and start it if that is ticked; what is wrong is shown beside its field."""
    deck, known = service(request), _type(request)
    schema: dict[str, Any] = deck.registry.options_schema(known.name)
    typed = await read_form(request, names=["name", *SWITCHES, *input_names(schema)])
    name = typed.get("name", "").strip()
    tell_target(request, name)
    read = read_fields(schema, typed)
    if read.errors:
        return _form(request, known, typed, read.errors)
    defaults = {field: one.get("default") for field, one in schema.get("properties", {}).items()}
    chosen = {field: value for field, value in read.value.items() if value != defaults.get(field)}
    try:
        await deck.add_daemon(known.name, name, chosen, auto_start="auto_start" in typed)
    except DaemonError as error:
        if error.error_code in _NAME_CODES:
            return _form(request, known, typed, {"name": f"{error.message} {error.remedy or ''}".strip()})
        return _form(request, known, typed, by_option(error, schema.get("properties", {})))
    if "start" in typed:
        await deck.roster.start(name)
    return back_to(request, f"/daemons/{name}")


def _form(
    request: Request, known: DaemonType, typed: Mapping[str, str], errors: Mapping[str, str] | None = None
) -> Response:
    schema: dict[str, Any] = service(request).registry.options_schema(known.name)
    posted = typed if errors is not None else None
    return templates(request).page(
        "pages/new_daemon.html",
        422 if errors else 200,
        viewer=viewer(request),
        type=known,
        typed=typed,
        errors=errors or {},
        fields=fields_of(schema, posted=posted, errors=errors),
    )


def _type(request: Request) -> DaemonType:
    name = request.path_params["type"]
    known = service(request).registry.types.get(name)
    if known is None:
        raise NotFound(f"There is no kind of daemon called {name[:100]}.", remedy="The page of kinds lists them.")
    return known


FORMS = [Form("/types/{type}", add, "POST /api/daemons")]
ROUTES = [Route("/types", show_types), Route("/types/{type}", show_form), *(form.route() for form in FORMS)]
