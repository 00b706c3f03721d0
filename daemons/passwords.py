"""The one password: checked slowly, a few at a time, and ever more seldom for an address that guesses."""

import asyncio

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

from daemons.clock import Clock
from daemons.errors import Fatal, Unavailable

PASSWORD_CHARACTERS = range(8, 1025)
VERIFIED_AT_ONCE = 2
"""Argon2 takes 19 MiB each time: a flood of sign-ins must not become a flood of memory."""


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


class PasswordVerifier:
    """Checks the password, a few at a time and never on the event loop."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self._seats = asyncio.Semaphore(VERIFIED_AT_ONCE)
        self._hash = ""

    async def learn(self, password: str) -> None:
        """Take the password, or its Argon2 hash, from the settings."""
        if password.startswith("$argon2"):
            self._hash = _checked(password)
        elif len(password) not in PASSWORD_CHARACTERS:
            raise UnsafeSettings("The password has fewer than 8 or more than 1024 characters.")
        else:
            self._hash = await asyncio.to_thread(self._hasher.hash, password)

    @property
    def is_ready(self) -> bool:
        return bool(self._hash)

    async def accepts(self, password: str) -> bool:
        """Whether `password` is the one that was learned."""
        if not self._hash or len(password) > PASSWORD_CHARACTERS[-1]:
            return False
        async with self._seats:
            try:
                return await asyncio.to_thread(self._hasher.verify, self._hash, password)
            except VerificationError:
                return False


class Throttle:
    """Makes an address wait longer with each failed sign-in after the fifth; never for more than five minutes."""

    FREE = 5
    LONGEST = 300.0
    ADDRESSES = 4096

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: dict[str, tuple[int, float]] = {}

    def count(self, address: str) -> None:
        """Count one more try. Raises TooManyTries while the address has to wait."""
        failures, not_before = self._failures.pop(address, (0, 0.0))
        now = self._clock.monotonic()
        if now < not_before:
            self._failures[address] = (failures, not_before)
            raise TooManyTries(not_before - now)
        failures += 1
        delay = min(self.LONGEST, 2.0 ** (failures - self.FREE)) if failures >= self.FREE else 0.0
        self._failures[address] = (failures, now + delay)
        # The address that was quiet longest goes first.
        while len(self._failures) > self.ADDRESSES:
            del self._failures[next(iter(self._failures))]

    def forget(self, address: str) -> None:
        """Forgive an address that signed in."""
        self._failures.pop(address, None)


def _checked(password_hash: str) -> str:
    try:
        extract_parameters(password_hash)
    except InvalidHashError as error:
        raise UnsafeSettings("The password in the settings begins like an Argon2 hash but is none.") from error
    return password_hash
