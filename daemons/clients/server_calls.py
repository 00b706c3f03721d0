"""Asking an OpenAI-compatible server, by whichever key has room, for as long as patience lasts.

a place at the server ─▶ a key with room ─▶ POST ─▶ read without trust
     a refused key: set aside, the next one        a busy server: rest, then again, a few times
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import structlog

from daemons.clients.base import HttpClient, Limits, Reply, as_sentence
from daemons.clients.chat_answers import Complaint, read_complaint
from daemons.clients.errors import BadAnswer, NotConfigured, ServerAway, ServerBusy, ServerRefuses
from daemons.clients.rates import Key, Keys
from daemons.clock import Clock
from daemons.errors import DaemonError
from daemons.findings import Finding
from daemons.settings.servers import ServerSettings

TRIES_MOST = 3
"""Times a busy server is asked the same before that is told."""
TROUBLE_SECONDS = 3600.0
"""What was wrong longer ago, without anybody asking since, is told no more: it may be over."""

T = TypeVar("T")

log = structlog.get_logger("daemondeck.servers")


class KeyRefused(DaemonError):
    """The key is refused; another one may do."""

    code = "ERR_KEY_REFUSED"


class QuestionRefused(BadAnswer):
    """The server does not take this question, or it takes none like it."""

    code = "ERR_QUESTION_REFUSED"

    def __init__(self, message: str, complaint: Complaint, status: int) -> None:
        super().__init__(message)
        self.complaint = complaint
        self.status = status


class ServerCalls:
    """One server, its keys and what it allows. `section` is that of its settings, `name` what people call it."""

    def __init__(
        self,
        name: str,
        section: str,
        settings: ServerSettings,
        clock: Clock,
        *,
        chance: Callable[[], float] = random.random,
    ) -> None:
        if not settings.url:
            raise NotConfigured(f"{section}.url")
        self.name = name
        self._section = section
        self.keys = Keys(
            settings.keys(),
            clock,
            requests=settings.requests_per_minute,
            tokens=settings.tokens_per_minute,
            section=section,
        )
        secrets = settings.keys()
        self._http = HttpClient(f"The {name}", settings.url, clock, setting=f"{section}.url", secrets=secrets)
        self._clock = clock
        self._chance = chance
        self._places = asyncio.Semaphore(settings.concurrency)
        self._trouble: tuple[float, ServerAway] | None = None
        """When the server was last found not to answer, and why; None once it answered."""

    async def close(self) -> None:
        """Close every connection."""
        await self._http.close()

    async def post(
        self,
        path: str,
        body: dict[str, Any] | bytes,
        limits: Limits,
        read: Callable[[Reply], T],
        *,
        tokens: float = 0.0,
        media_type: str | None = None,
    ) -> T:
        """Return what `read` makes of the answer; it raises BadAnswer with a clause about the server, as "it …".

        `body`: JSON, or bytes of that `media_type`.

        Raises ServerAway while the server cannot be asked, BadAnswer for an answer that makes no sense, and
        QuestionRefused where this question itself is what the server does not take.
        """
        async with self._places:
            try:
                return await self._ask(tokens, partial(self._ask_once, path, body, limits, read, media_type))
            except ServerAway as error:
                self._trouble = (self._clock.monotonic(), error)
                raise

    def findings(self) -> list[Finding]:
        """Return what a person should know of: a server that lately gave no answer, and the keys that are set aside."""
        now, found = self._clock.monotonic(), list[Finding]()
        if self._trouble is not None and now - self._trouble[0] < TROUBLE_SECONDS:
            what = self._trouble[1]
            found = [Finding(what.error_code, "warning", what.message, what.remedy or "", self.name)]
        return found + [
            Finding(
                KeyRefused.code,
                "warning",
                f"Key {key.number} of the {self.name} is not used: {key.aside_why}",
                f"Replace it in {self._section}.api_key or {self._section}.api_keys, and restart.",
                subject=f"{self._section} key {key.number}",
            )
            for key in self.keys.all
            if key.aside_until > now
        ]

    async def _ask(self, tokens: float, ask_once: Callable[[Key], Awaitable[T]]) -> T:
        tries = 0
        while True:
            loan = await self.keys.lend(tokens, _untold)
            try:
                return await ask_once(loan.key)
            except KeyRefused as refused:
                self.keys.set_aside(loan.key, refused.message)
                log.warning("A key of a server is set aside.", server=self.name, key=loan.key.number)
            except ServerBusy as busy:
                tries += 1
                self._rest(busy, loan.key, tries)
                if tries >= TRIES_MOST:
                    raise

    async def _ask_once(
        self,
        path: str,
        body: dict[str, Any] | bytes,
        limits: Limits,
        read: Callable[[Reply], T],
        media_type: str | None,
        key: Key,
    ) -> T:
        headers = key.headers() | ({"Content-Type": media_type} if media_type else {})
        reply = await self._http.request("POST", path, limits, body=body, headers=headers)
        if reply.status != 200:
            raise self._verdict(reply, has_key=key.secret is not None)
        try:
            found = read(reply)
        except BadAnswer as error:
            said = as_sentence(f"The {self.name}: {self._http.told(error.message)}")
            raise BadAnswer(said, code=error.error_code, remedy=error.remedy, may_pass=True) from None
        self.keys.take_back(key)
        self._trouble = None
        return found

    def _verdict(self, reply: Reply, *, has_key: bool) -> DaemonError:
        complaint, status = read_complaint(reply.body), reply.status
        said = as_sentence(f"The {self.name} answered {status}: {self._http.told(complaint.message)}")
        if status in (401, 402, 403) or (status == 429 and complaint.code == "insufficient_quota"):
            if has_key:
                return KeyRefused(said)
            remedy = f"Set {self._section}.api_key to a key of the server."
            return ServerRefuses(said, remedy=remedy, code="ERR_KEY_WANTED")
        if status in (429, 503, 529):
            return ServerBusy(said, reply.retry_after(self._clock.now()), of_key=status == 429)
        if status == 404 and not complaint.is_page:
            remedy = f"Set {self._section}.model to a model that the server has."
            return ServerRefuses(said, remedy=remedy, code="ERR_MODEL_UNKNOWN")
        if status in (404, 405, 410, 501):
            remedy = f"Correct {self._section}.url: it is the address of an OpenAI-compatible server, up to /v1."
            return ServerRefuses(said, remedy=remedy, code="ERR_NO_SUCH_CALL")
        if 400 <= status < 500 and status not in (408, 409, 425):
            return QuestionRefused(said, complaint, status)
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


async def _untold(_seconds: float) -> None:
    pass
