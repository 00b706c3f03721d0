"""The vector of a record by each embedder, and what each one lacks."""

import math
import struct
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from daemons.clients.embeddings import EmbeddingsClient, TextTooLong
from daemons.clients.errors import NotConfigured, ServerAway
from daemons.errors import Permanent
from daemons.settings.embeddings import EmbeddingsSettings
from daemons.workflows.polling.embedding_worker import EmbedderMissing, EmbedderUnfit
from daemons.workflows.polling.ladder import Outcome
from daemons.workflows.polling.options import StillsOptions
from daemons.workflows.polling.steps.embedding import EmbedderFailed, embed, text_of
from tests.fake_clock import FakeClock
from tests.fakes.embeddings_server import EMBEDDING_MODEL, embedding, vector_of, vectors
from tests.fakes.openai_server import error
from tests.workflows.polling.step_context import context, record

LIBRARY = """
import numpy

class SentenceTransformer:
    def __init__(self, name, trust_remote_code):
        assert trust_remote_code is False
        print("noise on stdout")
        if name == "no-such-model":
            raise OSError("no-such-model is not a local folder and is not a valid model identifier")
        self.name = name

    def encode(self, texts, convert_to_numpy, show_progress_bar):
        if self.name == "fails":
            raise RuntimeError("CUDA error")
        return numpy.array([[3.0, 4.0, 0.0] if self.name != "nan" else [float("nan")] * 3 for _ in texts])
"""


def still(**fields: Any) -> Any:
    return record(b"/pictures/a.jpg", "5 - Generating Description", **fields)


HARBOUR = still(title="Whitby harbour", description="Boats return at dusk.", keywords=["boats", "dusk"])


def numbers(outcome: Outcome) -> list[float]:
    assert outcome.vector is not None
    space, packed = outcome.vector
    assert outcome.fields == {"embedding": space, "embedding_dimensions": len(packed) // 4}
    return list(struct.unpack(f"<{len(packed) // 4}f", packed))


def library(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "sentence_transformers.py").write_text(LIBRARY)
    monkeypatch.setenv("PYTHONPATH", str(folder))


async def test_words_are_hashed_without_a_model() -> None:
    async with context(StillsOptions()) as ctx:
        first, again = await embed(ctx, HARBOUR), await embed(ctx, HARBOUR)

    assert first == again and first.vector is not None and first.vector[0] == "hashing-512"
    assert math.hypot(*numbers(first)) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("fields", [{}, {"title": " "}, {"keywords": [7, None], "caption": {"a": 1}}, {"title": "!"}])
async def test_a_record_without_words_goes_on_without_a_vector(fields: dict[str, Any]) -> None:
    async with context(StillsOptions()) as ctx:
        outcome = await embed(ctx, still(**fields))

    assert outcome.vector is None and outcome.note
    assert outcome.fields == {"embedding": None, "embedding_dimensions": None}


def test_everything_that_is_written_counts_once_and_no_page_drowns_it() -> None:
    text = text_of(
        still(title="A", caption="A", keywords=["b", "c"], url_text="x " * 9_000, file_name="no.jpg", quality=0.5)
    )

    assert text.splitlines()[:2] == ["A", "b, c"] and len(text) < 2_100


async def test_a_server_makes_the_vector() -> None:
    async with embedding() as server:
        settings = EmbeddingsSettings(url=server.url, model=EMBEDDING_MODEL)
        async with (
            EmbeddingsClient(settings, FakeClock()) as client,
            context(StillsOptions(embedder="server"), clients={EmbeddingsClient: client}) as ctx,
        ):
            outcome = await embed(ctx, HARBOUR)

            given = vector_of(text_of(HARBOUR))
            length = math.hypot(*given)
            assert numbers(outcome) == pytest.approx([one / length for one in given])
            assert outcome.fields["embedding"] == f"server/{EMBEDDING_MODEL}-8"


async def test_a_text_that_is_too_long_for_the_model_is_cut() -> None:
    async with embedding() as server:
        server.longest = 1_500
        settings = EmbeddingsSettings(url=server.url, model=EMBEDDING_MODEL)
        async with (
            EmbeddingsClient(settings, FakeClock()) as client,
            context(StillsOptions(embedder="server"), clients={EmbeddingsClient: client}) as ctx,
        ):
            await embed(ctx, still(description="word " * 600))
            assert [len(text) for text in server.texts] == [2999, 1499]

            server.longest = 10
            with pytest.raises(TextTooLong):
                await embed(ctx, still(description="word " * 600))
            server.then(error(500, "down"))
            with pytest.raises(ServerAway):
                await embed(ctx, HARBOUR)
            server.longest = 10_000
            server.then(vectors([1e-30] * 3))
            # No two vectors are of one space that are not of one length.
            with pytest.raises(Exception, match="3 numbers instead of 8"):
                await embed(ctx, HARBOUR)


async def test_without_a_server_it_says_so() -> None:
    async with context(StillsOptions(embedder="server")) as ctx:
        with pytest.raises(NotConfigured):
            await embed(ctx, HARBOUR)


@pytest.mark.skipif(find_spec("sentence_transformers") is not None, reason="the extra is installed")
async def test_without_the_library_it_names_the_line_to_type() -> None:
    async with context(StillsOptions(embedder="local")) as ctx:
        with pytest.raises(EmbedderMissing) as missing:
            await embed(ctx, HARBOUR)

    assert missing.value.remedy == "pip install 'daemondeck[embeddings]'"
    assert missing.value.error_code == "ERR_EMBEDDINGS_MISSING" and isinstance(missing.value, Permanent)


async def test_a_local_model_makes_the_vector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library(tmp_path, monkeypatch)
    async with context(StillsOptions(embedder="local")) as ctx:
        outcome = await embed(ctx, HARBOUR)

    assert numbers(outcome) == pytest.approx([0.6, 0.8, 0.0])
    assert outcome.fields["embedding"] == "local/all-MiniLM-L6-v2-3"


@pytest.mark.parametrize(("model", "kind"), [("no-such-model", EmbedderUnfit), ("fails", EmbedderFailed)])
async def test_a_local_model_that_does_not_work_says_why(
    model: str, kind: type[Permanent], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library(tmp_path, monkeypatch)
    async with context(StillsOptions(embedder="local", embedding_model=model)) as ctx:
        with pytest.raises(kind) as failed:
            await embed(ctx, HARBOUR)

    assert failed.value.remedy and ("no-such-model" in failed.value.message or "CUDA" in failed.value.message)


async def test_a_vector_of_no_numbers_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library(tmp_path, monkeypatch)
    async with context(StillsOptions(embedder="local", embedding_model="nan")) as ctx:
        assert (await embed(ctx, HARBOUR)).vector is None
