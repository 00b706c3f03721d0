"""Vectors of texts by an OpenAI-compatible server, over a real socket: what it says, and how it fails."""

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from daemons.clients.embeddings import EmbeddingsClient, TextRefused, TextTooLong
from daemons.clients.errors import BadAnswer, NotConfigured, ServerAway, ServerBusy, ServerRefuses
from daemons.clients.server_calls import TRIES_MOST
from daemons.errors import DaemonError
from daemons.settings.embeddings import EmbeddingsSettings
from tests.clients.bench import until
from tests.fake_clock import FakeClock
from tests.fakes.embeddings_server import (
    DIMENSIONS,
    EMBEDDING_MODEL,
    EmbeddingsServer,
    embedding,
    packed,
    vector_of,
    vectors,
)
from tests.fakes.openai_server import Step, answers, breaks_off, closes, error, falls_silent, floods, hangs

PAGE = b"<!doctype html><html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
KEYS = ["sk-first-key-0001", "sk-second-key-0002"]


class Bench:
    """A client, its server and its clock."""

    def __init__(self, server: EmbeddingsServer, **settings: Any) -> None:
        self.server, self.clock = server, FakeClock()
        self.settings = EmbeddingsSettings(**{"url": server.url, "model": EMBEDDING_MODEL, **settings})
        self.client = EmbeddingsClient(self.settings, self.clock, chance=lambda: 0.5)

    async def embed(self, text: str = "A harbour.") -> list[float]:
        """Return the vector of a text, with as much time as it takes between two tries."""
        task, quiet = asyncio.ensure_future(self.client.embed(text)), 0
        async with asyncio.timeout(20):
            while not task.done():
                await asyncio.sleep(0)
                # While a question is out, there are sleepers that limit it.
                is_resting = self.server.at_work == 0 and len(self.clock.sleepers) == 1
                quiet = quiet + 1 if is_resting else 0
                if quiet > 30:
                    await self.clock.advance(self.clock.sleepers[0])
        found = await task
        assert found.model == EMBEDDING_MODEL and found.dimensions == len(found.vector) // 4
        return list(struct.unpack(f"<{found.dimensions}f", found.vector))

    async def failure(self, text: str = "A harbour.") -> DaemonError:
        """Return how it fails: as somebody can act upon, and without a word of a key."""
        try:
            found = await self.embed(text)
        except DaemonError as failed:
            assert failed.error_code.startswith("ERR_") and failed.remedy and 10 < len(failed.message) < 700
            assert not [key for key in KEYS if key in failed.message]
            return failed
        raise AssertionError(f"it has a vector: {found}")


@asynccontextmanager
async def open_bench(**settings: Any) -> AsyncIterator[Bench]:
    async with embedding() as server:
        bench = Bench(server, **settings)
        async with bench.client:
            yield bench


@pytest.mark.parametrize("encoding", ["float", "base64"])
async def test_a_text_has_a_vector(encoding: str) -> None:
    async with open_bench(encoding=encoding) as bench:
        assert await bench.embed("A harbour.") == vector_of("A harbour.")

        (question,) = bench.server.questions
        assert question.body == {"model": EMBEDDING_MODEL, "input": ["A harbour."], "encoding_format": encoding}


@pytest.mark.parametrize("encoding", ["float", "base64"])
async def test_a_server_may_answer_in_the_other_encoding(encoding: str) -> None:
    async with open_bench(encoding=encoding) as bench:
        bench.server.then(vectors([1.0, 0.5]) if encoding == "base64" else vectors(packed([1.0, 0.5])))

        assert await bench.embed() == [1.0, 0.5]


@pytest.mark.parametrize("name", ["encoding_format", "dimensions"])
async def test_a_parameter_that_a_server_does_not_know_is_left_out_from_then_on(name: str) -> None:
    async with open_bench(dimensions=DIMENSIONS) as bench:
        bench.server.unknown_parameters = {name}

        await bench.embed()
        await bench.embed()

        assert [name in question.body for question in bench.server.questions] == [True, False, False]


ANSWERS: dict[str, tuple[Step, str]] = {
    "a page": (answers(200, PAGE), "ERR_BAD_ANSWER"),
    "nothing": (answers(200), "ERR_BAD_ANSWER"),
    "truncated": (answers(200, b'{"data": [{"embedding": [0.1, 0.'), "ERR_BAD_ANSWER"),
    "too deep": (answers(200, b"[" * 200_000), "ERR_BAD_ANSWER"),
    "a list": (answers(200, []), "ERR_BAD_ANSWER"),
    "an error that is no error": (answers(200, {"error": "model crashed"}), "ERR_BAD_ANSWER"),
    "no data": (answers(200, {"data": None}), "ERR_BAD_ANSWER"),
    "no vector": (vectors(), "ERR_BAD_ANSWER"),
    "two vectors": (vectors([0.1], [0.2]), "ERR_BAD_ANSWER"),
    "wrong types": (answers(200, {"data": ["x"]}), "ERR_BAD_ANSWER"),
    "an empty vector": (vectors([]), "ERR_EMBEDDING_EMPTY"),
    "an empty vector in base64": (vectors(""), "ERR_EMBEDDING_EMPTY"),
    "null": (vectors(None), "ERR_EMBEDDING_EMPTY"),
    "nested": (vectors([[0.1, 0.2]]), "ERR_EMBEDDING_NOT_FINITE"),
    "zeros": (vectors([0.0, -0.0, 1e-60]), "ERR_EMBEDDING_EMPTY"),
    "NaN": (answers(200, b'{"data": [{"embedding": [0.1, NaN]}]}'), "ERR_EMBEDDING_NOT_FINITE"),
    "infinite": (answers(200, b'{"data": [{"embedding": [0.1, 1e999]}]}'), "ERR_EMBEDDING_NOT_FINITE"),
    "NaN in base64": (vectors(packed([0.1, float("nan")])), "ERR_EMBEDDING_NOT_FINITE"),
    "too large": (vectors([0.1, 1e39]), "ERR_EMBEDDING_NOT_FINITE"),
    "a huge integer": (vectors([10**400]), "ERR_EMBEDDING_NOT_FINITE"),
    "words": (vectors(["0.1", "0.2"]), "ERR_EMBEDDING_NOT_FINITE"),
    "truth": (vectors([True, False]), "ERR_EMBEDDING_NOT_FINITE"),
    "no base64": (vectors("not base64!"), "ERR_BAD_ANSWER"),
    "half a float": (vectors("AAAAAAA="), "ERR_BAD_ANSWER"),
    "endless": (floods(None), "ERR_ANSWER_TOO_LARGE"),
    "closed": (closes, "ERR_ANSWER_BROKEN_OFF"),
    "broken off": (breaks_off, "ERR_ANSWER_BROKEN_OFF"),
}


@pytest.mark.parametrize("answer", ANSWERS)
async def test_an_answer_without_a_vector_is_tried_again_later(answer: str) -> None:
    step, code = ANSWERS[answer]
    async with open_bench() as bench:
        bench.server.then(step)

        failed = await bench.failure()

        assert isinstance(failed, BadAnswer) and failed.error_code == code


REFUSALS: dict[str, tuple[Step, type[DaemonError], str]] = {
    "no such model": (error(404, "model `x` not found"), ServerRefuses, "ERR_MODEL_UNKNOWN"),
    "no such call": (answers(404, b"404 page not found"), ServerRefuses, "ERR_NO_SUCH_CALL"),
    "not for embeddings": (answers(501, {"error": {"message": "not supported"}}), ServerRefuses, "ERR_NO_SUCH_CALL"),
    "a key is wanted": (error(401, "You didn't provide an API key"), ServerRefuses, "ERR_KEY_WANTED"),
    "sent elsewhere": (answers(302, b"", "Location: http://x/\r\n"), ServerRefuses, "ERR_SERVER_REDIRECTS"),
    "500": (error(500, "CUDA error"), ServerAway, "ERR_SERVER_FAILED"),
    "502 with a page": (answers(502, PAGE), ServerAway, "ERR_SERVER_FAILED"),
    "a bad text": (error(400, "input must be a string"), TextRefused, "ERR_SERVER_REFUSED_TEXT"),
    "a detail": (answers(422, {"detail": [{"msg": "bad input"}]}), TextRefused, "ERR_SERVER_REFUSED_TEXT"),
    "too long": (error(400, "maximum context length is 8192", "x"), TextTooLong, "ERR_TEXT_TOO_LONG"),
    "413": (answers(413, PAGE), TextTooLong, "ERR_TEXT_TOO_LONG"),
}


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_a_refusal_says_whether_server_or_text_are_to_be_mended(refusal: str) -> None:
    step, kind, code = REFUSALS[refusal]
    async with open_bench() as bench:
        bench.server.then(step)

        failed = await bench.failure()

        assert (type(failed), failed.error_code) == (kind, code)


async def test_a_vector_of_other_dimensions_than_before_is_not_taken() -> None:
    async with open_bench() as bench:
        await bench.embed()
        bench.server.then(vectors([0.1, 0.2]))

        assert (await bench.failure()).error_code == "ERR_EMBEDDING_DIMENSIONS"
        await bench.embed()


async def test_a_vector_of_other_dimensions_than_were_set_is_not_taken() -> None:
    async with open_bench(dimensions=768) as bench:
        failed = await bench.failure()

        assert failed.error_code == "ERR_EMBEDDING_DIMENSIONS" and "8 numbers instead of 768" in failed.message
        assert bench.server.questions[0].body["dimensions"] == 768


@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_server_is_left_alone_for_as_long_as_it_asks(status: int) -> None:
    async with open_bench() as bench:
        bench.server.then(error(status, "busy", headers="Retry-After: 20\r\n"))
        began = bench.clock.monotonic()

        await bench.embed()

        assert bench.clock.monotonic() - began == pytest.approx(20.5)


async def test_a_server_that_stays_busy_is_told_with_the_time_it_wants() -> None:
    async with open_bench() as bench:
        bench.server.then(*[error(503, "busy", headers="Retry-After: 20\r\n")] * TRIES_MOST)

        failed = await bench.failure()

        assert isinstance(failed, ServerBusy) and failed.retry_after == pytest.approx(20.5)
        (finding,) = bench.client.findings()
        assert (finding.code, finding.subject) == ("ERR_SERVER_BUSY", "embeddings server")
        await bench.embed()
        assert bench.client.findings() == []


async def test_a_refused_key_is_set_aside_for_the_next_one() -> None:
    async with open_bench(api_keys=KEYS) as bench:
        bench.server.keys = {KEYS[1]}

        await bench.embed()
        await bench.embed()

        assert [question.key for question in bench.server.questions] == [*KEYS, KEYS[1]]
        (finding,) = bench.client.findings()
        assert finding.code == "ERR_KEY_REFUSED" and "embeddings.api_key" in (finding.remedy or "")


async def test_when_all_keys_are_refused_a_person_is_told_where() -> None:
    async with open_bench(api_keys=KEYS) as bench:
        bench.server.keys = set()

        failed = await bench.failure()

        assert failed.error_code == "ERR_KEY_REFUSED" and "embeddings.api_keys" in (failed.remedy or "")


@pytest.mark.parametrize("step", [hangs, falls_silent])
async def test_the_first_answer_has_time_for_loading_the_model_and_others_have_less(step: Step) -> None:
    async with open_bench(timeout=30, warm_up=100) as bench:
        for seconds in (100, 30):
            bench.server.then(step)
            failing = asyncio.ensure_future(bench.client.embed("A harbour."))
            await until(lambda: bench.server.at_work)
            await bench.clock.advance(seconds - 1)
            assert not failing.done()
            await bench.clock.advance(1)
            with pytest.raises(BadAnswer) as late:
                await failing
            assert late.value.error_code == "ERR_ANSWER_LATE"
            await until(lambda: not bench.server.at_work)
            await bench.embed()


async def test_a_server_is_given_only_so_many_texts_at_once() -> None:
    async with open_bench(concurrency=2) as bench:
        bench.server.embed = lambda question: hangs
        asking = [asyncio.ensure_future(bench.client.embed(f"{number}")) for number in range(5)]
        await until(lambda: bench.server.at_work == 2)
        await bench.clock.idle()

        assert bench.server.most_at_work == 2
        for one in asking:
            one.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


@pytest.mark.parametrize("missing", ["url", "model"])
def test_without_a_server_or_a_model_it_says_what_to_set(missing: str) -> None:
    settings = {"url": "http://127.0.0.1:1", "model": "x"} | {missing: ""}

    with pytest.raises(NotConfigured) as refused:
        EmbeddingsClient(EmbeddingsSettings.model_validate(settings), FakeClock())

    assert refused.value.setting == f"embeddings.{missing}"


async def test_json_of_numbers_that_are_whole_is_taken() -> None:
    async with open_bench() as bench:
        bench.server.then(answers(200, json.dumps({"data": [{"embedding": [1, 0, -2]}]}).encode()))

        assert await bench.embed() == [1.0, 0.0, -2.0]
