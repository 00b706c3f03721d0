"""An OpenAI-compatible server of embeddings that keeps to the protocol, or fails in every way that such servers do."""

import asyncio
import struct
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

from tests.fakes.openai_server import WRONG_KEY, OpenAIServer, Question, Step, answers, error

EMBEDDING_MODEL = "tiny-embed"
DIMENSIONS = 8


def vector_of(text: str) -> list[float]:
    """Return the vector that this server makes of a text: always the same, and exact as 32-bit floats."""
    return [(byte - 128) / 128 for byte in sha256(text.encode()).digest()[:DIMENSIONS]]


def packed(numbers: Sequence[float]) -> str:
    """Return a vector as it is sent in base64."""
    return b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def vectors(*found: Any, **more: Any) -> Step:
    """Answer with these vectors."""
    data = [{"object": "embedding", "index": at, "embedding": one} for at, one in enumerate(found)]
    usage = {"prompt_tokens": 5, "total_tokens": 5}
    return answers(200, {"object": "list", "data": data, "model": EMBEDDING_MODEL, "usage": usage, **more})


class EmbeddingsServer(OpenAIServer):
    """What came, and what is answered."""

    def __init__(self) -> None:
        super().__init__()
        self.known = {EMBEDDING_MODEL}
        self.longest = 10_000
        """Characters of a text that the model takes."""
        self.unknown_parameters: set[str] = set()
        self.embed: Callable[[Question], Step] = _embedded
        """Decides how a well-formed question is answered."""

    @property
    def texts(self) -> list[str]:
        """Every text that was sent."""
        return [text for question in self.questions for text in question.body["input"]]

    def _step(self, question: Question) -> Step:
        if self.keys is not None and question.key not in self.keys:
            return error(401, WRONG_KEY.format(key=question.key), "invalid_api_key")
        if (question.method, question.path) != ("POST", "/v1/embeddings"):
            return answers(404, b"404 page not found")
        if self._steps:
            return self._steps.pop(0)
        if question.body["model"] not in self.known:
            return error(404, f"The model `{question.body['model']}` does not exist", "model_not_found")
        if wrong := sorted(self.unknown_parameters & question.body.keys()):
            return error(400, f"Unknown parameter: '{wrong[0]}'", "unknown_parameter", param=wrong[0])
        (text,) = question.body["input"]
        assert isinstance(text, str) and text
        if len(text) > self.longest:
            return error(400, "the input length exceeds the context length", "invalid_request_error")
        return self.embed(question)


def _embedded(question: Question) -> Step:
    vector = vector_of(question.body["input"][0])
    return vectors(packed(vector) if question.body.get("encoding_format") == "base64" else vector)


@asynccontextmanager
async def embedding() -> AsyncIterator[EmbeddingsServer]:
    """Serve on a free port of this machine."""
    served = EmbeddingsServer()
    server = await asyncio.start_server(served.accept, "127.0.0.1", 0)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
        await served.end()
