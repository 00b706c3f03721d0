"""Calls of the Data API: within a session and the limits, again where that may help, an error where it does not.

a place ─▶ a turn within the minute ─▶ a token ─▶ call ─▶ read without trust
    the session is over: a new one, once          somebody has the record open: a while later
    a busy server: rest, then again               an answer lost: again, if to do it twice is to do it once
"""

import asyncio
import random
import ssl
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NoReturn
from urllib.parse import quote, urlencode

from daemons.clients.base import LATE, MEBIBYTE, HttpClient, Limits, Reply
from daemons.clients.errors import BadAnswer, NotConfigured, ServerAway, ServerBusy
from daemons.clients.filemaker.answers import read_response, read_token
from daemons.clients.filemaker.errors import QuotaUsed, RecordInUse, SessionRefused, TokenRefused
from daemons.clients.filemaker.session import Session
from daemons.clients.rates import Keys
from daemons.clock import Clock
from daemons.errors import DaemonError
from daemons.settings import MASK
from daemons.settings.filemaker import FileMakerSettings
from daemons.values import JsonValue

NAME = "FileMaker"
TRIES_MOST = 5
"""Times a record in use is written, or a busy server asked, before that is told."""
TRIES_OF_DOUBT = 2
LOGOUT = Limits(total=2.0, connect=1.0)
"""A session that was not ended ends by itself; the end of the process does not wait for it."""
ANSWER_MEBIBYTES = 32
INLINE_BYTES = 256 * 1024
"""A larger answer is read in a thread."""


class Connection:
    """The way to one database."""

    def __init__(self, settings: FileMakerSettings, clock: Clock, chance: Callable[[], float] = random.random) -> None:
        if (unset := settings.unset()) is not None:
            raise NotConfigured(unset)
        self._settings = settings
        self._clock = clock
        self._chance = chance
        self._http = HttpClient(
            NAME,
            settings.url,
            clock,
            setting="filemaker.url",
            secrets=settings.keys(),
            tls=self._trusted,
            certificate="filemaker.certificate",
        )
        self._limits = Limits(settings.timeout, silence=settings.timeout, size=ANSWER_MEBIBYTES * MEBIBYTE)
        self._turns = Keys([], clock, requests=settings.requests_per_minute, tokens=0, section="filemaker")
        self._places = asyncio.Semaphore(settings.concurrency)
        self._session = Session(self._log_in, clock)
        self._root = f"/fmi/data/{settings.version}"
        self._database = f"{self._root}/databases/{quote(settings.database, safe='')}"

    async def close(self) -> None:
        """End the session, for which a server has little room, and every connection."""
        if (token := self._session.end()) is not None:
            with suppress(DaemonError):
                await self._http.request("DELETE", f"{self._database}/sessions/{token}", LOGOUT)
        await self._http.close()

    async def call(
        self,
        method: str,
        *path: str,
        query: Mapping[str, str] | None = None,
        body: JsonValue | bytes = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = True,
    ) -> dict[str, Any]:
        """Return what FileMaker answers below the database. Raises ServerAway, BadAnswer or an error of `errors`.

        `repeatable`: whether doing it twice comes to the same as once, so that it is done again when an answer is lost.
        """
        where = self._database + "".join(f"/{quote(part, safe='')}" for part in path)
        where += f"?{urlencode(query, quote_via=quote)}" if query else ""
        async with self._places:
            return await self._try(method, where, body, headers or {}, repeatable=repeatable)

    async def product(self) -> dict[str, Any]:
        """Return what the server is, which it tells without a session. Raises ServerAway or BadAnswer."""
        reply = await self._http.request("GET", f"{self._root}/productInfo", self._limits)
        return await self._read(reply)

    async def log_in(self) -> None:
        """Have a session. Raises ServerAway, BadAnswer or AccountRefused."""
        await self._session.token()

    # One call.

    async def _try(
        self, method: str, where: str, body: JsonValue | bytes, headers: Mapping[str, str], *, repeatable: bool
    ) -> dict[str, Any]:
        tries, is_renewed = 0, False
        while True:
            await self._turn()
            token = await self._session.token()
            try:
                return await self._once(method, where, body, headers, token)
            except TokenRefused as refused:
                self._session.refused(token)
                if is_renewed:
                    raise SessionRefused(refused.message) from refused
                is_renewed = True
            except QuotaUsed as used:
                self._turns.rest_all(used.retry_after or 0.0)
                raise
            except ServerBusy as busy:
                tries += 1
                await self._rest(busy, tries)
            except RecordInUse:
                tries += 1
                if tries >= TRIES_MOST:
                    raise
                await self._clock.sleep(self._pause(tries))
            except BadAnswer as doubt:
                tries += 1
                if not (repeatable and doubt.may_pass) or tries >= TRIES_OF_DOUBT:
                    _tell(doubt)
                await self._clock.sleep(self._pause(tries))

    async def _once(
        self, method: str, where: str, body: JsonValue | bytes, headers: Mapping[str, str], token: str
    ) -> dict[str, Any]:
        shown = {"Authorization": f"Bearer {token}", **headers}
        reply = await self._http.request(method, where, self._limits, body=body, headers=shown)
        try:
            response = await self._read(reply, token)
        except TokenRefused:
            raise
        except DaemonError:
            # Whatever it said no to: it took the token, whose time begins anew.
            self._session.used(token)
            raise
        self._session.used(token)
        return response

    async def _log_in(self) -> str:
        password = self._settings.password.get_secret_value() if self._settings.password else ""
        pair = b64encode(f"{self._settings.user}:{password}".encode()).decode()
        await self._turn()
        headers = {"Authorization": f"Basic {pair}"}
        try:
            reply = await self._http.request(
                "POST", f"{self._database}/sessions", self._limits, body={}, headers=headers
            )
            return read_token(reply, await self._read(reply))
        except TokenRefused as refused:
            raise SessionRefused(refused.message) from refused
        except ServerBusy as busy:
            self._turns.rest_all(self._pause(1) if busy.retry_after is None else busy.retry_after)
            raise
        except BadAnswer as doubt:
            _tell(doubt)

    async def _read(self, reply: Reply, token: str = "") -> dict[str, Any]:
        def told(words: str) -> str:
            return self._http.told(words.replace(token, MASK) if token else words)

        retry_after = reply.retry_after(self._clock.now())
        if len(reply.body) <= INLINE_BYTES:
            return read_response(reply, retry_after, told)
        return await asyncio.to_thread(read_response, reply, retry_after, told)

    # Limits.

    async def _turn(self) -> None:
        await self._turns.lend(0.0, _untold)

    async def _rest(self, busy: ServerBusy, tries: int) -> None:
        seconds = self._pause(tries) if busy.retry_after is None else busy.retry_after + self._chance()
        busy.retry_after = seconds
        self._turns.rest_all(seconds)
        if tries >= TRIES_MOST:
            raise busy

    def _pause(self, tries: int) -> float:
        return float(2**tries * (0.5 + self._chance()))

    def _trusted(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self._settings.certificate is not None:
            try:
                context.load_verify_locations(self._settings.certificate)
            except OSError as error:
                raise ServerAway(
                    f"The certificate {self._settings.certificate} cannot be read: {error.strerror or error}.",
                    remedy="Correct filemaker.certificate: a PEM file that this user may read.",
                    code="ERR_CERTIFICATE_FILE",
                ) from error
        if not self._settings.verify_tls:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context


async def _untold(seconds: float) -> None:
    pass


def _tell(doubt: BadAnswer) -> NoReturn:
    """Raise what a bad answer means to callers: what may pass is the server's trouble, as if it were away."""
    if doubt.may_pass or doubt.error_code == LATE:
        raise ServerAway(doubt.message, code=doubt.error_code, remedy=doubt.remedy) from doubt
    raise doubt
