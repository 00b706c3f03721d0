"""Passwords: checked slowly, a few at a time, and ever more seldom for who guesses."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

from daemons.clock import Clock
from daemons.common_passwords import is_common
from daemons.errors import Fatal, Invalid, Unavailable

PASSWORD_CHARACTERS = range(8, 1025)
ADVISED_CHARACTERS = 15
VERIFIED_AT_ONCE = 2
"""Argon2 takes 19 MiB each time: a flood of sign-ins must not become a flood of memory."""
WAITING_AT_ONCE = 50
"""Sign-ins that wait for their turn; with more, the next are told to come back."""
_MEMORY_KIB, _ROUNDS = 19 * 1024, 2
_NOBODYS = f"$argon2id$v=19$m={_MEMORY_KIB},t={_ROUNDS},p=1${{salt}}${{hash}}".format(
    salt=base64.b64encode(bytes(16)).decode().rstrip("="), hash=base64.b64encode(bytes(32)).decode().rstrip("=")
)
"""What the password of an unknown user is compared with, so that the answer takes as long as for a known one."""


class TooManyTries(Unavailable):
    """There were too many failed sign-ins from your address."""

    code = "ERR_TOO_MANY_TRIES"

    def __init__(self, seconds: float) -> None:
        self.retry_after = max(1, round(seconds))
        super().__init__(remedy=f"Wait {self.retry_after} seconds, then try again.")


class UnsafeSettings(Fatal):
    """The settings would let strangers in."""

    code = "ERR_UNSAFE_SETTINGS"
    exit_code = 78


class WeakPassword(Invalid):
    """That password does not protect anything."""

    code = "ERR_WEAK_PASSWORD"
    remedy = f"Take {ADVISED_CHARACTERS} characters or more: a few words of your own are easy to remember."


def check_strength(password: str, *, name: str = "") -> None:
    """Raise WeakPassword unless `password` may protect the user `name`. Any characters will do."""
    if len(password) < PASSWORD_CHARACTERS[0]:
        raise WeakPassword(f"A password has at least {PASSWORD_CHARACTERS[0]} characters.")
    if len(password) > PASSWORD_CHARACTERS[-1]:
        raise WeakPassword(f"A password has at most {PASSWORD_CHARACTERS[-1]} characters.")
    if is_common(password, also=(name,) if name else ()):
        raise WeakPassword("That password is among the first that guessers try.")


class PasswordVerifier:
    """Makes and checks hashes of passwords, a few at a time and never on the event loop."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=_ROUNDS, memory_cost=_MEMORY_KIB, parallelism=1)
        self._seats = asyncio.Semaphore(VERIFIED_AT_ONCE)
        self._waiting = 0

    async def learn(self, password: str) -> str:
        """Return the hash of a password of the settings, which may be a hash already. Raises UnsafeSettings."""
        if password.startswith("$argon2"):
            return _checked(password)
        try:
            check_strength(password)
        except WeakPassword as error:
            raise UnsafeSettings(f"The password in the settings: {error.message}", remedy=error.remedy) from error
        return await self.hash(password)

    async def hash(self, password: str) -> str:
        """Return the Argon2 hash of `password`."""
        async with self._seat():
            return await asyncio.to_thread(self._hasher.hash, password)

    async def accepts(self, password_hash: str | None, password: str) -> bool:
        """Whether `password` is the one behind the hash; without a hash it never is, and that takes as long."""
        if len(password) > PASSWORD_CHARACTERS[-1]:
            return False
        async with self._seat():
            try:
                return await asyncio.to_thread(self._hasher.verify, password_hash or _NOBODYS, password)
            except (VerificationError, InvalidHashError):
                return False

    async def renewed(self, password_hash: str, password: str) -> str | None:
        """Return a new hash where the old one was made with other parameters than ours."""
        return await self.hash(password) if self._hasher.check_needs_rehash(password_hash) else None

    @asynccontextmanager
    async def _seat(self) -> AsyncIterator[None]:
        if self._waiting >= WAITING_AT_ONCE:
            raise Unavailable("Too many people sign in at once.")
        self._waiting += 1
        try:
            async with self._seats:
                yield
        finally:
            self._waiting -= 1


class Throttle:
    """Makes who guesses wait longer with each failure past the fifth of a name, or the fifteenth of an address.

    Never for more than five minutes, and never for who comes by a link: nobody can lock the owner out.
    """

    FREE = 5
    FREE_FOR_AN_ADDRESS = 15
    LONGEST = 300.0
    KEPT = 4096

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: dict[tuple[str, str | None], tuple[int, float]] = {}

    def count(self, address: str, name: str = "") -> None:
        """Count one more try of `address` as `name`. Raises TooManyTries while it has to wait."""
        now = self._clock.monotonic()
        limits = {(address, name): self.FREE, (address, None): self.FREE_FOR_AN_ADDRESS}
        wait = max(self._failures.get(who, (0, 0.0))[1] for who in limits) - now
        if wait > 0:
            raise TooManyTries(wait)
        for who, free in limits.items():
            failures = self._failures.pop(who, (0, 0.0))[0] + 1
            # Of the exponent too: a float ends at two to the 1,024th.
            delay = min(self.LONGEST, 2.0 ** min(failures - free, 10)) if failures >= free else 0.0
            self._failures[who] = (failures, now + delay)
        # Who was quiet longest goes first.
        while len(self._failures) > self.KEPT:
            del self._failures[next(iter(self._failures))]

    def forget(self, address: str, name: str = "") -> None:
        """Forgive who signed in."""
        self._failures.pop((address, name), None)
        self._failures.pop((address, None), None)


def _checked(password_hash: str) -> str:
    try:
        extract_parameters(password_hash)
    except InvalidHashError as error:
        raise UnsafeSettings("The password in the settings begins like an Argon2 hash but is none.") from error
    return password_hash
