"""The connection test: what it finds out, with each key, and that no sick server makes it raise."""

import asyncio

import pytest

from tests.clients.bench import open_bench, until
from tests.fakes.openai_server import MODEL, Step, answers, chat, closes, error, floods, hangs

KEYS = ["sk-first-key-0001", "sk-second-key-0002"]


async def test_a_server_that_works_is_told_with_what_it_lists_and_says() -> None:
    async with open_bench() as bench:
        report = await bench.client.check()

        assert (report.works, report.model, report.models, report.said) == (True, MODEL, (MODEL,), "A red square.")
        assert report.problem is None and report.seconds is not None
        assert bench.client.last_report == report
        question = bench.server.questions[-1].body
        assert question["max_tokens"] <= 16


@pytest.mark.parametrize("models", [answers(500, b"<html>oops"), answers(404), answers(200, b"[NaN"), floods(None)])
async def test_the_list_of_models_is_not_relied_upon(models: Step) -> None:
    async with open_bench() as bench:
        bench.server.models = models

        report = await bench.client.check()

        assert report.works and report.models == () and report.models_problem


async def test_each_key_is_tried_and_a_good_one_taken_back() -> None:
    async with open_bench(api_keys=KEYS) as bench:
        bench.server.keys = {KEYS[1]}
        report = await bench.client.check()
        problems = [key.problem.code if key.problem else None for key in report.keys]
        assert report.works and problems == ["ERR_KEY_REFUSED", None]
        assert [key.problem.remedy for key in report.keys if key.problem and not key.problem.remedy] == []
        assert len(bench.client.findings()) == 1 and not [key for key in KEYS if key in str(report)]

        bench.server.keys = set(KEYS)
        report = await bench.client.check()
        assert [key.problem for key in report.keys] == [None, None] and bench.client.findings() == []


@pytest.mark.parametrize(
    ("step", "code", "word"),
    [
        (error(404, "model `x` not found"), "ERR_MODEL_UNKNOWN", "Choose a model"),
        (error(400, "this model cannot see"), "ERR_SERVER_REFUSES", "can see pictures"),
        (error(401, "who are you"), "ERR_KEY_WANTED", "vision.api_key"),
        (error(503, "Loading model"), "ERR_SERVER_BUSY", "Wait"),
        (answers(500, b"<html>"), "ERR_SERVER_FAILED", "log"),
        (answers(200, b'{"choices'), "ERR_BAD_ANSWER", "log"),
        (closes, "ERR_ANSWER_BROKEN_OFF", "log"),
        (floods(200_000_000), "ERR_ANSWER_TOO_LARGE", "log"),
    ],
)
async def test_what_is_wrong_is_named_with_what_to_do(step: Step, code: str, word: str) -> None:
    async with open_bench() as bench:
        bench.server.chat = lambda question: step

        report = await bench.client.check()

        assert report.problem is not None and not report.works
        assert report.problem.code == code and word in str(report.problem.remedy)


async def test_a_server_that_is_down_and_one_that_is_silent_are_told() -> None:
    async with open_bench(url="http://127.0.0.1:1") as bench:
        report = await bench.client.check()
        assert report.problem is not None and report.problem.code == "ERR_SERVER_AWAY"
        assert "Connection refused" in str(report.models_problem)

    async with open_bench() as bench:
        bench.server.chat = lambda question: hangs
        testing = asyncio.create_task(bench.client.check())
        await until(lambda: len(bench.server.questions) == 2 and bench.server.at_work == 1)
        await bench.clock.advance(60)
        report = await testing
        assert report.problem is not None
        assert report.problem.code == "ERR_ANSWER_LATE" and "60 seconds" in report.problem.message


async def test_a_model_that_is_not_listed_is_named_beside_those_that_are() -> None:
    async with open_bench() as bench:
        report = await bench.client.check("nope")
        assert report.problem is not None and report.problem.code == "ERR_MODEL_UNKNOWN"
        assert str(report.problem.remedy).endswith(f"It lists: {MODEL}.")

    async with open_bench(model="") as bench:
        report = await bench.client.check()
        assert report.problem is not None and report.problem.remedy == f"Set vision.model: {MODEL}."


async def test_a_model_that_only_thinks_or_refuses_works_all_the_same() -> None:
    async with open_bench() as bench:
        bench.server.then(chat("<think>Blue"))

        report = await bench.client.check()

        assert report.works and report.said == "The model thought, but said nothing."
