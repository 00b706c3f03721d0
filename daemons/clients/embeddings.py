"""The OpenAI-compatible server that makes vectors of texts: Ollama, llama.cpp, vLLM, TEI, or one on the internet."""

import json
import random
import struct
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from daemons.clients.base import Limits, Reply
from daemons.clients.chat_answers import read_complaint
from daemons.clients.errors import BadAnswer, NotConfigured
from daemons.clients.server_calls import QuestionRefused, ServerCalls
from daemons.clock import Clock
from daemons.errors import Permanent
from daemons.findings import Finding
from daemons.settings.embeddings import EmbeddingsSettings

DIMENSIONS_MOST = 16_384
WARM_SECONDS = 240.0
"""A model that answered within so long is still loaded: Ollama unloads it after five minutes."""
_CALL = "/embeddings"
_OPTIONAL = ("dimensions", "encoding_format")
_TOO_LONG = ("context", "too long", "maximum length", "token limit", "max_tokens", "input length")
_CHARACTERS_OF_A_TOKEN = 4
_LARGEST = 3.4028234e38
"""Of 32-bit floats."""


class TextRefused(Permanent):
    """The server does not take this text."""

    code = "ERR_SERVER_REFUSED_TEXT"
    remedy = "Look into the server's own log; another model may take it."


class TextTooLong(TextRefused):
    """The text is longer than the model takes."""

    code = "ERR_TEXT_TOO_LONG"
    remedy = "Choose a model that takes longer texts, or raise its context at the server."


@dataclass(frozen=True, slots=True)
class Embedding:
    """The vector of a text, as 32-bit floats, little-endian, of any length but zero."""

    vector: bytes
    model: str

    @property
    def dimensions(self) -> int:
        return len(self.vector) // 4


class EmbeddingsClient:
    """One server; made by `Clients`."""

    def __init__(
        self, settings: EmbeddingsSettings, clock: Clock, *, chance: Callable[[], float] = random.random
    ) -> None:
        self._calls = ServerCalls("embeddings server", "embeddings", settings, clock, chance=chance)
        if not settings.model:
            raise NotConfigured("embeddings.model")
        self.settings = settings
        self._clock = clock
        self._answered_at: float | None = None
        self._dimensions = settings.dimensions
        self._without: frozenset[str] = frozenset()
        """Parameters that the server does not take."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._calls.close()

    def findings(self) -> list[Finding]:
        """Return what a person should know of the server and its keys."""
        return self._calls.findings()

    async def embed(self, text: str) -> Embedding:
        """Return the vector of `text`.

        Raises ServerAway or BadAnswer when another try may do, TextRefused when none will, TextTooLong among them.
        """
        while True:
            try:
                vector = await self._ask(text)
            except QuestionRefused as refused:
                name = refused.complaint.param
                if name in _OPTIONAL and name not in self._without:
                    self._without |= {name}
                    continue
                raise _of_text(refused) from refused
            self._answered_at = self._clock.monotonic()
            self._dimensions = self._dimensions or len(vector) // 4
            return Embedding(vector, self.settings.model)

    async def _ask(self, text: str) -> bytes:
        optional: dict[str, Any] = {"encoding_format": self.settings.encoding}
        if self.settings.dimensions:
            optional["dimensions"] = self.settings.dimensions
        body = {
            "model": self.settings.model,
            "input": [text],
            **{name: value for name, value in optional.items() if name not in self._without},
        }
        seconds = self.settings.timeout if self._is_warm() else max(self.settings.timeout, self.settings.warm_up)
        limits = Limits(total=seconds, silence=seconds)
        return await self._calls.post(_CALL, body, limits, self._read, tokens=len(text) / _CHARACTERS_OF_A_TOKEN)

    def _is_warm(self) -> bool:
        return self._answered_at is not None and self._clock.monotonic() - self._answered_at < WARM_SECONDS

    def _read(self, reply: Reply) -> bytes:
        vector = read_vector(reply.body)
        if self._dimensions and len(vector) // 4 != self._dimensions:
            raise BadAnswer(
                f"its vector has {len(vector) // 4} numbers instead of {self._dimensions}",
                code="ERR_EMBEDDING_DIMENSIONS",
                remedy="Set embeddings.dimensions to what the model gives; restart when the server has another model.",
            )
        return vector


def read_vector(body: bytes) -> bytes:
    """Return the one vector of an answer as 32-bit floats, little-endian. Raises BadAnswer."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise BadAnswer(f"its answer is no JSON: {read_complaint(body).message}") from None
    listed = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(listed, list):
        said = read_complaint(body).message if isinstance(answer, dict) and "error" in answer else "it holds no data"
        raise BadAnswer(f"its answer holds no vector: {said}")
    if len(listed) != 1 or not isinstance(listed[0], dict):
        raise BadAnswer(f"it answered one text with {len(listed)} vectors")
    found = listed[0].get("embedding")
    numbers = _unpacked(found) if isinstance(found, str) else found
    if not isinstance(numbers, list | tuple) or not 0 < len(numbers) <= DIMENSIONS_MOST:
        raise BadAnswer("its vector is empty, or longer than any", code="ERR_EMBEDDING_EMPTY")
    if not all(type(one) in (float, int) and abs(one) <= _LARGEST for one in numbers):
        raise BadAnswer("its vector holds something that is no number", code="ERR_EMBEDDING_NOT_FINITE")
    vector = struct.pack(f"<{len(numbers)}f", *numbers)
    if not any(struct.unpack(f"<{len(numbers)}f", vector)):
        raise BadAnswer("its vector is all zeros, which is like nothing", code="ERR_EMBEDDING_EMPTY")
    return vector


def _unpacked(text: str) -> tuple[float, ...]:
    try:
        packed = b64decode(text, validate=True)
        return struct.unpack(f"<{len(packed) // 4}f", packed)
    except (ValueError, struct.error):
        raise BadAnswer("its vector is no base64 of 32-bit floats") from None


def _of_text(refused: QuestionRefused) -> TextRefused:
    said = f"{refused.complaint.code or ''} {refused.complaint.message}".lower()
    is_long = refused.status == 413 or any(words in said for words in _TOO_LONG)
    return TextTooLong(refused.message) if is_long else TextRefused(refused.message)
