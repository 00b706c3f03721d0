"""The OpenAI-compatible server that writes down what is said: whisper.cpp, Speaches, vLLM, or one on the internet.

a place at the server ─▶ a key with room ─▶ POST /v1/audio/transcriptions ─▶ read without trust
     a refused key: set aside, the next one        a busy server: rest, then again, a few times
"""

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from secrets import token_hex
from types import TracebackType
from typing import Self

import structlog

from daemons.clients.base import HttpClient, Limits, Reply, as_sentence
from daemons.clients.chat_answers import Complaint, read_complaint
from daemons.clients.errors import BadAnswer, NotConfigured, ServerAway, ServerBusy, ServerRefuses
from daemons.clients.rates import Key, Keys
from daemons.clock import Clock
from daemons.errors import DaemonError, Permanent
from daemons.findings import Finding
from daemons.settings.transcription import TranscriptionSettings
from daemons.text import clean

TRIES_MOST = 3
"""Times a busy server is asked for one sound before that is told."""
TEXT_CHARACTERS = 50_000
TROUBLE_SECONDS = 3600.0
"""What was wrong longer ago, without anybody asking since, is told no more: it may be over."""
_CALL = "/audio/transcriptions"
_WHO = "The transcription server"
_ADDRESS = "Correct transcription.url: it is the address of an OpenAI-compatible server, up to /v1."

log = structlog.get_logger("daemondeck.transcription")


class SoundRefused(Permanent):
    """The server does not take this sound."""

    code = "ERR_SERVER_REFUSED_SOUND"
    remedy = "Look into the server's own log; another model may take it."


class _KeyRefused(DaemonError):
    """The key is refused; another one may do."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said; nothing, where nobody speaks. `language` as the server names it, if it does."""

    text: str
    language: str | None
    model: str
    seconds: float


class TranscriptionClient:
    """One server, its keys and what it allows; made by `Clients`."""

    def __init__(
        self, settings: TranscriptionSettings, clock: Clock, *, chance: Callable[[], float] = random.random
    ) -> None:
        if not settings.url:
            raise NotConfigured("transcription.url")
        self.settings = settings
        self.keys = Keys(
            settings.keys(),
            clock,
            requests=settings.requests_per_minute,
            tokens=settings.tokens_per_minute,
            section="transcription",
        )
        self._http = HttpClient(_WHO, settings.url, clock, setting="transcription.url", secrets=settings.keys())
        self._clock = clock
        self._chance = chance
        self._places = asyncio.Semaphore(settings.concurrency)
        self._trouble: tuple[float, ServerAway] | None = None
        """When the server was last found not to answer, and why; None once it answered."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def transcribe(self, sound: bytes, *, name: str = "sound.flac", language: str = "") -> Transcript:
        """Return what is said in `sound`, a file of a kind that its `name` tells.

        Raises ServerAway or BadAnswer when another try may do, SoundRefused when none will.
        """
        fields = {"model": self.settings.model, "response_format": "json", "temperature": "0"}
        if spoken := language or self.settings.language:
            fields["language"] = spoken
        body, media_type = _form(fields, name, sound)
        async with self._places:
            try:
                return await self._ask(body, media_type)
            except ServerAway as error:
                self._trouble = (self._clock.monotonic(), error)
                raise

    def findings(self) -> list[Finding]:
        """Return what a person should know of: a server that lately gave no answer, and the keys that are set aside."""
        now, found = self._clock.monotonic(), list[Finding]()
        if self._trouble is not None and now - self._trouble[0] < TROUBLE_SECONDS:
            what = self._trouble[1]
            found = [Finding(what.error_code, "warning", what.message, what.remedy or "", "transcription server")]
        return found + [
            Finding(
                "ERR_KEY_REFUSED",
                "warning",
                f"Key {key.number} of the transcription server is not used: {key.aside_why}",
                "Replace it in transcription.api_key or transcription.api_keys, and restart.",
                subject=f"transcription key {key.number}",
            )
            for key in self.keys.all
            if key.aside_until > now
        ]

    async def _ask(self, body: bytes, media_type: str) -> Transcript:
        tries = 0
        while True:
            loan = await self.keys.lend(0, _untold)
            try:
                return await self._ask_once(body, media_type, loan.key)
            except _KeyRefused as refused:
                self.keys.set_aside(loan.key, refused.message)
                log.warning("A key of the transcription server is set aside.", key=loan.key.number)
            except ServerBusy as busy:
                tries += 1
                self._rest(busy, loan.key, tries)
                if tries >= TRIES_MOST:
                    raise

    async def _ask_once(self, body: bytes, media_type: str, key: Key) -> Transcript:
        limits = Limits(total=self.settings.timeout, silence=self.settings.timeout)
        headers = {"Content-Type": media_type, **key.headers()}
        reply = await self._http.request("POST", _CALL, limits, body=body, headers=headers)
        if reply.status != 200:
            raise self._verdict(reply, has_key=key.secret is not None)
        self.keys.take_back(key)
        self._trouble = None
        return self._read(reply)

    def _read(self, reply: Reply) -> Transcript:
        try:
            answer = json.loads(reply.body)
        except (ValueError, RecursionError):
            answer = None
        text = answer.get("text") if isinstance(answer, dict) else None
        if not isinstance(text, str):
            told = self._http.told(read_complaint(reply.body).message)
            raise BadAnswer(f"{_WHO} answered without a text: {as_sentence(told)}")
        language = answer.get("language")
        return Transcript(
            clean(text[: 2 * TEXT_CHARACTERS], TEXT_CHARACTERS, keep_newlines=True).strip(),
            clean(language, 40) if isinstance(language, str) else None,
            self.settings.model,
            reply.seconds,
        )

    def _verdict(self, reply: Reply, *, has_key: bool) -> DaemonError:
        complaint, status = read_complaint(reply.body), reply.status
        said = as_sentence(f"{_WHO} answered {status}: {self._http.told(complaint.message)}")
        if status in (401, 402, 403) or (status == 429 and complaint.code == "insufficient_quota"):
            if has_key:
                return _KeyRefused(said)
            remedy = "Set transcription.api_key to a key of the server."
            return ServerRefuses(said, remedy=remedy, code="ERR_KEY_WANTED")
        if status in (429, 503, 529):
            return ServerBusy(said, reply.retry_after(self._clock.now()), of_key=status == 429)
        if status in (404, 405, 410, 501):
            return _nothing_there(status, complaint, said)
        if 400 <= status < 500 and status not in (408, 409, 425):
            return SoundRefused(said)
        return ServerAway(said, remedy="Look into the server's own log; it is tried again.", code="ERR_SERVER_FAILED")

    def _rest(self, busy: ServerBusy, key: Key, tries: int) -> None:
        seconds = 2**tries * (0.5 + self._chance())
        if busy.retry_after is not None:
            seconds = busy.retry_after + self._chance()
        busy.retry_after = seconds
        if busy.is_of_key:
            self.keys.rest(key, seconds)
        else:
            self.keys.rest_all(seconds)


def _nothing_there(status: int, complaint: Complaint, said: str) -> ServerRefuses:
    if status == 404 and not complaint.is_page:
        remedy = "Set transcription.model to a model that the server has."
        return ServerRefuses(said, remedy=remedy, code="ERR_MODEL_UNKNOWN")
    return ServerRefuses(said, remedy=_ADDRESS, code="ERR_NO_SUCH_CALL")


async def _untold(_seconds: float) -> None:
    pass


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
