"""What daemons and jobs ask, by call: listed, answered once, refused with the field's name, told on the socket."""

import json

import httpx2
import pytest

from daemons.events import ItemChanged
from daemons.questions import TOPIC
from daemons.service import Service
from tests.web.served import Served, next_frame
from tests.web.toy_ladder import ASKING, add_toys
from web.api.inbox import QuestionPage, QuestionShape


async def ask(service: Service) -> str:
    """Have a job ask; return the question's id."""
    # Figures and health change as items too.
    with service.bus.subscribe(lambda event: isinstance(event, ItemChanged) and event.topic == TOPIC) as mailbox:
        await service.orders.create("ask")
        [event] = await mailbox.take()
    assert isinstance(event, ItemChanged)
    return event.id


async def test_a_question_is_listed_and_answered_and_the_job_goes_on(
    program: httpx2.AsyncClient, service: Service
) -> None:
    question_id = await ask(service)
    listed = (await program.get("/api/questions")).json()
    QuestionPage.model_validate(listed)
    assert [(item["id"], item["state"]) for item in listed["items"]] == [(question_id, "open")]

    answered = await program.post(f"/api/questions/{question_id}/answer", json={"answer": {"shelf": "keep"}})

    assert answered.status_code == 200
    assert QuestionShape.model_validate(answered.json()).answered_by == "owner"
    job = await service.orders.wait(answered.json()["job_id"])
    assert job.result == {"shelf": "keep"}
    assert (await program.get("/api/questions")).json()["items"] == []
    assert len((await program.get("/api/questions?state=ended")).json()["items"]) == 1


async def test_the_second_answer_is_refused_by_name(program: httpx2.AsyncClient, service: Service) -> None:
    path = f"/api/questions/{await ask(service)}/answer"
    await program.post(path, json={"answer": {"shelf": "keep"}})

    refused = await program.post(path, json={"answer": {"shelf": "throw away"}})

    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "ERR_ALREADY_ANSWERED")


@pytest.mark.parametrize("answer", [None, {}, {"shelf": "<script>"}, {"shelf": 1}, ["keep"], "x" * 100_000])
async def test_an_answer_that_does_not_fit_is_refused(
    program: httpx2.AsyncClient, service: Service, answer: object
) -> None:
    refused = await program.post(f"/api/questions/{await ask(service)}/answer", json={"answer": answer})

    assert (refused.status_code, refused.json()["error"]["code"]) in {
        (422, "ERR_INVALID_ANSWER"),
        (422, "ERR_TOO_LARGE"),
    }


async def test_a_viewer_reads_and_does_not_answer(onlooker: httpx2.AsyncClient, service: Service) -> None:
    question_id = await ask(service)

    refused = await onlooker.post(f"/api/questions/{question_id}/answer", json={"answer": {"shelf": "keep"}})

    assert (await onlooker.get(f"/api/questions/{question_id}")).status_code == 200
    assert refused.status_code == 403


@pytest.mark.parametrize("query", ["state=sleeping", "cursor=nonsense", "cursor=bm9uc2Vuc2U=", "limit=0", "colour=red"])
async def test_a_wrong_question_about_questions_is_refused(program: httpx2.AsyncClient, query: str) -> None:
    assert (await program.get(f"/api/questions?{query}")).status_code == 422


async def test_a_question_that_is_not_there_is_not_found(program: httpx2.AsyncClient) -> None:
    assert (await program.get("/api/questions/nothing")).status_code == 404
    assert (await program.post("/api/questions/nothing/answer", json={"answer": {}})).status_code == 404


async def test_sockets_hear_of_questions(served: Served) -> None:
    async with served.client("/api/events?topics=questions") as connection:
        await next_frame(connection, lambda frame: frame["type"] == "heartbeat")
        question_id = await ask(served.service)

        frame = await next_frame(connection, lambda frame: frame["topic"] == "questions")

    assert (frame["data"]["id"], frame["data"]["state"]) == (question_id, "open"), json.dumps(frame)


async def test_the_page_lists_questions_and_a_press_answers(browser: httpx2.AsyncClient, service: Service) -> None:
    question_id = await ask(service)
    assert "Where does it belong?" in (await browser.get("/inbox")).text

    answered = await browser.post(f"/inbox/{question_id}/choose", data={"choice": "1"})

    assert (answered.status_code, answered.headers["location"]) == (303, "/inbox")
    assert (await service.questions.get(question_id)).answer == {"shelf": "throw away"}
    assert "Nobody asks anything now" in (await browser.get("/inbox")).text


async def test_records_that_wait_for_a_person_stand_below_the_questions(
    browser: httpx2.AsyncClient, service: Service
) -> None:
    await add_toys(service, "harbour")
    await add_toys(service, "barn", status=ASKING)

    shown = (await browser.get("/inbox")).text
    await ask(service)

    assert "Nobody asks anything now" not in shown
    assert "Records that wait for a person: 1" in shown
    assert ("TO0001" in shown, ">TO0002</a>" in shown) == (False, True)
    assert 'href="/records/table?state=awaiting"' in shown
    both = (await browser.get("/inbox")).text
    assert both.index("Where does it belong?") < both.index("TO0002")
    assert "TO0002" not in (await browser.get("/inbox?state=ended")).text


@pytest.mark.parametrize("choice", ["2", "-1", "", "١", "keep", "9" * 5_000])
async def test_a_choice_that_is_none_is_refused(browser: httpx2.AsyncClient, service: Service, choice: str) -> None:
    question_id = await ask(service)

    assert (await browser.post(f"/inbox/{question_id}/choose", data={"choice": choice})).status_code == 422
    assert (await service.questions.get(question_id)).is_open


async def test_a_form_is_filled_in_without_scripts_and_keeps_what_was_typed(
    browser: httpx2.AsyncClient, service: Service
) -> None:
    question_id = await ask(service)
    assert 'name="field.shelf"' in (await browser.get(f"/inbox/{question_id}")).text

    wrong = await browser.post(f"/inbox/{question_id}", data={"field.shelf": "<script>elsewhere"})
    right = await browser.post(f"/inbox/{question_id}", data={"field.shelf": "keep"})
    late = await browser.post(f"/inbox/{question_id}", data={"field.shelf": "throw away"})

    assert (wrong.status_code, "Choose one of" in wrong.text, "<script>elsewhere" in wrong.text) == (422, True, False)
    assert right.status_code == 303
    assert (late.status_code, "owner answered this already" in late.text) == (409, True)


async def test_an_onlooker_sees_no_form_and_is_refused(onlooker: httpx2.AsyncClient, service: Service) -> None:
    question_id = await ask(service)

    assert "<textarea" not in (page := (await onlooker.get(f"/inbox/{question_id}")).text)
    assert 'class="schema-form"' not in page
    assert (await onlooker.post(f"/inbox/{question_id}", data={"field.shelf": "keep"})).status_code == 403
