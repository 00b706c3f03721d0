"""Has records climb: takes those whose step is due in hand, runs the steps, and stores what they came to, many at once.

    claim ─▶ a place on the lane, a slot ─▶ step ─▶ one write for all that ended meanwhile ─▶ next step, or back in line

A record is in hand from its claim until what its step came to is committed. A step's slot is free as soon as the step
is over; where steps are short, more records than there are slots are held, so that no slot waits for a commit. A record
that somebody moves meanwhile may be taken in hand once more: in hand is a record under its fence.
"""

import asyncio
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from daemons.clock import Clock
from daemons.errors import DaemonError, ErrorInfo, Superseded, Unavailable
from daemons.handlers import JobContext, can_be_retried
from daemons.states import LogLevel
from daemons.workflows.polling.failure_lines import FailureLines
from daemons.workflows.polling.keeper import RecordKeeper, Settled
from daemons.workflows.polling.ladder import Ladder, Outcome, Step
from daemons.workflows.polling.records import DONE, FAILED, TIMED_OUT, Record
from daemons.workflows.polling.runs import Run, Runs, StepTimedOut
from daemons.workflows.polling.step_context import JobStepContext

T = TypeVar("T")
TOGETHER = 256
"""Records claimed, or steps stored, by one write at most: the first go on while others are written."""
WORTH_CLAIMING = 64
"""For fewer than these, or than half of what is held beyond the slots, it is not worth asking while others wait."""
HELD_SECONDS = 0.1
"""How long a record is to wait in hand for a slot at the most: another job may have one free for it."""
SPARE = 3.0
"""The most that are held beyond the slots, as a share of them."""
SPARE_WITH_NARROW_LANES = 1.0
"""The same where steps need what there is little of: they wait for that, however short the steps before them are."""
_LATEST = 0.05
"""What the latest step counts in how long they take of late."""
LANES = {"io": 1000, "cpu": 2, "model": 4}
"""Steps at a time of what they take; what takes neither processor nor model is bound by the slots alone."""
RETRY_SECONDS = 1.0
"""Until the database is asked again that was away."""


class NoStep(DaemonError):
    """The record stands where no step begins."""

    code = "ERR_STATUS_NOT_ON_LADDER"
    remedy = "Put it at a status of its ladder."


@dataclass
class Tally:
    """What a climb has done so far."""

    steps: int = 0
    chained: int = 0
    failed: int = 0
    complete: int = 0
    awaiting: int = 0
    parked: int = 0
    refused: int = 0


class Climber:
    """One job's climbing, until it is told to end or nothing is left to do."""

    def __init__(
        self,
        ctx: JobContext,
        keeper: RecordKeeper,
        ladders: Sequence[Ladder],
        options: Any,
        clock: Clock,
        *,
        concurrency: int,
        chain_limit: int,
        interval: float,
    ) -> None:
        self.tally = Tally()
        self._ctx = ctx
        self._failures = FailureLines(ctx, clock)
        self._keeper = keeper
        self._ladders = {ladder.name: ladder for ladder in ladders}
        self._options = options
        self._clock = clock
        self._concurrency = concurrency
        self._step_seconds = math.inf  #: how long a step takes of late
        self._chain_limit = chain_limit
        self._interval = interval
        self._spare_share = SPARE_WITH_NARROW_LANES if _have_narrow_lanes(ladders) else SPARE
        self._in_hand: dict[tuple[str, int], Record] = {}
        self._broken_off: list[Record] = []
        self._runs = Runs(clock, concurrency, LANES, self._over)
        self._settled: list[tuple[Settled, int]] = []
        self._claiming: asyncio.Future[tuple[Sequence[Record], datetime | None]] | None = None
        self._may_have_more = False  #: whether the last claim was of no fewer than it asked for
        self._something = asyncio.Event()
        self._has_settled = asyncio.Event()
        self._is_draining = False
        self._is_closing = False

    async def run(
        self, *, linger: float | None = None, until: float | None = None, until_settled: bool = False
    ) -> None:
        """Climb until nothing was due for `linger` seconds, or until the monotonic time `until`, or for ever.

        `until_settled`: what is due later is waited for too; the end is where every record is complete, parked, or
        waits for a person. Records of attempts that are over are taken back first, and every `interval` seconds.
        """
        with self._keeper.hearing(self._something.set, self._ladders):
            storing = asyncio.create_task(self._store(), name="storing steps")
            lingers = 0 if until_settled and linger is None else linger
            climbing = asyncio.create_task(self._climb(lingers, until, until_settled), name="climbing")
            watching = asyncio.create_task(self._runs.watch(), name="watching how long steps take")
            try:
                done, _ = await asyncio.wait({storing, climbing, watching}, return_when=asyncio.FIRST_COMPLETED)
                # The others never end but by an error, without which climbing would wait for ever.
                (climbing if climbing in done else done.pop()).result()
            finally:
                watching.cancel()
                await self._end(storing, climbing)

    def drain(self) -> None:
        """Begin no more steps, and give back what waits for one; `run` returns once those that run are stored."""
        self._is_draining = True
        self._something.set()
        for run in self._runs.forget():
            self._give_back(run.record)

    async def _climb(self, linger: float | None, until: float | None, until_settled: bool) -> None:
        looked = idle_since = None
        while True:
            self._something.clear()
            now = self._clock.monotonic()
            if looked is None:
                await self._written(self._keeper.wake)
            if looked is None or now - looked >= self._interval:
                await self._written(self._keeper.take_back)
                looked = now
            if until is not None and now >= until and not self._is_draining:
                self.drain()
            if self._is_draining:
                await self._release()
            due = None
            if not self._is_draining and (room := self._room()) > 0 and self._is_worth(room):
                due = await self._claim(min(room, TOGETHER))
            if self._in_hand:
                idle_since = None
            elif self._is_draining:
                return
            elif not self._something.is_set() and not (until_settled and await self._has_open()):
                # Else what was claimed was asked before the last of it came back in line.
                idle_since = now if idle_since is None else idle_since
                if linger is not None and now - idle_since >= linger:
                    return
            await self._clock.wait(self._something, self._pause(now, due, idle_since, linger, until))

    def _spare(self) -> int:
        """Return how many to hold beyond the slots: as many as begin soon, so that no slot waits for a commit."""
        turns = HELD_SECONDS / max(self._step_seconds, HELD_SECONDS / self._spare_share)
        return max(1, int(turns * self._concurrency))

    def _room(self) -> int:
        """Return how many more to take in hand."""
        # The slots are not for those that are stuck: others may have them, but no more than could be held anyway.
        ahead = min(self._runs.stuck, int(self._spare_share * self._concurrency))
        return self._concurrency + max(self._spare(), ahead) - len(self._in_hand)

    def _is_worth(self, room: int) -> bool:
        """Whether to ask for more: at once while nothing waits for a slot, else for several together."""
        return not self._runs.are_waiting or room >= min(WORTH_CLAIMING, self._spare() / 2)

    async def _written(self, unit: Callable[[Any], T]) -> T:
        """Write, again and again while the database is away: what was done must not be done twice for that."""
        while True:
            try:
                return await self._ctx.write(unit)
            except Unavailable as error:
                await self._ctx.log(LogLevel.WARNING, f"Waiting: {error.message}")
                await self._clock.sleep(RETRY_SECONDS)

    async def _has_open(self) -> bool:
        """Whether a record will go on by itself, now or later, by us or by another job."""
        is_open: bool = await self._written(partial(self._keeper.has_open, ladders=self._ladders))
        return is_open

    async def _claim(self, room: int) -> datetime | None:
        """Take up to so many in hand; return when the next is due."""
        claim = partial(self._keeper.claim, ladders=self._ladders, job_id=self._ctx.job_id, attempt=self._ctx.attempt)
        self._claiming = asyncio.ensure_future(self._written(partial(claim, limit=room)))
        # Whoever breaks off the climb meanwhile gives back what it took.
        claimed, due = await asyncio.shield(self._claiming)
        self._claiming = None
        for record in claimed:
            self._take(record, chained=0)
        self._may_have_more = len(claimed) == room
        if room == TOGETHER and self._may_have_more:
            self._something.set()
        return due

    def _pause(
        self, now: float, due: datetime | None, idle_since: float | None, linger: float | None, until: float | None
    ) -> float:
        """Return the seconds after which to look even if nothing happens."""
        waits = [self._interval]
        if due is not None and self._room() > 0:
            waits.append((due - self._clock.now()).total_seconds())
        if linger is not None and idle_since is not None:
            waits.append(idle_since + linger - now)
        if until is not None and now < until:
            waits.append(until - now)
        return max(0.001, min(waits))

    # One record.

    def _take(self, record: Record, chained: int) -> None:
        if self._is_draining:
            self._give_back(record)
            return
        self._in_hand[record.id, record.fence] = record
        self.tally.chained += chained > 0
        step = self._ladders[record.ladder].next_step(record)
        if step is None:
            step = Step("", _no_step, (), record.status)
            error = ErrorInfo.of(NoStep(f"{record.code} is at {record.status}, where no step begins."))
            self._note(Settled(record, step, self._clock.now(), 0.0, None, error, FAILED, is_hopeless=True), chained)
            return
        self._runs.add(Run(record, step, chained, JobStepContext(self._ctx, self._options, record, step.name)))

    def _over(self, run: Run, outcome: Outcome | None, error: BaseException | None) -> None:
        """Note what a step came to."""
        if isinstance(error, asyncio.CancelledError | Superseded):
            # The record has not failed.
            self._give_back(run.record)
            return
        if self._step_seconds == math.inf:
            self._step_seconds = run.seconds
        self._step_seconds += _LATEST * (run.seconds - self._step_seconds)
        if outcome is not None:
            goes_on = run.chained + 1 < self._chain_limit and not self._is_draining
            settled = Settled(run.record, run.step, run.began_at, run.seconds, outcome, may_go_on=goes_on)
        else:
            assert error is not None
            settled = _failed(run, error)
        self._note(settled, run.chained)

    def _note(self, settled: Settled, chained: int) -> None:
        self._settled.append((settled, chained))
        self._has_settled.set()
        if self._may_have_more and not self._runs.are_waiting:
            # For the slot that is free now: until this is stored another record can be in it.
            self._something.set()

    def _give_back(self, record: Record) -> None:
        self._in_hand.pop((record.id, record.fence), None)
        self._broken_off.append(record)
        self._something.set()

    async def _release(self) -> None:
        """Release what was given back."""
        while some := self._broken_off[:TOGETHER]:
            await self._written(partial(self._keeper.release, records=some))
            del self._broken_off[: len(some)]

    # Storing.

    async def _store(self) -> None:
        while self._settled or not self._is_closing:
            await self._has_settled.wait()
            batch, self._settled = self._settled[:TOGETHER], self._settled[TOGETHER:]
            if not self._settled:
                self._has_settled.clear()
            if batch:
                await self._settle(batch)
        await self._failures.tell_of_the_rest()

    async def _settle(self, batch: list[tuple[Settled, int]]) -> None:
        settled = [one for one, _ in batch]
        await self._keep_pictures(settled)
        unit = partial(_settle, keeper=self._keeper, ctx=self._ctx, settled=settled)
        after = await self._written(unit)
        for (one, chained), record in zip(batch, after, strict=True):
            self._in_hand.pop((one.record.id, one.record.fence), None)
            self._count(one, record)
            if record is not None and record.running_since is not None:
                self._take(record, chained + 1)
        self._something.set()
        # After all of them: who waits in between finds records neither in hand nor in line.
        for (one, _), record in zip(batch, after, strict=True):
            if record is not None and one.error is not None:
                await self._failures.tell(one, record)
        await self._ctx.progress(self.tally.steps, None, self.summary())

    async def _keep_pictures(self, settled: Sequence[Settled]) -> None:
        """Keep small copies before the records name them; a record without its picture is a record all the same."""
        for one in settled:
            if one.outcome is not None and one.outcome.thumbnail is not None:
                with suppress(OSError):
                    await self._keeper.pictures.keep(one.outcome.fields.get("thumbnail"), one.outcome.thumbnail)

    def _count(self, one: Settled, record: Record | None) -> None:
        tally = self.tally
        if record is None:
            tally.refused += 1
            return
        tally.steps += one.word == DONE
        tally.failed += one.word != DONE
        tally.complete += record.is_complete
        tally.parked += record.parked_at is not None
        tally.awaiting += record.status == self._ladders[record.ladder].awaiting

    def summary(self) -> str:
        """Say in a line what has been done."""
        tally = self.tally
        parts = [f"{tally.steps:,} {'step' if tally.steps == 1 else 'steps'}", f"{tally.complete:,} complete"]
        parts += [f"{tally.awaiting:,} {'awaits' if tally.awaiting == 1 else 'await'} input"] if tally.awaiting else []
        parts += [f"{tally.failed:,} failed"] if tally.failed else []
        parts += [f"{tally.parked:,} parked"] if tally.parked else []
        return ", ".join(parts)

    async def _end(self, storing: "asyncio.Task[None]", climbing: "asyncio.Task[None]") -> None:
        """Break off what is in hand and give it back; store what is over."""
        self._is_draining = self._is_closing = True
        climbing.cancel()
        await asyncio.gather(climbing, return_exceptions=True)
        await self._runs.break_off()
        # Not cancelled: nobody would know then whether its last write was committed.
        self._has_settled.set()
        await asyncio.gather(storing, return_exceptions=True)
        if self._claiming is not None:
            await asyncio.wait({self._claiming})
            # Who ends the whole loop cancels it, too.
            if not self._claiming.cancelled() and self._claiming.exception() is None:
                self._broken_off += self._claiming.result()[0]
        self._broken_off += self._in_hand.values()
        await self._release()


def _have_narrow_lanes(ladders: Sequence[Ladder]) -> bool:
    return any(LANES[step.lane] < LANES["io"] for ladder in ladders for step in ladder.steps)


def _failed(run: Run, error: BaseException) -> Settled:
    return Settled(
        run.record,
        run.step,
        run.began_at,
        run.seconds,
        error=ErrorInfo.of(error),
        word=TIMED_OUT if isinstance(error, StepTimedOut) else FAILED,
        is_hopeless=not can_be_retried(error),
        is_away=isinstance(error, Unavailable),
        # Whoever knows when it is worth trying again says so.
        pause=float(getattr(error, "retry_after", None) or 0.0),
    )


def _settle(tx: Any, keeper: RecordKeeper, ctx: JobContext, settled: Sequence[Settled]) -> Sequence[Record | None]:
    return keeper.settle(tx, ctx.job_id, ctx.attempt, settled)


async def _no_step(_ctx: Any, _record: Record) -> Outcome:
    raise NoStep
