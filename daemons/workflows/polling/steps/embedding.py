"""Makes the vector that a record is compared by, of everything that is written in it.

hashing     its words, without a model: texts that share words are near each other
server      an OpenAI-compatible server of embeddings
local       a model in a worker process of this machine: extra `embeddings`
"""

import base64
import math
import os
import struct
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing

from daemons.clients.embeddings import EmbeddingsClient, TextTooLong
from daemons.errors import DaemonError, Permanent
from daemons.subprocess_work.errors import WorkerTaskFailed
from daemons.subprocess_work.spec import WorkerSpec
from daemons.workflows.polling.embedding_worker import EmbedderMissing, EmbedderUnfit
from daemons.workflows.polling.hashing import SPACE, hashed
from daemons.workflows.polling.ladder import Outcome, StepContext
from daemons.workflows.polling.records import Record

LOCAL_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
TEXT_CHARACTERS = 8_000
SHORTEST_CUT = 500
"""A model that takes less of a text than so many characters is not asked with still less."""
FIELDS: Mapping[str, int] = {
    "title": 500,
    "headline": 500,
    "caption": 2_000,
    "description": 3_000,
    "keywords": 2_000,
    "place": 300,
    "creator": 300,
    "notes": 1_000,
    "url_title": 300,
    "transcript": 3_000,
    "url_text": 2_000,
}
"""What counts, in this order, and how many characters of it: a long page must not drown the rest."""

# Where the weights are and whether they may be downloaded, which GPU; no secret enters a worker.
_PASSED_ON = (
    "CUDA_VISIBLE_DEVICES",
    "HF_ENDPOINT",
    "HF_HOME",
    "HF_HUB_CACHE",
    "HF_HUB_OFFLINE",
    "OMP_NUM_THREADS",
    "SENTENCE_TRANSFORMERS_HOME",
    "TRANSFORMERS_OFFLINE",
    "XDG_CACHE_HOME",
)
_USUAL = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    # Else torch's threads spin while they wait for each other.
    "OMP_WAIT_POLICY": "PASSIVE",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
}


class EmbedderFailed(Permanent):
    """No vector can be made of this record."""

    code = "ERR_EMBEDDER_FAILED"
    remedy = "Choose another model or another embedder."


async def embed(ctx: StepContext, record: Record) -> Outcome:
    """Make the vector of the record's words by the embedder of the ladder's options.

    Raises NotConfigured, EmbedderMissing, EmbedderUnfit or EmbedderFailed where no other try helps, and what the
    client of the server raises.
    """
    text = text_of(record)
    if not text:
        return Outcome({"embedding": None, "embedding_dimensions": None}, note="There are no words to compare it by.")
    space, vector = await EMBEDDERS[ctx.options.embedder](ctx, text)
    length = math.hypot(*vector)
    if not math.isfinite(length) or not length:
        return Outcome({"embedding": None, "embedding_dimensions": None}, note="Its words have no vector to compare.")
    packed = struct.pack(f"<{len(vector)}f", *(value / length for value in vector))
    fields = {"embedding": space, "embedding_dimensions": len(vector)}
    return Outcome(fields, note=f"Compared by {space}.", vector=(space, packed))


def text_of(record: Record) -> str:
    """Return what is written in the record, each text once, a line each; "" where there is nothing."""
    lines = dict.fromkeys(line for name, most in FIELDS.items() for line in _texts(record.fields.get(name), most))
    return "\n".join(lines)[:TEXT_CHARACTERS].strip()


def _texts(value: object, most: int) -> Iterator[str]:
    given = ", ".join(one for one in value if isinstance(one, str)) if isinstance(value, list) else value
    if isinstance(given, str) and (text := " ".join(given[: 2 * most].split())[:most]):
        yield text


async def _by_hashing(_ctx: StepContext, text: str) -> tuple[str, Sequence[float]]:
    return SPACE, hashed(text)


async def _by_server(ctx: StepContext, text: str) -> tuple[str, Sequence[float]]:
    client = ctx.client(EmbeddingsClient)
    while True:
        try:
            found = await client.embed(text)
        except TextTooLong:
            # How many tokens a text is only the server knows; its beginning says most.
            if len(text) < 2 * SHORTEST_CUT:
                raise
            text = text[: len(text) // 2]
        else:
            return f"server/{found.model}-{found.dimensions}", _numbers(found.vector)


async def _by_local_model(ctx: StepContext, text: str) -> tuple[str, Sequence[float]]:
    model = ctx.options.embedding_model or LOCAL_MODEL
    try:
        async with (
            ctx.borrow(local_worker()) as worker,
            aclosing(worker.run({"text": text, "model": model})) as results,
        ):
            found = [result async for result in results]
    except WorkerTaskFailed as failed:
        raise _of_worker(failed) from None
    vector = _numbers(base64.b64decode(found[0]["vector"]))
    return f"local/{model.rstrip('/').rpartition('/')[2]}-{len(vector)}", vector


EMBEDDERS: Mapping[str, Callable[[StepContext, str], Awaitable[tuple[str, Sequence[float]]]]] = {
    "hashing": _by_hashing,
    "server": _by_server,
    "local": _by_local_model,
}


def local_worker() -> WorkerSpec:
    """Return how the worker of the local model is started."""
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return WorkerSpec.module(
        "daemons.workflows.polling.embedding_worker",
        # How much memory a model needs is known only once it is loaded.
        memory=None,
        silence=1800.0,
        environment=tuple(sorted((_USUAL | passed_on).items())),
        recycle_requests=10_000,
        recycle_seconds=6 * 3600.0,
        recycle_memory=1 << 40,
        idle_seconds=150.0,
    )


def _of_worker(failed: WorkerTaskFailed) -> DaemonError:
    for kind in (EmbedderMissing, EmbedderUnfit):
        if failed.info.code == kind.code:
            return kind(failed.info.message, remedy=failed.info.remedy)
    return EmbedderFailed(f"The local model failed: {failed.info.message}")


def _numbers(packed: bytes) -> Sequence[float]:
    return struct.unpack(f"<{len(packed) // 4}f", packed)
