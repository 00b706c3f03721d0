"""A storm: every step fails three times of ten, and workers die; all records end at the top, waiting or parked."""

import asyncio
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from daemons.bus import Bus
from daemons.database import Database
from daemons.errors import Superseded
from daemons.workflows.polling.climber import Climber
from daemons.workflows.polling.keeper import NewRecord, Reason, Record, RecordFilter, RecordKeeper
from daemons.workflows.polling.ladder import Ladder, Outcome, Step, StepContext
from tests.engine_deck import keeper_tools
from tests.fake_clock import FakeClock
from tests.workflows.polling.test_climbing import Job

RECORDS, BREEZE, STEPS, FAILING, DYING = 1_000, 20, 5, 0.3, 0.4
ASKING, TOP = "asking", f"{STEPS}"
LIVES_MOST = 500


class DyingJob(Job):
    """One whose process dies at a write: from then on nothing of it is stored, and nothing given back."""

    def __init__(self, database: Database, writes: int) -> None:
        super().__init__(database)
        self._left = writes

    async def write(self, unit: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise Superseded
        return await super().write(unit)


class Storm:
    """Steps that fail by the dice, and what they really did."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.tries: Counter[int] = Counter()

    async def step(self, _ctx: StepContext, record: Record) -> Outcome:
        self.tries[record.number] += 1
        if self.dice.random() < FAILING:
            raise OSError("the storm")
        at = int(record.status)
        if at == STEPS - 1 and self.dice.random() < 0.1:
            return Outcome({f"step {at}": True}, to=ASKING, reasons=[Reason("dice", "Look at it.")])
        return Outcome({f"step {at}": True})

    def ladder(self) -> Ladder:
        steps = tuple(Step(f"step {at}", self.step, (f"{at}",), f"{at + 1}") for at in range(STEPS))
        statuses = (*(f"{at}" for at in range(STEPS)), ASKING, TOP)
        return Ladder("storm", "Storm", "S", steps, statuses, frozenset({TOP}), awaiting=ASKING)


async def climb_to_the_end(database: Database, keeper: RecordKeeper, clock: FakeClock, storm: Storm) -> int:
    """Have all of them climb, in as many lives as it takes; return how many."""
    for life in range(1, LIVES_MOST):
        dies = storm.dice.random() < DYING
        job: Any = DyingJob(database, storm.dice.randrange(2, 8)) if dies else Job(database)
        ladders = list(keeper.ladders.values())
        climber = Climber(job, keeper, ladders, None, clock, concurrency=50, chain_limit=3, interval=10)
        await asyncio.gather(climber.run(linger=0), return_exceptions=dies)
        seconds = await keeper.seconds_until_due(["storm"])
        if seconds != float("inf"):
            clock.leap(seconds)
        elif not (await keeper.list(RecordFilter(state="running"), limit=1)).items:
            return life
    raise AssertionError("it does not end")


@pytest.mark.timeout(180)
@pytest.mark.databases("sqlite")
@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
async def test_a_storm_leaves_each_record_at_an_end_that_is_told(
    database: Database, clock: FakeClock, bus: Bus, seed: int
) -> None:
    note(f"seed {seed}")
    storm = Storm(seed)
    keeper = RecordKeeper(keeper_tools(database, clock, bus=bus), {"storm": storm.ladder()})
    # What is drawn first is the simplest: a breeze.
    records = RECORDS if seed else BREEZE
    new = [NewRecord("storm", "0", f"/{seed}/{number}") for number in range(records)]
    added = await keeper.add(new, by="test")

    lives = await climb_to_the_end(database, keeper, clock, storm)

    ends: Counter[str] = Counter()
    for record in [await keeper.get(one.id) for one in added]:
        story = [one for one in await keeper.story(record) if one.step]
        done = [one for one in story if one.outcome == "done"]
        passed = [f"step {at}" for at in range(STEPS) if record.fields.get(f"step {at}")]
        # In its place, with what brought it there, each step's effect once.
        assert sorted(one.step for one in done) == passed
        assert len(passed) == (STEPS if record.status == ASKING else int(record.status))
        assert record.running_since is None and record.due_at is None
        # Every try is told: of those that died between effect and commit as lost, of others by what they came to.
        since = next((at for at, one in enumerate(story) if one.outcome == "done"), len(story))
        assert record.attempts == since
        if record.is_complete:
            ends["complete"] += 1
        elif record.status == ASKING:
            assert record.reasons
            ends["waiting"] += 1
        else:
            assert record.parked_at is not None and record.error is not None and record.attempts == 5
            ends["parked"] += 1
    note(f"{lives} lives, {dict(ends)}")
    assert ends.total() == records
    assert lives > 1
