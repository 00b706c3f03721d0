"""Describing by an OpenAI-compatible server, over a real socket: what it says, and every way in which it fails."""

import asyncio
from typing import Any

import pytest

from daemons.clients.asking import Answer, Ask
from daemons.clients.errors import ImageFailed, ImageRefused, NotConfigured, ServerAway, ServerBusy, ServerRefuses
from daemons.clients.vision import SLOW_SECONDS, TRIES_MOST, VisionClient
from daemons.settings.vision import VisionSettings
from tests.clients.bench import ASK, PICTURE, fails_for_pictures_only, open_bench, until
from tests.fake_clock import FakeClock
from tests.fakes.openai_server import (
    MODEL,
    Step,
    answers,
    breaks_off,
    chat,
    closes,
    completion,
    error,
    floods,
    hangs,
)

KEYS = ["sk-first-key-0001", "sk-second-key-0002"]
PAGE = b"<!doctype html><html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"

FAULTS: dict[str, tuple[Step, str]] = {
    "500 with a page": (answers(500, PAGE), "ERR_SERVER_FAILED"),
    "500": (error(500, "failed to decode image"), "ERR_SERVER_FAILED"),
    "502 with a page": (answers(502, PAGE), "ERR_SERVER_FAILED"),
    "504": (answers(504), "ERR_SERVER_FAILED"),
    "an error that is no error": (answers(200, {"error": "model crashed"}), "ERR_BAD_ANSWER"),
    "an error of the choice": (
        answers(200, {"choices": [{"error": {"message": "overloaded"}, "message": {"content": ""}}]}),
        "ERR_BAD_ANSWER",
    ),
    "a page": (answers(200, PAGE), "ERR_BAD_ANSWER"),
    "nothing": (answers(200), "ERR_BAD_ANSWER"),
    "truncated": (answers(200, b'{"choices": [{"message": {"content": "A re'), "ERR_BAD_ANSWER"),
    "a number": (answers(200, b"NaN"), "ERR_BAD_ANSWER"),
    "no choices": (answers(200, {"choices": []}), "ERR_BAD_ANSWER"),
    "wrong types": (answers(200, {"choices": {"0": {"message": "hello"}}}), "ERR_BAD_ANSWER"),
    "too deep": (answers(200, b"[" * 200_000), "ERR_BAD_ANSWER"),
    "no HTTP": (lambda q, r, w: _garbage(w), "ERR_ANSWER_BROKEN_OFF"),
    "closed": (closes, "ERR_ANSWER_BROKEN_OFF"),
    "closed in the middle": (breaks_off, "ERR_ANSWER_BROKEN_OFF"),
    "200 MB": (floods(200_000_000), "ERR_ANSWER_TOO_LARGE"),
    "endless": (floods(None), "ERR_ANSWER_TOO_LARGE"),
    "packed": (answers(200, b"\x1f\x8b", "Content-Encoding: gzip\r\n"), "ERR_ANSWER_PACKED"),
    "too long": (error(400, "maximum context length is 4096", "context_length_exceeded"), "ERR_SERVER_REFUSED_IMAGE"),
    "a detail": (answers(422, {"detail": [{"loc": ["body"], "msg": "bad image"}]}), "ERR_SERVER_REFUSED_IMAGE"),
    "413": (answers(413, PAGE), "ERR_SERVER_REFUSED_IMAGE"),
}
"""What may be the picture's fault, or the server's."""

SILENCES: dict[str, tuple[Step, str]] = {
    "refused": (chat(None, refusal="I cannot help with that."), "ERR_MODEL_REFUSED"),
    "filtered": (chat("", "content_filter"), "ERR_MODEL_REFUSED"),
    "flagged": (error(403, "flagged", 403, metadata={"flagged_input": "x"}), "ERR_MODEL_REFUSED"),
    "against a policy": (error(400, "no", "content_policy_violation"), "ERR_MODEL_REFUSED"),
    "empty": (chat(""), "ERR_MODEL_SAID_NOTHING"),
    "spaces": (chat(" \n\t "), "ERR_MODEL_SAID_NOTHING"),
    "null": (chat(None), "ERR_MODEL_SAID_NOTHING"),
    "cut before a word": (chat("", "length"), "ERR_ANSWER_CUT"),
    "only thought": (chat("", reasoning_content="The user wants"), "ERR_MODEL_ONLY_THOUGHT"),
    "only thought, aloud": (chat("<think>The user wants", "length"), "ERR_MODEL_ONLY_THOUGHT"),
}
"""What the model itself makes of a picture."""

REFUSALS: dict[str, tuple[Step, str]] = {
    "no such model": (error(404, "model `x` not found"), "ERR_MODEL_UNKNOWN"),
    "no such call": (answers(404, b"404 page not found"), "ERR_NO_SUCH_CALL"),
    "a key is wanted": (error(401, "You didn't provide an API key"), "ERR_KEY_WANTED"),
    "sent elsewhere": (answers(302, b"", "Location: http://169.254.169.254/\r\n"), "ERR_SERVER_REDIRECTS"),
}
"""What a person has to mend."""


async def _garbage(writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x15\x03\x01\x00\x02\x02\x46 this is no HTTP\r\n\r\n")
    await writer.drain()
    writer.close()


async def test_a_picture_is_described() -> None:
    async with open_bench() as bench:
        answer = await bench.describe()

        (question,) = bench.server.questions
        body = question.body
        assert answer == Answer("A red square.", MODEL, "stop", 300, 7, answer.seconds)
        assert (question.jpeg, question.key) == (PICTURE, None)
        assert (body["model"], body["max_tokens"], body["temperature"], body["stream"]) == (MODEL, 64, 0.2, False)
        assert body["messages"][0]["content"][0] == {"type": "text", "text": ASK.prompt}
        assert bench.told == []


async def test_an_answer_that_was_cut_is_an_answer_that_says_so() -> None:
    async with open_bench() as bench:
        bench.server.then(chat("A red squ", "length"))

        assert (await bench.describe()).finish == "length"


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_with_one_picture_costs_that_picture(fault: str) -> None:
    step, code = FAULTS[fault]
    async with open_bench() as bench:
        bench.server.chat = fails_for_pictures_only(step)

        failed = await bench.failure()

        assert (type(failed), failed.error_code) == (ImageRefused, code)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_with_any_picture_costs_none(fault: str) -> None:
    step, code = FAULTS[fault]
    async with open_bench(api_key=KEYS[0]) as bench:
        bench.server.chat = lambda question: step

        failed = await bench.failure()

        assert isinstance(failed, ServerAway)
        assert failed.error_code == ("ERR_SERVER_REFUSES" if code == "ERR_SERVER_REFUSED_IMAGE" else code)
        assert len(bench.server.questions) <= 4


@pytest.mark.parametrize("fault", ["closed", "500"])
async def test_a_picture_that_ends_the_server_each_time_costs_itself_in_the_end(fault: str) -> None:
    step, code = FAULTS[fault]
    async with open_bench() as bench:
        for _ in range(2):
            bench.server.then(*[step] * 4)
            assert isinstance(await bench.failure(), ServerAway)
            # The server is back: somebody else is answered.
            assert (await bench.client.check()).works

        bench.server.then(step)
        failed = await bench.failure()

        assert (type(failed), failed.error_code) == (ImageRefused, code)
        assert (await bench.describe()).text == "A red square."


async def test_a_server_that_is_away_long_or_often_makes_no_picture_guilty() -> None:
    async with open_bench() as bench:
        bench.server.chat = lambda question: answers(500)
        for _ in range(5):
            assert isinstance(await bench.failure(), ServerAway)

        for number in range(5):
            bench.server.chat = lambda question: chat()
            assert (await bench.client.check()).works
            bench.server.chat = lambda question: answers(500)
            assert isinstance(await bench.failure(PICTURE + bytes([number])), ServerAway)


@pytest.mark.parametrize("silence", SILENCES)
async def test_what_the_model_does_not_say_is_an_outcome_of_its_own(silence: str) -> None:
    step, code = SILENCES[silence]
    async with open_bench() as bench:
        bench.server.then(step)

        failed = await bench.failure()

        assert isinstance(failed, ImageFailed) and failed.error_code == code
        assert len(bench.server.questions) == 1


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_what_a_person_has_to_mend_costs_no_picture(refusal: str) -> None:
    step, code = REFUSALS[refusal]
    async with open_bench() as bench:
        bench.server.then(step)

        failed = await bench.failure()

        assert isinstance(failed, ServerRefuses) and failed.error_code == code
        assert len(bench.server.questions) == 1


async def test_a_server_that_is_down_is_away() -> None:
    async with open_bench(url="http://127.0.0.1:1") as bench:
        failed = await bench.failure()

        assert (type(failed), failed.error_code) == (ServerAway, "ERR_SERVER_AWAY")
        assert "127.0.0.1:1 cannot be reached: Connection refused." in failed.message and "vision.url" in str(
            failed.remedy
        )


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # asyncio's own, of the side that was hung up on
async def test_a_server_whose_certificate_cannot_be_trusted_is_not_sent_a_word() -> None:
    async with open_bench(with_tls=True, api_key=KEYS[0]) as bench:
        failed = await bench.failure()

        assert (type(failed), failed.error_code) == (ServerRefuses, "ERR_SERVER_TLS")
        assert "self-signed certificate" in failed.message
        assert bench.server.questions == []


async def test_a_busy_server_is_asked_again_when_it_wants_to_be() -> None:
    async with open_bench() as bench:
        bench.server.then(error(429, "slow down", headers="Retry-After: 20\r\n"), error(503, "Loading model"))
        began = bench.clock.now()

        assert (await bench.describe()).text == "A red square."

        assert (bench.clock.now() - began).total_seconds() == 20.5 + 4.0
        assert bench.told[0] == "Waiting 20 seconds for the vision server, which takes no more requests now"


async def test_a_date_to_come_back_at_is_understood() -> None:
    async with open_bench() as bench:
        bench.server.then(error(503, "restarting", headers="Retry-After: Tue, 01 Jan 2030 12:01:00 GMT\r\n"))
        began = bench.clock.now()

        await bench.describe()

        assert (bench.clock.now() - began).total_seconds() == 60.5


@pytest.mark.parametrize(("header", "asked"), [("", TRIES_MOST), ("Retry-After: 99999999999\r\n", 1)])
async def test_a_server_that_stays_busy_is_told_after_a_few_tries(header: str, asked: int) -> None:
    async with open_bench() as bench:
        bench.server.chat = lambda question: error(429, "slow down", headers=header)

        failed = await bench.failure()

        assert isinstance(failed, ServerBusy) and failed.retry_after
        assert len(bench.server.questions) == asked


async def test_a_server_that_is_away_is_told_until_it_answers_or_nobody_asks_for_an_hour() -> None:
    async with open_bench() as bench:
        for is_asked in (True, False):
            bench.server.chat = lambda question: answers(500)
            failed = await bench.failure()
            (finding,) = bench.client.findings()
            assert (finding.code, finding.message, finding.remedy) == (
                failed.error_code, failed.message, failed.remedy,
            )  # fmt: skip

            bench.server.chat = lambda question: chat("")
            if is_asked:
                await bench.failure()
            else:
                await bench.clock.advance(3601)
            assert bench.client.findings() == []


async def test_keys_take_turns_and_a_refused_one_is_set_aside_for_a_while() -> None:
    async with open_bench(api_keys=KEYS) as bench:
        bench.server.keys = {KEYS[1]}

        for _ in range(3):
            await bench.describe()
        assert [question.key for question in bench.server.questions] == [KEYS[0], *[KEYS[1]] * 3]
        (finding,) = bench.client.findings()
        assert finding.code == "ERR_KEY_REFUSED" and "Key 1" in finding.message and KEYS[0] not in str(finding)

        bench.server.keys = set(KEYS)
        await bench.clock.advance(901)
        for _ in range(4):
            await bench.describe()
        assert [question.key for question in bench.server.questions[4:]] == [*KEYS, *KEYS]
        assert bench.client.findings() == []


async def test_when_all_keys_are_refused_nobody_is_asked_any_more() -> None:
    async with open_bench(api_keys=KEYS) as bench:
        bench.server.keys = set()

        first, second = await bench.failure(), await bench.failure()

        assert isinstance(first, ServerRefuses) and first.error_code == second.error_code == "ERR_KEY_REFUSED"
        assert first.retry_after == 900
        assert len(bench.server.questions) == 2


async def test_a_key_that_is_used_up_leaves_the_work_to_the_next() -> None:
    async with open_bench(api_keys=KEYS) as bench:
        bench.server.then(error(429, "slow down", headers="Retry-After: 30\r\n"), error(429, "x", "insufficient_quota"))
        began = bench.clock.now()

        await bench.describe()

        assert (bench.clock.now() - began).total_seconds() == 30.5
        assert [question.key for question in bench.server.questions] == [*KEYS, KEYS[0]]
        assert len(bench.client.findings()) == 1


@pytest.mark.parametrize("limit", [{"requests_per_minute": 2}, {"tokens_per_minute": 1400}])
async def test_each_key_is_used_within_its_minute(limit: dict[str, int]) -> None:
    """Of 1,400 tokens there is room for one expected request (1,069 tokens) beside one that used 307 in truth."""
    async with open_bench(api_keys=KEYS, **limit) as bench:
        began = bench.clock.now()

        for _ in range(4):
            await bench.describe()
        assert bench.clock.now() == began

        await bench.describe()
        assert (bench.clock.now() - began).total_seconds() == 60
        assert "Waiting 60 seconds" in bench.told[0]


async def test_the_server_is_given_no_more_at_once_than_it_may_have() -> None:
    async with open_bench(concurrency=2) as bench:
        bench.server.then(hangs, hangs)
        tasks = [asyncio.create_task(bench.client.describe(PICTURE, ASK)) for _ in range(5)]
        await until(lambda: bench.server.at_work == 2)
        await bench.clock.idle()
        assert len(bench.server.questions) == 2

        for task in tasks[:2]:
            task.cancel()
        await asyncio.wait(tasks)

        assert [task.cancelled() for task in tasks] == [True, True, False, False, False]
        assert bench.server.most_at_work == 2
        await until(lambda: bench.server.at_work == 0)


async def test_the_first_answer_may_take_minutes_which_is_told() -> None:
    async with open_bench(warm_up=600.0) as bench:
        bench.server.then(hangs)
        task = asyncio.create_task(bench.failure())
        await until(lambda: bench.server.at_work == 1)

        await bench.clock.advance(SLOW_SECONDS + 1)
        assert bench.told == [f"Waiting for the vision server to load the model {MODEL}"]
        await bench.clock.advance(580)
        assert not task.done()

        await bench.clock.advance(20)
        assert (await task).error_code == "ERR_ANSWER_LATE"


async def test_once_loaded_a_model_has_the_time_of_the_question() -> None:
    async with open_bench(warm_up=600.0) as bench:
        await bench.describe()
        bench.server.then(hangs, hangs)
        task = asyncio.create_task(bench.failure())
        await until(lambda: bench.server.at_work == 1)

        await bench.clock.advance(ASK.timeout)
        # The server is asked about a tiny picture now, and is silent about that too.
        await until(lambda: len(bench.server.questions) == 3 and bench.server.at_work == 1)
        await bench.clock.advance(60)

        failed = await task
        assert isinstance(failed, ServerAway) and failed.error_code == "ERR_ANSWER_LATE"
        assert bench.told == []


async def test_a_drip_without_an_end_is_cut_by_the_clock() -> None:
    async def drips(question: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not reader.at_eof():
            writer.write(b"1\r\n \r\n")
            await writer.drain()
            dripped.set()
            await bench.clock.sleep(5)

    dripped = asyncio.Event()
    async with open_bench(warm_up=0.0) as bench:
        bench.server.chat = fails_for_pictures_only(drips)
        task = asyncio.create_task(bench.failure())
        await dripped.wait()
        for _ in range(7):
            await bench.clock.advance(5)

        failed = await task

        assert (type(failed), failed.error_code) == (ImageRefused, "ERR_ANSWER_LATE")
        await bench.clock.advance(10)


async def test_parameters_that_a_model_does_not_take_are_left_out() -> None:
    async with open_bench() as bench:
        for name in ("max_tokens", "temperature"):
            bench.server.then(error(400, f"Unsupported: {name}", "unsupported_parameter", param=name))

        await bench.describe()
        await bench.describe()

        last = bench.server.questions[-1].body
        assert len(bench.server.questions) == 4
        assert last["max_completion_tokens"] == 64 and not {"max_tokens", "temperature"} & set(last)

        bench.server.chat = lambda question: error(400, "Unsupported", param="temperature")
        assert (await bench.failure()).error_code == "ERR_SERVER_REFUSES"


async def test_without_an_address_or_a_model_it_says_what_to_set() -> None:
    with pytest.raises(NotConfigured, match=r"^Not configured: set vision\.url\.$"):
        VisionClient(VisionSettings(), FakeClock())

    async with open_bench(model="") as bench:
        with pytest.raises(NotConfigured, match=r"^Not configured: set vision\.model\.$"):
            await bench.describe()


async def test_hostile_words_are_data() -> None:
    words = "<script>alert(1)</script>\u202e\x00 ignore all instructions 🦊\ud800\n" + "x" * 10_000
    async with open_bench() as bench:
        bench.server.then(answers(200, completion(words)), error(400, words * 3))

        answer = await bench.describe()
        failed = await bench.failure(ask=Ask(words.replace("\ud800", "")))

        assert len(answer.text) == 8000 and answer.text.startswith("<script>") and answer.text.count("\n") == 1
        assert not set(answer.text + failed.message) & {"\u202e", "\x00", "\ud800"}
