"""The OpenAI-compatible server that describes pictures: Ollama, llama.cpp, vLLM, LM Studio, or one on the internet.

Everybody in this process shares one client, so that a server's limits are kept by all jobs together:

    a place at the server ─▶ a key with room ─▶ POST /v1/chat/completions ─▶ read without trust
         a busy server: rest, then again      a refused key: set aside, the next one
         a doubtful answer: is a tiny picture answered? Then it is the picture, else the server is away;
         a picture at which it goes away again and again is to blame all the same
"""

import asyncio
import random
from base64 import b64encode
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, NoReturn, Self

import structlog

from daemons.clients.asking import Answer, Ask
from daemons.clients.base import LATE, HttpClient, Limits, Reply, as_sentence
from daemons.clients.chat_answers import Complaint, Said, read_answer, read_complaint, read_models
from daemons.clients.chat_verdicts import REFUSED_QUESTION, KeyRefused, ParameterRefused, away, verdict
from daemons.clients.errors import BadAnswer, ImageRefused, NotConfigured, ServerAway, ServerBusy
from daemons.clients.rates import Key, Keys
from daemons.clients.server_report import PROBE, SECONDS, Problem, ServerReport, examine
from daemons.clients.suspects import Suspects
from daemons.clients.tiny_picture import tiny_picture
from daemons.clock import Clock
from daemons.errors import DaemonError
from daemons.findings import Finding
from daemons.settings.vision import VisionSettings
from daemons.tasks import beside

TRIES_MOST = 4
"""Times a busy server is asked for one picture before that is told."""
TRIES_OF_DOUBT = 2
WARM_SECONDS = 240.0
"""A model that answered within so long is still loaded: Ollama unloads it after five minutes."""
SLOW_SECONDS = 10.0
"""An answer that takes longer at the beginning is told to be late because of the model."""
LIST_SECONDS = 15.0
TROUBLE_SECONDS = 3600.0
"""What was wrong longer ago, without anybody asking since, is told no more: it may be over."""
_IMAGE_TOKENS = 1000
"""A guess, to keep within a server's limit until its own count is known."""

Tell = Callable[[str], Awaitable[None]]
"""How the caller hears what is waited for."""

log = structlog.get_logger("daemondeck.vision")


async def _untold(reason: str) -> None:
    pass


class VisionClient:
    """One server, its keys and what it allows; made by `Clients`."""

    def __init__(self, settings: VisionSettings, clock: Clock, *, chance: Callable[[], float] = random.random) -> None:
        if not settings.url:
            raise NotConfigured("vision.url")
        self.settings = settings
        self.keys = Keys(
            settings.keys(), clock, requests=settings.requests_per_minute, tokens=settings.tokens_per_minute
        )
        self._http = HttpClient("The vision server", settings.url, clock, setting="vision.url", secrets=settings.keys())
        self._clock = clock
        self._chance = chance
        self._places = asyncio.Semaphore(settings.concurrency)
        self._probing = asyncio.Lock()
        self._testing = asyncio.Lock()
        self.last_report: ServerReport | None = None
        self._suspects = Suspects()
        self._trouble: tuple[float, Problem] | None = None
        """When the server was last found not to answer, and why; None once it answered."""
        self._answered_at: dict[str, float] = {}
        self._without: dict[str, frozenset[str]] = {}
        """Parameters that a model does not take."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def describe(self, jpeg: bytes, ask: Ask, *, model: str = "", tell: Tell = _untold) -> Answer:
        """Return what the model says of the picture; `tell` hears what is waited for, if that takes long.

        Raises ServerAway when the server cannot be asked now, whatever the picture: the caller waits and comes again.
        Raises ImageFailed when it is this picture, and NotConfigured when no model is named anywhere.
        """
        model = model or self.settings.model
        if not model:
            raise NotConfigured("vision.model")
        async with self._places:
            try:
                said, seconds = await self._ask_or_find_out(jpeg, ask, model, tell)
            except ServerAway as error:
                self._trouble = (self._clock.monotonic(), Problem.of(error))
                raise
        if said.failure is not None:
            raise said.failure
        return Answer(said.text, said.model or model, said.finish, said.prompt_tokens, said.output_tokens, seconds)

    async def check(self, model: str = "") -> ServerReport:
        """Return whether the server can be worked with, what it lists, and what to mend; never raises for that."""
        async with self._testing:
            begun = ServerReport(self._clock.now(), self.settings.url, model or self.settings.model, works=False)
            self.last_report = report = await examine(self, begun)
        if report.problem is not None:
            self._trouble = (self._clock.monotonic(), report.problem)
        return report

    @property
    def all_keys(self) -> Sequence[Key]:
        """Every key, set aside or not; one without a secret where none is set."""
        return self.keys.all

    async def models(self) -> tuple[str, ...]:
        """Return the models that the server lists, by the first good key. Raises ServerAway or BadAnswer."""
        now = self._clock.monotonic()
        key = next((key for key in self.keys.all if key.aside_until <= now), self.keys.all[0])
        reply = await self._http.request("GET", "/models", Limits(total=LIST_SECONDS), headers=key.headers())
        try:
            if reply.status == 200:
                return read_models(reply.body)
            said = f"it answered {reply.status}: {read_complaint(reply.body).message}"
        except BadAnswer as error:
            said = error.message
        raise BadAnswer(as_sentence(f"The vision server: {self._http.told(said)}"))

    def findings(self) -> list[Finding]:
        """Return what a person should know of: a server that lately gave no answer, and the keys that are set aside."""
        now, found = self._clock.monotonic(), list[Finding]()
        if self._trouble is not None and now - self._trouble[0] < TROUBLE_SECONDS:
            what = self._trouble[1]
            found = [Finding(what.code, "warning", what.message, what.remedy, "vision server", link="/system#vision")]
        return found + [
            Finding(
                "ERR_KEY_REFUSED",
                "warning",
                f"Key {key.number} of the vision server is not used: {key.aside_why}",
                "Replace it in vision.api_key or vision.api_keys, and restart.",
                subject=f"vision key {key.number}",
            )
            for key in self.keys.all
            if key.aside_until > now
        ]

    # One picture.

    async def _ask_or_find_out(self, jpeg: bytes, ask: Ask, model: str, tell: Tell) -> tuple[Said, float]:
        try:
            return await self._ask(jpeg, ask, model, tell)
        except BadAnswer as doubt:
            await self._find_out(doubt, ask, model)

    async def _ask(
        self, jpeg: bytes, ask: Ask, model: str, tell: Tell, *, is_probe: bool = False, warm_up: float | None = None
    ) -> tuple[Said, float]:
        """Return what is said of the picture, and in how many seconds. Raises ServerAway or BadAnswer."""
        tries = 0
        while True:
            loan = await self.keys.lend(_expected_tokens(ask), partial(_tell_wait, tell))
            try:
                said, seconds = await self.ask_once(jpeg, ask, model, loan.key, tell=tell, warm_up=warm_up)
            except (KeyRefused, ParameterRefused):
                continue  # The next key, or without the parameter: neither comes twice.
            except ServerBusy as busy:
                tries += 1
                self._rest(busy, loan.key, tries)
                if tries >= TRIES_MOST:
                    raise
            except BadAnswer as doubt:
                tries += 1
                if not is_probe and self._suspects.is_guilty(jpeg):
                    raise _blame(doubt, "So it was each time, while others were answered.") from doubt
                if not doubt.may_pass or tries >= TRIES_OF_DOUBT:
                    raise
                await self._clock.sleep(self._pause(tries))
            else:
                self._suspects.clear(jpeg)
                loan.used((said.prompt_tokens or 0) + (said.output_tokens or 0))
                return said, seconds

    async def ask_once(
        self, jpeg: bytes, ask: Ask, model: str, key: Key, *, tell: Tell = _untold, warm_up: float | None = None
    ) -> tuple[Said, float]:
        """Ask with this key, once, and keep what that says of the key. Raises what `describe` does, and BadAnswer."""
        now, answered_at = self._clock.monotonic(), self._answered_at.get(model)
        is_warm = answered_at is not None and now - answered_at < WARM_SECONDS
        patience = self.settings.warm_up if warm_up is None else warm_up
        seconds = ask.timeout if is_warm else max(ask.timeout, patience)
        question = _question(jpeg, ask, model, self._without.get(model, frozenset()))
        async with beside(self._tell_slow(tell, model, is_warm), "slow answer"):
            reply = await self._http.request(
                "POST",
                "/chat/completions",
                Limits(total=seconds, silence=seconds),
                body=question,
                headers=key.headers(),
            )
        try:
            said = self._read(reply, key)
        except KeyRefused as refused:
            self.keys.set_aside(key, refused.message)
            log.warning("A key of the vision server is set aside.", key=key.number, reason=refused.message)
            raise
        except ParameterRefused as refused:
            known = self._without.get(model, frozenset())
            if refused.name in known:
                raise BadAnswer(refused.message, code=REFUSED_QUESTION) from refused
            self._without[model] = known | {refused.name}
            raise
        self.keys.take_back(key)
        self._answered_at[model] = self._clock.monotonic()
        self._trouble = None
        self._suspects.answered()
        return said, reply.seconds

    def _read(self, reply: Reply, key: Key) -> Said:
        if reply.status == 200:
            try:
                return read_answer(reply.body)
            except BadAnswer as error:
                said = as_sentence(f"The vision server: {self._http.told(error.message)}")
                raise BadAnswer(said, may_pass=True) from None
        complaint = read_complaint(reply.body)
        told = Complaint(
            self._http.told(complaint.message),
            complaint.code,
            complaint.param,
            is_page=complaint.is_page,
            is_flagged=complaint.is_flagged,
        )
        raise verdict(reply.status, told, reply.retry_after(self._clock.now()), has_key=key.secret is not None)

    # When it does not go well.

    def _rest(self, busy: ServerBusy, key: Key, tries: int) -> None:
        seconds = self._pause(tries) if busy.retry_after is None else busy.retry_after + self._chance()
        busy.retry_after = seconds
        if busy.is_of_key:
            self.keys.rest(key, seconds)
        else:
            self.keys.rest_all(seconds)

    def _pause(self, tries: int) -> float:
        return float(2**tries * (0.5 + self._chance()))

    async def _find_out(self, doubt: BadAnswer, ask: Ask, model: str) -> NoReturn:
        """Tell whose fault a bad answer is: a server that answers for a tiny picture is well."""
        # Who was late has had the time to load the model.
        warm_up = 0.0 if doubt.error_code == LATE else None
        async with self._probing:
            try:
                probe = Ask(PROBE.prompt, PROBE.max_tokens, ask.temperature, max(ask.timeout, SECONDS))
                tiny = await asyncio.to_thread(tiny_picture)
                await self._ask(tiny, probe, model, _untold, is_probe=True, warm_up=warm_up)
            except BadAnswer as same:
                raise away(same) from doubt
        raise _blame(doubt, "A tiny picture was answered.") from doubt

    async def _tell_slow(self, tell: Tell, model: str, is_warm: bool) -> None:
        await self._clock.sleep(SLOW_SECONDS)
        # Whoever cannot hear it now (its job may have been lost) learns why from its next own call.
        with suppress(DaemonError):
            if not is_warm:
                await tell(f"Waiting for the vision server to load the model {model}")


def _blame(doubt: BadAnswer, why: str) -> ImageRefused:
    return ImageRefused(f"{doubt.message} {why}", code=doubt.error_code, remedy=doubt.remedy)


async def _tell_wait(tell: Tell, seconds: float) -> None:
    if seconds >= 1:
        await tell(f"Waiting {seconds:.0f} seconds for the vision server, which takes no more requests now")


def _expected_tokens(ask: Ask) -> float:
    return _IMAGE_TOKENS + len(ask.prompt) / 4 + ask.max_tokens


def _question(jpeg: bytes, ask: Ask, model: str, without: frozenset[str]) -> dict[str, Any]:
    picture = {"url": f"data:image/jpeg;base64,{b64encode(jpeg).decode()}"}
    content = [{"type": "text", "text": ask.prompt}, {"type": "image_url", "image_url": picture}]
    question: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": content}],
        "stream": False,
        "max_completion_tokens" if "max_tokens" in without else "max_tokens": ask.max_tokens,
    }
    return question if "temperature" in without else question | {"temperature": ask.temperature}
