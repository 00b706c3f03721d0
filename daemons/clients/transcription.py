"""The OpenAI-compatible server that writes down what is said: whisper.cpp, Speaches, vLLM, or one on the internet."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from secrets import token_hex
from types import TracebackType
from typing import Self

from daemons.clients.base import Limits, Reply
from daemons.clients.chat_answers import read_complaint
from daemons.clients.errors import BadAnswer
from daemons.clients.server_calls import QuestionRefused, ServerCalls
from daemons.clock import Clock
from daemons.errors import Permanent
from daemons.findings import Finding
from daemons.settings.transcription import TranscriptionSettings
from daemons.text import clean

TEXT_CHARACTERS = 50_000
_CALL = "/audio/transcriptions"


class SoundRefused(Permanent):
    """The server does not take this sound."""

    code = "ERR_SERVER_REFUSED_SOUND"
    remedy = "Look into the server's own log; another model may take it."


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said; nothing, where nobody speaks. `language` as the server names it, if it does."""

    text: str
    language: str | None
    model: str
    seconds: float


class TranscriptionClient:
    """One server; made by `Clients`."""

    def __init__(
        self, settings: TranscriptionSettings, clock: Clock, *, chance: Callable[[], float] = random.random
    ) -> None:
        self._calls = ServerCalls("transcription server", "transcription", settings, clock, chance=chance)
        self.settings = settings

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._calls.close()

    def findings(self) -> list[Finding]:
        """Return what a person should know of the server and its keys."""
        return self._calls.findings()

    async def transcribe(self, sound: bytes, *, name: str = "sound.flac", language: str = "") -> Transcript:
        """Return what is said in `sound`, a file of a kind that its `name` tells.

        Raises ServerAway or BadAnswer when another try may do, SoundRefused when none will.
        """
        fields = {"model": self.settings.model, "response_format": "json", "temperature": "0"}
        if spoken := language or self.settings.language:
            fields["language"] = spoken
        body, media_type = _form(fields, name, sound)
        limits = Limits(total=self.settings.timeout, silence=self.settings.timeout)
        try:
            return await self._calls.post(_CALL, body, limits, self._read, media_type=media_type)
        except QuestionRefused as refused:
            raise SoundRefused(refused.message) from refused

    def _read(self, reply: Reply) -> Transcript:
        try:
            answer = json.loads(reply.body)
        except (ValueError, RecursionError):
            answer = None
        text = answer.get("text") if isinstance(answer, dict) else None
        if not isinstance(text, str):
            raise BadAnswer(f"it answered without a text: {read_complaint(reply.body).message}")
        language = answer.get("language")
        return Transcript(
            clean(text[: 2 * TEXT_CHARACTERS], TEXT_CHARACTERS, keep_newlines=True).strip(),
            clean(language, 40) if isinstance(language, str) else None,
            self.settings.model,
            reply.seconds,
        )


def _form(fields: dict[str, str], name: str, sound: bytes) -> tuple[bytes, str]:
    """Return a body of multipart/form-data and its media type."""
    boundary = f"--------{token_hex(16)}"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'.encode()
        for field, value in fields.items()
    ]
    kind = "audio/flac" if name.endswith(".flac") else "application/octet-stream"
    head = f'Content-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: {kind}'
    file = f"--{boundary}\r\n{head}\r\n\r\n".encode() + sound
    body = b"".join([*parts, file, f"\r\n--{boundary}--\r\n".encode()])
    return body, f"multipart/form-data; boundary={boundary}"
