"""How much the program itself logs, changed for a while: it goes back by itself."""

import asyncio
import logging
from datetime import datetime, timedelta

from daemons.clock import Clock
from daemons.logs import set_level

LONGEST = timedelta(days=1)


class LogLevelSwitch:
    """Changes the level of this process's own log; `usual` is what the settings say."""

    def __init__(self, usual: str, clock: Clock) -> None:
        self.usual = usual
        self._clock = clock
        self.until: datetime | None = None
        """When it goes back by itself, None while it is as usual."""
        self._reverting: asyncio.Task[None] | None = None

    @property
    def level(self) -> str:
        """What is logged now, at least."""
        return logging.getLevelName(logging.getLogger().getEffectiveLevel()).lower() if self.until else self.usual

    def switch(self, level: str, length: timedelta) -> None:
        """Log `level` and above until `length` has passed; the usual level ends an earlier change at once."""
        self.back()
        if level == self.usual:
            return
        set_level(level)
        self.until = self._clock.now() + length
        self._reverting = asyncio.create_task(self._revert(length.total_seconds()), name="log level")

    async def _revert(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._reverting = None
        self.back()

    def back(self) -> None:
        """Log as usual again. Safe to call at any time."""
        if self._reverting is not None:
            self._reverting.cancel()
            self._reverting = None
        if self.until is not None:
            set_level(self.usual)
            self.until = None
