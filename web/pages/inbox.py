"""The pages of what daemons and jobs ask people, and their buttons."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from daemons.errors import Invalid
from daemons.questions import Question
from web.answers import choices_of
from web.api.inbox import QuestionQuery, find
from web.api.records import RecordQuery, keeper_of
from web.api.records import find as find_records
from web.context import service, templates, viewer
from web.pages.forms import Form, back_to
from web.pages.records import drawn
from web.parsing import read_form, read_query
from web.schema_forms import Field, fields_of, input_names, read_fields
from web.words import _

ENDED_SHOWN = 20
RECORDS_SHOWN = 10


async def show_inbox(request: Request) -> Response:
    query = read_query(request, QuestionQuery)
    page = await find(request, query)
    ended = await service(request).questions.list(is_open=False, limit=ENDED_SHOWN)
    is_top = query.state == "open" and not query.cursor
    return templates(request).page(
        "pages/inbox.html",
        viewer=viewer(request),
        questions=page.items,
        next=page.next,
        ended=ended.items if is_top else [],
        records=await _waiting_records(request) if is_top else [],
        filters={name: value for name, value in request.query_params.items() if value},
    )


async def _waiting_records(request: Request) -> list[dict[str, Any]]:
    found = await find_records(request, RecordQuery(state="awaiting", limit=RECORDS_SHOWN))
    return await drawn(keeper_of(request), found.items)


async def show_question(request: Request) -> Response:
    question = await service(request).questions.get(request.path_params["id"])
    return _page(request, question, fields_of(question.form, question.suggestion))


async def answer(request: Request) -> Response:
    """Answer with the form; what is wrong is shown beside its field, with all that was typed."""
    question = await service(request).questions.get(request.path_params["id"])
    posted = await read_form(request, names=input_names(question.form))
    read = read_fields(question.form, posted)
    problem = None
    if not read.errors:
        try:
            await service(request).questions.answer(question.id, read.value, who=viewer(request).name)
            return back_to(request, "/inbox")
        except Invalid as error:
            problem = error.message
    fields = fields_of(question.form, posted=posted, errors=read.errors)
    return _page(request, question, fields, problem or _("Something in the form has to be corrected."), 422)


async def choose(request: Request) -> Response:
    """Answer with one of the few choices of a question; it is named by its place."""
    question = await service(request).questions.get(request.path_params["id"])
    form = await read_form(request, names=["choice"])
    await service(request).questions.answer(
        question.id, _chosen(question, form.get("choice", "")), who=viewer(request).name
    )
    return back_to(request, "/inbox")


def _page(
    request: Request, question: Question, fields: list[Field], problem: str | None = None, status: int = 200
) -> Response:
    return templates(request).page(
        "pages/question.html", status, viewer=viewer(request), question=question, fields=fields, problem=problem
    )


def _chosen(question: Question, place: str) -> dict[str, Any]:
    found = choices_of(question.form)
    if found is None:
        raise Invalid("This question has no choices to press; fill its form in.")
    name, choices = found
    if not (place.isascii() and place.isdecimal() and int(place[:3]) < len(choices)):
        raise Invalid("That is none of the choices.")
    return {name: choices[int(place)].value}


FORMS = [
    Form("/inbox/{id}", answer, "POST /api/questions/{id}/answer"),
    Form("/inbox/{id}/choose", choose, "POST /api/questions/{id}/answer"),
]
ROUTES = [Route("/inbox", show_inbox), Route("/inbox/{id}", show_question), *(form.route() for form in FORMS)]
