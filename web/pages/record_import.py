"""The page on which a file of records is chosen, looked through and taken in."""

from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from daemons.errors import Invalid
from daemons.workflows.polling.keeper import OWN_COLUMNS, kind_of
from web.api.record_fields import fields_of_forms
from web.api.record_import import bring_in
from web.api.records import keeper_of
from web.context import templates, viewer
from web.pages.forms import Form
from web.pages.records import BoardQuery
from web.parsing import read_query
from web.words import _

LADDER_CHARACTERS = 63


async def show_form(request: Request) -> Response:
    asked = read_query(request, BoardQuery, from_form=True)
    return _page(request, asked.ladder or "")


async def take_in(request: Request) -> Response:
    """Take in the file, or only tell what would become of it; what is no such file is told beside the form."""
    # Elsewhere forms take no files. This one is as small as any body, so it stays in memory and leaves nothing behind.
    async with request.form(max_files=1, max_fields=4) as form:
        given = dict(form)
        if (unknown := set(given) - {"file", "ladder", "command"}) or len(given) < len(form.multi_items()):
            name = min(unknown, default="one of its fields")
            raise Invalid(f"The form has no such field as {name[:100]}, or it is there twice.")
        file, ladder, command = given.get("file"), str(given.get("ladder", "")), given.get("command", "import")
        if not isinstance(file, UploadFile) or command not in ("import", "look"):
            raise Invalid("The form has to hold a file, and import or look.")
        name, data = file.filename or "", await file.read()
    dry_run = command == "look"
    try:
        if not data:
            raise Invalid(_("No file was chosen, or there is nothing in it."))
        imported = await bring_in(request, data, kind_of(name, data), ladder or None, dry_run=dry_run)
    except Invalid as error:
        return _page(request, ladder, problem=error, status=422)
    return _page(request, ladder, result=imported.as_dict(), name=name, is_done=not dry_run)


def _page(request: Request, ladder: str, *, status: int = 200, **more: Any) -> Response:
    ladders = keeper_of(request).ladders
    told = {"problem": None, "result": None, "name": "", "is_done": False, **more}
    return templates(request).page(
        "pages/records_import.html",
        status,
        viewer=viewer(request),
        ladders=list(ladders.values()),
        ladder=ladder if ladder in ladders else "",
        columns=OWN_COLUMNS,
        fields=list(fields_of_forms(ladders.get(ladder))),
        **told,
    )


FORMS = [Form("/records/import", take_in, "POST /api/records/import")]
ROUTES = [Route("/records/import", show_form), *(form.route() for form in FORMS)]
