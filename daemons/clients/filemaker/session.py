"""The one session that all calls share: begun when it is wanted, renewed once for everybody, ended at the end."""

import asyncio
import copy
from collections.abc import Awaitable, Callable

from daemons.clients.filemaker.errors import AccountRefused
from daemons.clock import Clock
from daemons.errors import DaemonError

IDLE_SECONDS = 14 * 60.0
"""FileMaker ends a session that was not used for 15 minutes; a call with it then would be in vain."""
REFUSED_SECONDS = 300.0
"""So long no other login is tried with an account that was refused: FileMaker may lock it."""


class Session:
    """A token, and who may get another one: one caller at a time, for all that wait."""

    def __init__(self, log_in: Callable[[], Awaitable[str]], clock: Clock) -> None:
        self._log_in = log_in
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token: str | None = None
        self._used_at = 0.0
        self._failures = 0
        self._failure: DaemonError | None = None
        self._refused_until = 0.0

    async def token(self) -> str:
        """Return a token to call with. Raises what a login raises; who waited for one that failed tries no other."""
        if (token := self._good()) is not None:
            return token
        failures = self._failures
        async with self._lock:
            # Others have begun one meanwhile, or failed to.
            if (token := self._good()) is not None:
                return token
            if self._failure is not None and (failures != self._failures or self._is_refused()):
                raise copy.copy(self._failure)
            return await self._renew()

    def used(self, token: str) -> None:
        """Note that FileMaker took the token."""
        if token == self._token:
            self._used_at = self._clock.monotonic()

    def refused(self, token: str) -> None:
        """Note that FileMaker did not take the token. Another one, begun meanwhile, is not touched."""
        if token == self._token:
            self._token = None

    def end(self) -> str | None:
        """Return the token of a session that still is, which is used no more."""
        token, self._token = self._good(), None
        return token

    async def _renew(self) -> str:
        self._token = None
        try:
            token = await self._log_in()
        except DaemonError as error:
            self._failures += 1
            self._failure = copy.copy(error)
            if isinstance(error, AccountRefused):
                self._refused_until = self._clock.monotonic() + REFUSED_SECONDS
            raise
        self._failure, self._token, self._used_at = None, token, self._clock.monotonic()
        return token

    def _is_refused(self) -> bool:
        return self._clock.monotonic() < self._refused_until

    def _good(self) -> str | None:
        return self._token if self._clock.monotonic() - self._used_at < IDLE_SECONDS else None
