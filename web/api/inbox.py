"""Calls about what daemons and jobs ask people."""

from typing import Any

from pydantic import AwareDatetime, Field
from starlette.requests import Request
from starlette.responses import Response

from daemons.errors import Invalid, NotFound
from daemons.questions import Question, QuestionState
from daemons.values import Page
from web.api import shapes
from web.api.calls import Call
from web.api.paging import ListQuery, cursor_of, place_of
from web.context import service, viewer
from web.encoding import JsonResponse, Listing
from web.parsing import Body


class QuestionQuery(ListQuery):
    """Which questions to list, newest first."""

    state: str = Field("open", pattern="^(open|ended|all)$", description="open, ended or all.")


class Answer(Body):
    """An answer; what it may hold is described by the question's form."""

    answer: Any


class QuestionShape(shapes.Shape):
    """What somebody should answer; `form` is the JSON schema of the answer."""

    id: str
    daemon_id: str | None
    daemon_name: str | None
    job_id: str | None
    name: str
    title: str
    detail: str | None
    form: dict[str, Any]
    suggestion: Any
    fallback: Any
    deadline: AwareDatetime | None
    state: QuestionState
    answer: Any
    answered_by: str | None
    answered_at: AwareDatetime | None
    created_at: AwareDatetime


class QuestionPage(shapes.Shape):
    items: list[QuestionShape]
    next: str | None


async def find(request: Request, query: QuestionQuery) -> Page:
    """Return the page of questions that `query` asks for; its `next` is a cursor."""
    is_open = {"open": True, "ended": False, "all": None}[query.state]
    before = await _last_seen(request, query.cursor) if query.cursor else None
    page = await service(request).questions.list(is_open=is_open, before=before, limit=query.limit)
    return Page(page.items, cursor_of(page.next) if page.next else None)


async def _last_seen(request: Request, cursor: str) -> Question:
    try:
        return await service(request).questions.get(place_of(cursor))
    except NotFound:
        raise Invalid(
            "The cursor is not one that this list gave.", remedy="Begin again without a cursor.", code="ERR_BAD_CURSOR"
        ) from None


async def list_questions(request: Request, query: QuestionQuery) -> Response:
    page = await find(request, query)
    return Listing([question.as_dict() for question in page.items], page.next)


async def get_question(request: Request) -> Response:
    return JsonResponse((await service(request).questions.get(request.path_params["id"])).as_dict())


async def answer_question(request: Request, body: Answer) -> Response:
    questions = service(request).questions
    question = await questions.answer(request.path_params["id"], body.answer, who=viewer(request).name)
    return JsonResponse(question.as_dict())


_ONE = "/api/questions/{id}"
CALLS = [
    Call(
        "GET",
        "/api/questions",
        list_questions,
        "What daemons and jobs ask people, newest first.",
        QuestionPage,
        command="daemondeck inbox ls",
    ),
    Call("GET", _ONE, get_question, "One question with its form.", QuestionShape, command="daemondeck inbox get {id}"),
    Call(
        "POST",
        _ONE + "/answer",
        answer_question,
        "Answer; whoever asked goes on at once.",
        QuestionShape,
        command="daemondeck inbox answer {id}",
    ),
]
