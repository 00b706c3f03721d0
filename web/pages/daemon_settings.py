"""The settings of a daemon: a form, a look at what would change, and the change."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from daemons.errors import Invalid, UnknownName
from daemons.roster import StaleConfiguration
from daemons.values import Daemon
from web.context import service
from web.pages.daemon import daemon_of, tab
from web.pages.forms import Form, ask_first, back_to
from web.parsing import NoQuery, read_form, read_query
from web.settings_forms import OptionsForm
from web.words import _

STEPS = ("review", "edit", "save")
SWITCHES = ("enabled", "auto_start", "vital")


async def show_settings(request: Request) -> Response:
    read_query(request, NoQuery)
    daemon = daemon_of(request)
    try:
        return _form(request, daemon, _options(request, daemon))
    except UnknownName as error:
        return tab(request, "settings", daemon, fields=None, problem=error.message)


async def change_settings(request: Request) -> Response:
    """Show what the form would change, or change it; what is wrong is shown beside its field."""
    daemon = daemon_of(request)
    options = _options(request, daemon)
    posted = await read_form(request, names=["step", "revision", *options.input_names()])
    step, revision = posted.get("step", "review"), _revision(posted.get("revision", ""))
    if step not in STEPS:
        raise Invalid("The form has no such step.")
    if revision != daemon.row.configuration_revision:
        return _stale(request, daemon, options, posted)
    read = options.read(posted)
    if read.errors:
        problem = _("Something in the form has to be corrected.")
        return _form(request, daemon, options, posted, errors=read.errors, problem=problem, status=422)
    if step == "edit":
        return _form(request, daemon, options, posted, is_still=True)
    changes = options.changes(read.value)
    if step == "save" or not changes:
        return await _save(request, daemon, options, posted, read.value)
    secrets = [change.name for change in changes if change.name in daemon.row.secret_options]
    shown = {name: text for name, text in posted.items() if name.removeprefix("field.") not in secrets}
    return tab(
        request,
        "settings",
        daemon,
        step="_review",
        changes=changes,
        posted={name: text for name, text in shown.items() if name != "step"},
        secrets=options.secrets(secrets),
        is_still=True,
    )


async def switch(request: Request) -> Response:
    daemon = daemon_of(request)
    ticked = await read_form(request, names=SWITCHES)
    await service(request).edit_daemon(
        daemon.name, enabled="enabled" in ticked, auto_start="auto_start" in ticked, vital="vital" in ticked
    )
    return back_to(request, f"/daemons/{daemon.name}/settings")


async def show_removal(request: Request) -> Response:
    """What goes with the daemon, or why it has to stay for now."""
    read_query(request, NoQuery)
    daemon = daemon_of(request)
    title, back = f"{_('Remove')} {daemon.name}", (f"/daemons/{daemon.name}", daemon.name)
    if stands := service(request).roster.why_it_stays(daemon.row):
        return ask_first(request, "daemons", title, f"{stands.message} {stands.remedy}", None, back=back)
    what = _("Its settings, its log and its history go. Its jobs and what they made stay.")
    return ask_first(request, "daemons", title, what, _("Remove"), back=back)


async def remove(request: Request) -> Response:
    await service(request).roster.remove(daemon_of(request).name)
    return back_to(request, "/daemons")


async def _save(
    request: Request, daemon: Daemon, options: OptionsForm, posted: dict[str, str], value: dict[str, Any]
) -> Response:
    try:
        if options.changes(value):
            await service(request).edit_daemon(
                daemon.name,
                configuration=options.configuration(value),
                configuration_revision=daemon.row.configuration_revision,
            )
    except StaleConfiguration:
        fresh = daemon_of(request)
        return _stale(request, fresh, _options(request, fresh), posted)
    return back_to(request, f"/daemons/{daemon.name}/settings")


def _stale(request: Request, daemon: Daemon, options: OptionsForm, posted: dict[str, str]) -> Response:
    """Show both values of all that differs; what was typed stands in the form, to be saved over the other's change."""
    read = options.read(posted)
    return _form(
        request,
        daemon,
        options,
        posted,
        errors=read.errors,
        problem=_("Somebody else changed these settings meanwhile. Below is what differs from what you typed."),
        theirs=options.changes(read.value),
        status=409,
    )


def _form(
    request: Request,
    daemon: Daemon,
    options: OptionsForm,
    posted: dict[str, str] | None = None,
    *,
    errors: dict[str, str] | None = None,
    status: int = 200,
    **context: Any,
) -> Response:
    given: dict[str, Any] = {"problem": None, "theirs": (), "locked": options.locked, **context}
    fields = options.fields(posted, errors)
    return tab(request, "settings", daemon, status=status, fields=fields, **given)


def _options(request: Request, daemon: Daemon) -> OptionsForm:
    deck = service(request)
    return OptionsForm(deck.registry, daemon.row, deck.settings)


def _revision(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise Invalid("The form does not say on which revision it was made.")
    return int(text)


FORMS = [
    Form("/daemons/{name}/settings", change_settings, "PATCH /api/daemons/{name}"),
    Form("/daemons/{name}/remove", remove, "DELETE /api/daemons/{name}"),
    Form("/daemons/{name}/switches", switch, "PATCH /api/daemons/{name}"),
]
ROUTES = [
    Route("/daemons/{name}/settings", show_settings),
    Route("/daemons/{name}/remove", show_removal),
    *(form.route() for form in FORMS),
]
