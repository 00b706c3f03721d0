"""Writes what steps failed of into the log of the job and of each record, never so fast that steps had to wait."""

from daemons.clock import Clock
from daemons.handlers import JobContext
from daemons.states import LogLevel
from daemons.workflows.polling.keeper import Settled
from daemons.workflows.polling.records import Record

A_SECOND = 50
"""Half of what a job may log before it is slowed down: steps log, too."""


class FailureLines:
    """One climb's lines: a line for each failed try, while they are few; of a storm the number of those left out."""

    def __init__(self, ctx: JobContext, clock: Clock) -> None:
        self._ctx = ctx
        self._clock = clock
        self._second = clock.monotonic()
        self._told = 0
        self._left_out = 0

    async def tell(self, one: Settled, after: Record) -> None:
        """Tell of a try that failed, with what the record is then. A wait for what is away is told once."""
        if one.error is None or (one.is_away and one.record.error and one.record.error.code == one.error.code):
            return
        if self._clock.monotonic() - self._second >= 1.0:
            await self.tell_of_the_rest()
            self._second, self._told = self._clock.monotonic(), 0
        if self._told >= A_SECOND:
            self._left_out += 1
            return
        self._told += 1
        level = LogLevel.ERROR if after.parked_at is not None else LogLevel.WARNING
        await self._ctx.log(level, _line(one, after), item_id=after.id)

    async def tell_of_the_rest(self) -> None:
        """Tell how many failures have no line."""
        if self._left_out:
            left_out, self._left_out = self._left_out, 0
            said = f"{left_out:,} more failures came too fast to be told here; each record's story has its own."
            await self._ctx.log(LogLevel.WARNING, said)


def _line(one: Settled, after: Record) -> str:
    assert one.error is not None
    what = f"{one.step.title or one.step.name}: " if one.step.name else ""
    end = "parked" if after.parked_at is not None else f"try {after.attempts} of {one.step.max_attempts}"
    return f"{after.code}: {what}{one.error.code}: {one.error.message} ({'waiting' if one.is_away else end})"
