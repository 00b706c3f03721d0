"""Every button has its call, every call its command: pages, API and command line are equals."""

import importlib
import pkgutil
import re

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

import web.pages
from daemons.access import Role
from tests.cli.command_lines import parse
from web.api.calls import Call
from web.api.openapi import document
from web.app import CALLS
from web.pages.forms import Form

NO_COMMAND = {
    "GET /healthz": "asked by what watches the process; `daemondeck doctor` tells people more",
    "GET /readyz": "asked by what watches the process; `daemondeck doctor` tells people more",
    "GET /metrics": "asked by Prometheus",
    "GET /api/jobs/news": "asked by the list of jobs while it is looked at; commands have `daemondeck events`",
    "GET /api/ladders/{name}/news": "asked by `daemondeck autolog` while it looks on",
    "GET /api/openapi.json": "for programs that write programs",
    "GET /api/descriptions/{id}/thumbnail": "for pages; whoever is at a terminal has the file",
    "GET /api/descriptions/{id}/image": "for pages; whoever is at a terminal has the file",
    "GET /api/records/{id}/thumbnail": "for pages; whoever is at a terminal has the file",
    "POST /api/events/ticket": "for pages of other programs; commands send a header",
    "POST /api/me/password": "asks a person for the old one; `daemondeck user reset-password` is for the host",
    "POST /api/me/sessions/end-others": "about browsers; commands have no session",
    "DELETE /api/me/sessions/{id}": "about browsers; commands have no session",
}
"""Calls without a command line, and why."""
NO_CALL = {
    "/signin": "makes a session of a browser; programs have tokens",
    "/appearance": "is the browser's own affair: a cookie",
    "/signout": "ends a session of a browser; programs have tokens",
    "/welcome/end": "ends the first steps of a person at a browser",
}
"""Buttons without a call, and why."""
OWN_AFFAIRS = {
    "POST /api/events/ticket",
    "POST /api/me/password",
    "POST /api/me/sessions/end-others",
    "DELETE /api/me/sessions/{id}",
}
"""What also a viewer may do: it concerns nobody else."""
OPEN = ("/healthz", "/readyz", "/metrics")


def forms() -> list[Form]:
    """Return every form that a module of pages declares."""
    found_forms: list[Form] = []
    for found in pkgutil.iter_modules(web.pages.__path__):
        found_forms += getattr(importlib.import_module(f"web.pages.{found.name}"), "FORMS", ())
    return found_forms


def told(call: Call) -> str:
    return f"{call.method} {call.path}"


BY_NAME = {told(call): call for call in CALLS}


def test_every_button_is_a_form(app: Starlette) -> None:
    buttons = {route.path for route in app.routes if isinstance(route, Route) and "POST" in (route.methods or ())}
    declared = {form.path for form in forms()} | set(NO_CALL)

    assert {path for path in buttons if not path.startswith("/api/")} <= declared


@pytest.mark.parametrize("form", forms(), ids=lambda form: form.path)
def test_every_button_has_its_call_for_the_same_people(form: Form) -> None:
    if form.path in NO_CALL:
        return
    assert form.call in BY_NAME, f"{form.path} names {form.call}, which is no call"
    assert BY_NAME[form.call].role is form.needs


@pytest.mark.parametrize("call", CALLS, ids=told)
def test_every_call_has_a_command_line_that_can_be_typed(call: Call) -> None:
    if told(call) in NO_COMMAND:
        assert call.command is None, f"{told(call)} has a command; take it off the list of exceptions"
        return
    assert call.command is not None, f"{told(call)} has no command line; give it one, or a reason"
    parse(re.sub(r"{\w+}", "1", call.command))
    # What the command names by {…} is of the call, so that a page can fill it in.
    of_path = set(re.findall(r"{(\w+)}", call.path))
    assert of_path <= set(re.findall(r"{(\w+)}", call.command)), f"{call.command} does not say which"


def test_every_call_of_the_schema_is_served_and_the_reverse(app: Starlette) -> None:
    served = {
        f"{method} {route.path}"
        for route in app.routes
        if isinstance(route, Route) and (route.path.startswith("/api/") or route.path in OPEN)
        for method in (route.methods or set()) - {"HEAD"}
    }
    promised = {f"{method.upper()} {path}" for path, calls in document(CALLS, "1")["paths"].items() for method in calls}

    assert served == promised == set(BY_NAME)


def test_no_exception_outlives_its_reason() -> None:
    assert set(NO_COMMAND) <= set(BY_NAME)
    assert {form.path for form in forms() if form.call is None} <= set(NO_CALL)


def test_looking_needs_less_than_changing() -> None:
    careless = {told(call) for call in CALLS if call.method != "GET" and call.role is Role.VIEWER}

    assert careless == OWN_AFFAIRS
