"""The keys of a server, each used within what it allows a minute.

Time is the clock's, which limiters of libraries do not take: those count by the event loop's own time.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from daemons.clients.errors import ServerBusy, ServerRefuses
from daemons.clock import Clock

MINUTE = 60.0
ASIDE_SECONDS = 900.0
"""A refused key is tried again after so long: what it lacked may have been granted meanwhile."""
PATIENCE = 300.0
"""The longest wait for a key; who would have to wait longer is told, and decides."""


@dataclass(slots=True, eq=False)
class Entry:
    """What was used at one moment."""

    at: float
    amount: float


class Window:
    """At most so much in any minute; 0 is any amount."""

    def __init__(self, most: float) -> None:
        self._most = most
        self._entries: deque[Entry] = deque()
        self._used = 0.0

    def wait(self, amount: float, now: float) -> float:
        """Return the seconds until `amount` may be used. What is more than a minute's share may when nothing was."""
        self._forget(now)
        if not self._most or not self._entries:
            return 0.0
        over = self._used + amount - self._most
        for entry in self._entries:
            if over <= 0:
                return 0.0
            over -= entry.amount
            freed_at = entry.at + MINUTE
            if over <= 0:
                return freed_at - now
        return self._entries[-1].at + MINUTE - now

    def use(self, amount: float, now: float) -> Entry | None:
        """Note that `amount` is used now."""
        if not self._most:
            return None
        entry = Entry(now, amount)
        self._entries.append(entry)
        self._used += amount
        return entry

    def correct(self, entry: Entry | None, amount: float) -> None:
        """Note that it was another amount in the end."""
        if entry is not None and entry in self._entries:
            self._used += amount - entry.amount
            entry.amount = amount

    def _forget(self, now: float) -> None:
        while self._entries and self._entries[0].at + MINUTE <= now:
            self._used -= self._entries.popleft().amount


@dataclass(slots=True)
class Key:
    """One key, or the way without one, and when it may be used again."""

    number: int
    secret: str | None = field(repr=False)
    requests: Window
    tokens: Window
    last_turn: int = 0
    not_before: float = 0.0
    aside_until: float = 0.0
    aside_why: str | None = None

    def headers(self) -> dict[str, str]:
        """Return the header that shows it, if there is a key."""
        return {"Authorization": f"Bearer {self.secret}"} if self.secret else {}

    def wait(self, tokens: float, now: float) -> float:
        """Return the seconds until it may be used for a request of about so many tokens."""
        return max(self.not_before - now, self.requests.wait(1, now), self.tokens.wait(tokens, now), 0.0)


@dataclass(slots=True)
class Loan:
    """A key for one request, and what that is expected to use."""

    key: Key
    entry: Entry | None

    def used(self, tokens: float) -> None:
        """Note how many tokens it were in truth."""
        self.key.tokens.correct(self.entry, tokens)


class Keys:
    """Lends the key that has rested longest among those that may be used."""

    def __init__(
        self, secrets: Sequence[str], clock: Clock, *, requests: int, tokens: int, section: str = "vision"
    ) -> None:
        self._clock = clock
        self._section = section
        self._turns = 0
        self.all = [
            Key(number, secret, Window(requests), Window(tokens)) for number, secret in enumerate(secrets or [None], 1)
        ]

    async def lend(self, tokens: float, waiting: Callable[[float], Awaitable[None]]) -> Loan:
        """Wait for a key for about so many tokens. Raises ServerRefuses when all are set aside, or ServerBusy."""
        while True:
            now = self._clock.monotonic()
            seconds, _, key = min(
                ((key.wait(tokens, now), key.last_turn, key) for key in self._good(now)), key=lambda found: found[:2]
            )
            if seconds <= 0:
                break
            if seconds > PATIENCE:
                raise ServerBusy(f"The server wants no request for {seconds:,.0f} seconds.", seconds)
            await waiting(seconds)
            await self._clock.sleep(seconds)
        self._turns += 1
        key.last_turn = self._turns
        key.requests.use(1, now)
        return Loan(key, key.tokens.use(tokens, now))

    def set_aside(self, key: Key, why: str) -> None:
        """Use a key no more for a while, because it was refused."""
        key.aside_until, key.aside_why = self._clock.monotonic() + ASIDE_SECONDS, why

    def take_back(self, key: Key) -> None:
        """Use a key again: it was accepted."""
        key.aside_until, key.aside_why = 0.0, None

    def rest(self, key: Key, seconds: float) -> None:
        """Use a key no more for `seconds`."""
        key.not_before = max(key.not_before, self._clock.monotonic() + seconds)

    def rest_all(self, seconds: float) -> None:
        """Ask nothing at all for `seconds`."""
        for key in self.all:
            self.rest(key, seconds)

    def _good(self, now: float) -> list[Key]:
        good = [key for key in self.all if key.aside_until <= now]
        if good:
            return good
        raised = ServerRefuses(
            f"{'All keys are' if len(self.all) > 1 else 'The key is'} refused: {self.all[0].aside_why}",
            remedy=f"Set {self._section}.api_key (or {self._section}.api_keys) to keys that are good, and restart.",
            code="ERR_KEY_REFUSED",
        )
        raised.retry_after = min(key.aside_until for key in self.all) - now
        raise raised
