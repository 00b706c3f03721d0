"""Records climb: each on its own, many steps in one go, in vain only so often, and never twice with one effect."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from daemons.bus import Bus
from daemons.database import Database
from daemons.errors import Conflict, Permanent, Unavailable
from daemons.handlers import JobFailed
from daemons.ids import new_id
from daemons.states import JobState, LogLevel
from daemons.workflows.polling.climber import TOGETHER, Climber
from daemons.workflows.polling.failure_lines import A_SECOND
from daemons.workflows.polling.keeper import NewRecord, Reason, Record, RecordFilter, RecordKeeper, RecordLocked
from daemons.workflows.polling.keeper.moving import StatusNotOnLadder
from daemons.workflows.polling.keeper.rows import StaleRecord
from daemons.workflows.polling.ladder import Ladder, Outcome, Step, StepContext
from tests.engine_deck import keeper_tools
from tests.fake_clock import FakeClock
from tests.web.drawn import a_job

NEW, FOUND, COPIED, ASKING, FORCED, TOP = "new", "found", "copied", "asking", "go on", "top"
BOUND = 20.0


class Broken(Permanent):
    """The thing is broken for good."""

    code = "ERR_BROKEN"


class World:
    """What the steps do, and how they are told to fail."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.effects: Counter[tuple[str, str]] = Counter()
        self.fails: dict[str, list[BaseException]] = {}
        self.gates: dict[str, asyncio.Event] = {}
        self.order: list[str] = []
        self.says = ""
        """What every step logs."""
        self.at_once = self.most_at_once = 0

    async def find(self, ctx: StepContext, record: Record) -> Outcome:
        return await self._do(ctx, "find", record, Outcome({"size": 3, "file_name": "DSC_1.jpg"}))

    async def copy(self, ctx: StepContext, record: Record) -> Outcome:
        return await self._do(ctx, "copy", record, Outcome({"path": f"/library/{record.title}"}))

    async def judge(self, ctx: StepContext, record: Record) -> Outcome:
        if not record.fields.get("caption"):
            reason = Reason("no_caption", "It has no caption.", "caption")
            return await self._do(ctx, "judge", record, Outcome(to=ASKING, reasons=[reason]))
        return await self._do(ctx, "judge", record, Outcome())

    async def resume(self, ctx: StepContext, record: Record) -> Outcome:
        return await self._do(ctx, "resume", record, Outcome(note="A person had it go on."))

    async def _do(self, ctx: StepContext, name: str, record: Record, outcome: Outcome) -> Outcome:
        self.order.append(f"{record.title}.{name}")
        if self.says:
            await ctx.log(LogLevel.INFO, self.says)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if gate := self.gates.get(name):
                await gate.wait()
            if self.fails.get(name):
                raise self.fails[name].pop(0)
            self.effects[name, record.code] += 1
            return outcome
        finally:
            self.at_once -= 1
            self._clock.leap(0.001)

    def ladder(self) -> Ladder:
        return Ladder(
            "things",
            "Things",
            "TH",
            steps=(
                Step("find", self.find, (NEW,), FOUND),
                Step("copy", self.copy, (FOUND,), COPIED, timeout=5),
                Step("resume", self.resume, (FORCED,), TOP),
                Step("judge", self.judge, (COPIED, ASKING), TOP),
            ),
            statuses=(NEW, FOUND, COPIED, ASKING, FORCED, TOP),
            final=frozenset({TOP}),
            awaiting=ASKING,
            forced=FORCED,
        )


class Job:
    """The JobContext of one climb, as far as climbing needs it."""

    def __init__(self, database: Database) -> None:
        self.job_id, self.attempt = new_id(), 1
        self.lines: list[tuple[str | None, str]] = []
        self._database = database

    async def write(self, unit: Any) -> Any:
        return await self._database.write(unit)

    async def progress(self, done: float, total: float | None = None, text: str | None = None) -> None:
        self.text = text

    async def log(self, level: LogLevel | str, message: object, *, item_id: str | None = None) -> None:
        self.lines.append((item_id, str(message)))


class SlowToStore(Job):
    """Stores no step until it may."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.may_store = asyncio.Event()

    async def write(self, unit: Any) -> Any:
        if getattr(unit, "keywords", {}).get("settled"):
            await self.may_store.wait()
        return await super().write(unit)


@pytest.fixture
def world(clock: FakeClock) -> World:
    return World(clock)


@pytest.fixture
def keeper(database: Database, clock: FakeClock, bus: Bus, world: World) -> RecordKeeper:
    return RecordKeeper(keeper_tools(database, clock, bus=bus), {"things": world.ladder()})


@pytest.fixture
def job(database: Database) -> Job:
    return Job(database)


def climber(job: Any, keeper: RecordKeeper, *, concurrency: int = 4, chain_limit: int = 5) -> Climber:
    ladders = list(keeper.ladders.values())
    return Climber(
        job, keeper, ladders, None, keeper.clock, concurrency=concurrency, chain_limit=chain_limit, interval=10
    )


async def added(keeper: RecordKeeper, *titles: str, **fields: Any) -> Sequence[Record]:
    new = [NewRecord("things", NEW, f"/drop/{title}", title, fields) for title in titles]
    return await keeper.add(new, by="test")


async def climbed(job: Job, keeper: RecordKeeper, **how: Any) -> Climber:
    """Climb until nothing is due."""
    running = climber(job, keeper, **how)
    async with asyncio.timeout(BOUND):
        await running.run(linger=0)
    return running


async def test_a_record_climbs_in_one_go_and_tells_its_story(keeper: RecordKeeper, job: Job, world: World) -> None:
    await added(keeper, "one", caption="A dog")

    done = await climbed(job, keeper)

    record = await keeper.get("TH0001")
    story = await keeper.story(record)
    assert (record.status, record.is_complete, record.due_at, record.running_since) == (TOP, True, None, None)
    assert record.fields == {"caption": "A dog", "size": 3, "file_name": "DSC_1.jpg", "path": "/library/one"}
    assert record.provenance["path"]["by"] == "copy" and record.provenance["caption"]["by"] == "test"
    assert [(one.step, one.old, one.new) for one in reversed(story)] == [
        ("find", NEW, FOUND),
        ("copy", FOUND, COPIED),
        ("judge", COPIED, TOP),
    ]
    assert (done.tally.steps, done.tally.chained, done.tally.complete) == (3, 2, 1)
    assert job.text == "3 steps, 1 complete"


async def test_a_title_that_somebody_gave_stays_and_without_one_the_files_name_is_it(
    keeper: RecordKeeper, job: Job
) -> None:
    given, without = await keeper.add(
        [NewRecord("things", NEW, "/a", "The harbour"), NewRecord("things", NEW, "/b")], by="test"
    )

    await climbed(job, keeper)

    assert [(await keeper.get(one.id)).title for one in (given, without)] == ["The harbour", "DSC_1.jpg"]


async def test_what_a_step_says_is_the_records_and_the_jobs(keeper: RecordKeeper, job: Job, world: World) -> None:
    world.says = "TH0002: looked at"
    first, second = await added(keeper, "a", "b")

    await climber(job, keeper).run(linger=0)

    assert {item_id for item_id, said in job.lines if said == "TH0001: TH0002: looked at"} == {first.id}
    assert {item_id for item_id, said in job.lines if said == "TH0002: TH0002: looked at"} == {second.id}


async def test_what_is_added_twice_is_one_record(keeper: RecordKeeper) -> None:
    [first], [again] = await added(keeper, "one"), await added(keeper, "one")
    [other] = await added(keeper, "two")

    assert first == again
    assert (first.code, other.code) == ("TH0001", "TH0002")


async def test_what_many_add_at_the_same_moment_is_one_record(keeper: RecordKeeper) -> None:
    made = await asyncio.gather(*(added(keeper, "one", "two", "three") for _ in range(8)))

    assert len({record.id for records in made for record in records}) == 3


async def test_a_person_is_asked_and_the_answer_goes_on_at_once(keeper: RecordKeeper, job: Job, world: World) -> None:
    [record] = await added(keeper, "one")
    await climbed(job, keeper)
    waiting = await keeper.get(record.id)
    assert job.text.endswith("0 complete, 1 awaits input")

    edited = await keeper.edit(record.id, {"caption": "A cat"}, who="ana", revision=waiting.revision)
    await climbed(job, keeper)

    assert (waiting.status, waiting.due_at, waiting.reasons[0].field) == (ASKING, None, "caption")
    assert edited.due_at is not None and edited.provenance["caption"]["by"] == "ana"
    assert (await keeper.get(record.id)).is_complete
    assert world.effects["find", "TH0001"] == world.effects["copy", "TH0001"] == 1


async def test_a_forced_record_goes_on_as_it_is(keeper: RecordKeeper, job: Job) -> None:
    [record] = await added(keeper, "one")
    with pytest.raises(Conflict):
        await keeper.force_resume(record.id, who="ana")
    await climbed(job, keeper)

    await keeper.force_resume(record.id, who="ana")
    await climbed(job, keeper)

    newest, moved, *_ = await keeper.story(await keeper.get(record.id))
    assert (newest.step, newest.note) == ("resume", "A person had it go on.")
    assert (moved.outcome, moved.by, moved.new) == ("moved", "ana", FORCED)


async def test_a_failed_step_is_tried_again_later_and_parked_in_the_end(
    keeper: RecordKeeper, job: Job, world: World, clock: FakeClock
) -> None:
    world.fails["copy"] = [OSError(f"no. {number}") for number in range(5)]
    [record] = await added(keeper, "one", caption="A dog")
    waits = []
    for _ in range(5):
        await climbed(job, keeper)
        failed = await keeper.get(record.id)
        waits.append((failed.due_at - clock.now()).total_seconds() if failed.due_at else None)
        await clock.advance(waits[-1] or 0)

    assert waits == [2, 4, 8, 16, None]
    assert (failed.status, failed.attempts, failed.parked_at is not None) == (FOUND, 5, True)
    assert failed.error is not None and "no. 4" in failed.error.message
    told = [said for item_id, said in job.lines if item_id == record.id]
    assert len(told) == 5
    assert told[0].startswith("TH0001: copy: ERR_") and told[0].endswith("no. 0 (try 1 of 5)")
    assert told[4].endswith("no. 4 (parked)")
    assert [one.id for one in (await keeper.list(RecordFilter(state="parked"))).items] == [record.id]

    await keeper.retry(record.id, who="ana")
    await climbed(job, keeper)
    assert (await keeper.get(record.id)).is_complete


async def test_what_needs_a_disk_that_is_away_waits_for_it(
    keeper: RecordKeeper, job: Job, world: World, clock: FakeClock
) -> None:
    world.fails["copy"] = [Unavailable("The disk is away.") for _ in range(8)]
    [record] = await added(keeper, "one", caption="A dog")
    for _ in range(8):
        await climbed(job, keeper)
        failed = await keeper.get(record.id)
        assert failed.parked_at is None and failed.due_at is not None
        await clock.advance((failed.due_at - clock.now()).total_seconds())
    await climbed(job, keeper)

    assert (await keeper.get(record.id)).is_complete
    assert [said for item_id, said in job.lines if item_id == record.id] == [
        "TH0001: copy: ERR_BUSY: The disk is away. (waiting)"
    ]


async def test_of_a_storm_of_failures_so_many_are_told_as_nobody_waits_for(
    keeper: RecordKeeper, job: Job, world: World
) -> None:
    world.fails["find"] = [Broken() for _ in range(A_SECOND + 5)]
    await added(keeper, *map(str, range(A_SECOND + 5)))

    done = await climbed(job, keeper)

    assert done.tally.parked == A_SECOND + 5
    assert len([said for item_id, said in job.lines if item_id]) == A_SECOND
    assert [said for item_id, said in job.lines if not item_id] == [
        "5 more failures came too fast to be told here; each record's story has its own."
    ]


async def test_what_no_try_can_mend_is_parked_at_once(keeper: RecordKeeper, job: Job, world: World) -> None:
    world.fails["find"] = [Broken()]
    [record] = await added(keeper, "one")

    done = await climbed(job, keeper)

    parked = await keeper.get(record.id)
    assert parked.error is not None and parked.error.code == "ERR_BROKEN"
    assert parked.parked_at is not None and done.tally.parked == 1


async def test_a_step_that_takes_too_long_is_broken_off(
    keeper: RecordKeeper, job: Job, world: World, clock: FakeClock
) -> None:
    world.gates["copy"] = asyncio.Event()
    [record] = await added(keeper, "one")
    running = asyncio.create_task(climber(job, keeper).run(linger=0))
    await clock.idle()
    await clock.advance(5.0)
    async with asyncio.timeout(BOUND):
        await running

    late = await keeper.get(record.id)
    [newest, *_] = await keeper.story(late)
    assert late.error is not None and late.error.code == "ERR_STEP_TIMED_OUT"
    assert (newest.outcome, newest.seconds) == ("timed out", pytest.approx(5, abs=0.01))


async def test_who_moves_a_record_meanwhile_wins(
    keeper: RecordKeeper, job: Job, world: World, clock: FakeClock
) -> None:
    world.gates["copy"] = asyncio.Event()
    [record] = await added(keeper, "one", caption="A dog")
    running = asyncio.create_task(climber(job, keeper).run(linger=0))
    await clock.idle()
    in_hand = await keeper.get(record.id)
    await keeper.move(record.id, ASKING, who="ana", note="Look at it first")
    world.gates["copy"].set()
    async with asyncio.timeout(BOUND):
        await running

    moved = await keeper.get(record.id)
    outcomes = [(one.step, one.outcome) for one in await keeper.story(moved)]
    assert in_hand.running_since is not None
    assert (moved.status, moved.due_at, moved.fields.get("path")) == (ASKING, None, None)
    assert outcomes == [("copy", "refused"), ("", "moved"), ("find", "done")]


async def test_what_a_person_writes_meanwhile_stays(
    keeper: RecordKeeper, job: Job, world: World, clock: FakeClock
) -> None:
    world.gates["copy"] = asyncio.Event()
    [record] = await added(keeper, "one", caption="A dog")
    running = asyncio.create_task(climber(job, keeper).run(linger=0))
    await clock.idle()
    clock.leap(1)
    await keeper.edit(record.id, {"path": "mine", "caption": "A big dog"}, who="ana")
    world.gates["copy"].set()
    async with asyncio.timeout(BOUND):
        await running

    after = await keeper.get(record.id)
    assert after.is_complete
    assert (after.fields["path"], after.fields["caption"], after.fields["size"]) == ("mine", "A big dog", 3)


async def test_what_a_dead_process_held_is_taken_back_at_once(
    keeper: RecordKeeper, job: Job, database: Database, world: World
) -> None:
    [record] = await added(keeper, "one", caption="A dog")
    await database.write(partial(keeper.claim, ladders=["things"], job_id=new_id(), attempt=1, limit=5))

    await climbed(job, keeper)

    after = await keeper.get(record.id)
    assert after.is_complete
    assert [one.outcome for one in await keeper.story(after)] == ["done", "done", "done", "lost"]


async def test_a_climb_until_all_is_settled_waits_for_later_tries_and_for_nothing_else(
    keeper: RecordKeeper, job: Job, world: World, clock: FakeClock
) -> None:
    world.fails["copy"] = [OSError("for now")]
    await added(keeper, "one", caption="A dog")
    await added(keeper, "two")
    nothing_yet = await keeper.news("things")
    climbing = climber(job, keeper)
    running = asyncio.create_task(climbing.run(linger=None, until=clock.monotonic() + 3600, until_settled=True))
    await clock.idle()
    meanwhile = await keeper.news("things", nothing_yet.last)
    await clock.advance(2)
    async with asyncio.timeout(BOUND):
        await running

    after = await keeper.news("things", meanwhile.last)
    assert (nothing_yet.tries, nothing_yet.standing.due, nothing_yet.standing.is_settled) == ((), 2, False)
    assert (meanwhile.standing.due, meanwhile.standing.awaiting, meanwhile.standing.is_settled) == (1, 1, False)
    assert [(one.code, one.what.step, one.what.outcome) for one in meanwhile.tries if one.what.error] == [
        ("TH0001", "copy", "failed")
    ]
    assert [(one.code, one.what.step, one.what.new) for one in after.tries] == [
        ("TH0001", "copy", COPIED),
        ("TH0001", "judge", TOP),
    ]
    assert (after.standing.complete, after.standing.awaiting, after.standing.is_settled) == (1, 1, True)
    assert (climbing.tally.failed, climbing.tally.complete, climbing.tally.awaiting) == (1, 1, 1)


async def test_a_polite_end_gives_back_what_is_in_hand(
    keeper: RecordKeeper, job: Job, world: World, clock: FakeClock
) -> None:
    world.gates["copy"] = asyncio.Event()
    [record] = await added(keeper, "one", caption="A dog")
    running = asyncio.create_task(climber(job, keeper).run(linger=0))
    await clock.idle()
    running.cancel()
    async with asyncio.timeout(BOUND):
        await asyncio.gather(running, return_exceptions=True)

    given_back = await keeper.get(record.id)
    assert (given_back.status, given_back.attempts, given_back.running_since) == (FOUND, 0, None)
    assert given_back.due_at == clock.now()


async def test_once_it_is_to_end_no_step_begins_and_what_waited_is_given_back(
    keeper: RecordKeeper, world: World, clock: FakeClock, database: Database
) -> None:
    job = SlowToStore(database)
    world.gates["find"] = asyncio.Event()
    await added(keeper, *(f"{number:02}" for number in range(5)), caption="A dog")
    climbing = climber(job, keeper, concurrency=2)
    running = asyncio.create_task(climbing.run())
    await clock.idle()
    in_hand = (await keeper.news("things")).standing.running
    gate = world.gates.pop("find")
    world.gates["find"] = asyncio.Event()
    gate.set()
    await clock.idle()
    climbing.drain()
    await clock.idle()
    meanwhile = (await keeper.news("things")).standing
    world.gates["find"].set()
    job.may_store.set()
    async with asyncio.timeout(BOUND):
        await running
    standing = (await keeper.news("things")).standing

    assert in_hand == 3
    assert (meanwhile.running, meanwhile.due) == (4, 1)
    assert sorted(world.order) == [f"{number:02}.find" for number in range(4)]
    assert (standing.total, standing.due, standing.running) == (5, 5, 0)
    assert (climbing.tally.steps, climbing.tally.chained) == (4, 0)


async def test_who_has_nothing_to_do_ends_as_soon_as_told_to(keeper: RecordKeeper, job: Job, clock: FakeClock) -> None:
    climbing = climber(job, keeper)
    running = asyncio.create_task(climbing.run())
    await clock.idle()
    climbing.drain()
    async with asyncio.timeout(BOUND):
        await running


async def test_what_is_given_back_another_climb_takes_at_once(
    keeper: RecordKeeper, job: Job, world: World, clock: FakeClock, database: Database
) -> None:
    class Patient(Job):
        async def write(self, unit: Any) -> Any:
            if "limit" in getattr(unit, "keywords", {}):
                await may_ask.wait()
            return await super().write(unit)

    may_ask = asyncio.Event()
    world.gates["find"] = asyncio.Event()
    first, second = climber(job, keeper, concurrency=1), climber(Patient(database), keeper, concurrency=1)
    running = [asyncio.create_task(one.run()) for one in (first, second)]
    await clock.idle()
    await added(keeper, "00", "01", caption="A dog")
    await clock.idle()
    may_ask.set()
    await clock.idle()
    before = list(world.order)
    first.drain()
    await clock.idle()
    after = list(world.order)
    second.drain()
    world.gates["find"].set()
    async with asyncio.timeout(BOUND):
        await asyncio.gather(*running)

    assert (before, after) == (["00.find"], ["00.find", "01.find"])


async def test_what_was_being_taken_in_hand_when_the_climb_was_broken_off_is_given_back(
    keeper: RecordKeeper, world: World, clock: FakeClock, database: Database
) -> None:
    class SlowToAnswer(Job):
        async def write(self, unit: Any) -> Any:
            answer = await super().write(unit)
            if getattr(unit, "keywords", {}).get("limit"):
                await may_answer.wait()
            return answer

    may_answer = asyncio.Event()
    [record] = await added(keeper, "one", caption="A dog")
    running = asyncio.create_task(climber(SlowToAnswer(database), keeper).run())
    await clock.idle()
    held = await keeper.get(record.id)
    running.cancel()
    await clock.idle()
    may_answer.set()
    async with asyncio.timeout(BOUND):
        await asyncio.gather(running, return_exceptions=True)
    given_back = await keeper.get(record.id)

    assert held.running_since is not None
    assert (given_back.running_since, given_back.due_at, given_back.attempts) == (None, clock.now(), 0)
    assert world.order == []


async def test_a_record_that_is_moved_while_it_waits_for_a_slot_is_taken_again_and_given_back(
    keeper: RecordKeeper, job: Job, world: World, clock: FakeClock
) -> None:
    world.gates["find"] = asyncio.Event()
    await added(keeper, "00", caption="A dog")
    [record] = await added(keeper, "01", caption="A dog")
    climbing = climber(job, keeper, concurrency=1)
    running = asyncio.create_task(climbing.run())
    await clock.idle()
    world.gates["find"].set()
    world.gates["copy"] = asyncio.Event()
    world.gates["find"] = asyncio.Event()
    await clock.idle()
    waiting = await keeper.get(record.id)
    await keeper.move(record.id, NEW, who="a person")
    await clock.idle()
    climbing.drain()
    world.gates["find"].set()
    world.gates["copy"].set()
    async with asyncio.timeout(BOUND):
        await running
    standing = (await keeper.news("things")).standing

    assert waiting.running_since is not None
    assert (standing.running, standing.due) == (0, 2)


async def test_a_climb_does_not_end_under_a_record_that_was_moved_and_taken_again(
    keeper: RecordKeeper, job: Job, world: World, clock: FakeClock
) -> None:
    first = world.gates["find"] = asyncio.Event()
    [record] = await added(keeper, "one", caption="A dog")
    running = asyncio.create_task(climber(job, keeper).run(linger=0))
    await clock.idle()
    world.gates["find"] = asyncio.Event()
    await keeper.move(record.id, NEW, who="a person")
    await clock.idle()
    first.set()
    await clock.idle()
    is_over = running.done()
    world.gates["find"].set()
    async with asyncio.timeout(BOUND):
        await running

    assert world.order[:2] == ["one.find", "one.find"]
    assert not is_over
    assert (await keeper.get(record.id)).is_complete


async def test_the_database_is_asked_for_more_once_a_write_where_it_had_none_left(
    database: Database, clock: FakeClock, bus: Bus
) -> None:
    class Counting(Job):
        asked = stored = 0

        async def write(self, unit: Any) -> Any:
            given = getattr(unit, "keywords", {})
            self.asked += "limit" in given
            self.stored += "settled" in given
            return await super().write(unit)

    turns = asyncio.Semaphore(0)

    async def find(_ctx: StepContext, _record: Record) -> Outcome:
        await turns.acquire()
        return Outcome()

    ladder = Ladder("things", "Things", "TH", (Step("find", find, (NEW,), TOP),), (NEW, TOP), frozenset({TOP}))
    keeper, job = RecordKeeper(keeper_tools(database, clock, bus=bus), {"things": ladder}), Counting(database)
    await added(keeper, *(f"{number:02}" for number in range(6)))
    running = asyncio.create_task(climber(job, keeper, concurrency=8).run(linger=0))
    await clock.idle()
    before = job.asked
    for _ in range(6):
        turns.release()
        await clock.idle()
    async with asyncio.timeout(BOUND):
        await running

    assert (job.stored, job.asked - before) == (6, 6)


async def test_what_waits_for_a_narrow_lane_keeps_no_other_record_from_a_free_slot(
    database: Database, clock: FakeClock, bus: Bus, job: Job
) -> None:
    begun: list[str] = []
    models = asyncio.Semaphore(0)

    async def find(_ctx: StepContext, record: Record) -> Outcome:
        begun.append(record.title)
        return Outcome()

    async def describe(_ctx: StepContext, _record: Record) -> Outcome:
        await models.acquire()
        return Outcome()

    steps = Step("find", find, (NEW,), FOUND), Step("describe", describe, (FOUND,), TOP, lane="model")
    ladder = Ladder("things", "Things", "TH", steps, (NEW, FOUND, TOP), frozenset({TOP}))
    keeper = RecordKeeper(keeper_tools(database, clock, bus=bus), {"things": ladder})
    await added(keeper, *(f"{number:02}" for number in range(40)))
    running = asyncio.create_task(climber(job, keeper, concurrency=8).run(linger=0))
    await clock.idle()
    at_first, held = len(begun), (await keeper.news("things")).standing.running
    await clock.advance(5)
    models.release()
    await clock.idle()
    later = len(begun)
    for _ in range(39):
        models.release()
    async with asyncio.timeout(BOUND):
        await running

    assert (at_first, held, later) == (16, 16, 17)


async def test_a_step_whose_job_is_cancelled_with_the_climb_has_not_failed(
    database: Database, clock: FakeClock, bus: Bus
) -> None:
    class Cancelled(Job):
        is_cut = False

        async def spawn(self, type: str, args: Any, *, key: str) -> Any:
            return None

        async def wait_for(self, job: Any, *, keeps_slot: bool) -> Any:
            raise JobFailed(replace(a_job(), state=JobState.CANCELLED))

        def raise_if_cancelled(self) -> None:
            if self.is_cut:
                climbing.drain()
                raise asyncio.CancelledError

    async def ask(ctx: StepContext, record: Record) -> Outcome:
        await ctx.job("describe_image", {})
        return Outcome()

    ladder = Ladder("asks", "Asks", "AS", (Step("ask", ask, (NEW,), TOP),), (NEW, TOP), frozenset({TOP}))
    keeper = RecordKeeper(keeper_tools(database, clock, bus=bus), {"asks": ladder})
    job = Cancelled(database)
    job.is_cut = True
    [record] = await keeper.add([NewRecord("asks", NEW, "/one", "one")], by="test")
    climbing = climber(job, keeper)
    async with asyncio.timeout(BOUND):
        await climbing.run()
    given_back = await keeper.get(record.id)

    job.is_cut = False
    climbing = climber(job, keeper)
    async with asyncio.timeout(BOUND):
        await climbing.run(linger=0)

    assert (given_back.attempts, given_back.parked_at, given_back.running_since) == (0, None, None)
    assert given_back.due_at == clock.now()
    assert [one.outcome for one in await keeper.story(record)] == ["failed"]
    assert (await keeper.get(record.id)).parked_at is not None


async def test_no_more_steps_at_a_time_than_slots_and_nobody_starves(
    keeper: RecordKeeper, job: Job, world: World, clock: FakeClock
) -> None:
    world.gates["find"] = asyncio.Event()
    await added(keeper, *(f"{number:02}" for number in range(20)), caption="A dog")
    running = asyncio.create_task(climber(job, keeper, concurrency=2, chain_limit=1).run(linger=0))
    await clock.idle()
    begun = list(world.order)
    world.gates["find"].set()
    async with asyncio.timeout(BOUND):
        await running

    assert begun == ["00.find", "01.find"]
    assert world.most_at_once == 2
    assert len(world.order) == 60
    assert world.order.index("19.find") < world.order.index("00.judge")
    assert [column.complete for column in await keeper.board("things")][-1] == 20


async def test_what_is_written_in_parts_fills_all_slots_and_ends_without_a_look_around(
    keeper: RecordKeeper, job: Job, world: World, clock: FakeClock
) -> None:
    many = 2 * TOGETHER + 1
    world.gates["find"] = asyncio.Event()
    await added(keeper, *(f"{number:03}" for number in range(many)), caption="A dog")
    before = clock.monotonic()
    running = asyncio.create_task(climber(job, keeper, concurrency=many).run(linger=0))
    async with asyncio.timeout(BOUND):
        while world.at_once < many:
            await clock.idle()
    world.gates["find"].set()
    async with asyncio.timeout(BOUND):
        await running

    assert world.most_at_once == many
    assert len(world.order) == 3 * many
    assert clock.monotonic() - before == pytest.approx(0.001 * 3 * many)  # what the steps took, and no waiting


@pytest.mark.parametrize(("seconds", "held"), [(0.0, 8 + 24), (0.1, 8 + 7), (5.0, 8 + 1)])
async def test_where_steps_take_long_few_are_held_beyond_the_slots_for_others_may_have_free_ones(
    keeper: RecordKeeper, job: Job, world: World, clock: FakeClock, seconds: float, held: int
) -> None:
    first = world.gates["find"] = asyncio.Event()
    await added(keeper, *(f"{number:02}" for number in range(40)), caption="A dog")
    running = asyncio.create_task(climber(job, keeper, concurrency=8).run(linger=0))
    await clock.advance(seconds)
    at_first = (await keeper.news("things")).standing
    rest = world.gates["find"] = world.gates["copy"] = asyncio.Event()
    first.set()
    await clock.idle()
    later = (await keeper.news("things")).standing
    rest.set()
    async with asyncio.timeout(BOUND):
        await running

    assert world.most_at_once == 8
    assert (at_first.running, later.running) == (8 + 1, held)


async def test_a_slot_that_is_free_has_a_new_record_begin_while_what_it_did_is_being_stored(
    keeper: RecordKeeper, world: World, clock: FakeClock, database: Database
) -> None:
    job = SlowToStore(database)
    await added(keeper, *(f"{number:02}" for number in range(9)), caption="A dog")
    running = asyncio.create_task(climber(job, keeper, concurrency=2).run(linger=0))
    await clock.idle()
    begun = list(world.order)
    job.may_store.set()
    async with asyncio.timeout(BOUND):
        await running

    assert sorted(begun) == [f"{number:02}.find" for number in range(2 + 6)]


async def test_an_edit_of_something_old_and_of_what_another_writes_is_refused(
    keeper: RecordKeeper, clock: FakeClock
) -> None:
    [record] = await added(keeper, "one")
    await keeper.lock(record.id, who="ana")
    with pytest.raises(RecordLocked, match="ana is writing"):
        await keeper.edit(record.id, {"caption": "Mine"}, who="ben")
    await keeper.edit(record.id, {"caption": "A dog"}, who="ana")
    with pytest.raises(StaleRecord):
        await keeper.edit(record.id, {"caption": "Mine"}, who="ben", revision=record.revision)
    with pytest.raises(StatusNotOnLadder):
        await keeper.move(record.id, "nowhere", who="ben")

    await keeper.lock(record.id, who="ana")
    await clock.advance(121)
    edited = await keeper.edit(record.id, {"caption": None}, who="ben")
    assert "caption" not in edited.fields


async def test_the_board_counts_what_stands_where(keeper: RecordKeeper, job: Job, world: World) -> None:
    await added(keeper, "one", "two", "three")
    await added(keeper, "four", caption="A dog")
    await climbed(job, keeper)
    await added(keeper, "five")

    columns = {column.status: column for column in await keeper.board("things")}
    figures = {one.step: one for one in await keeper.figures("things")}

    assert {status: column.total for status, column in columns.items() if column.total} == {NEW: 1, ASKING: 3, TOP: 1}
    assert columns[COPIED].left_last_hour == 4 and columns[TOP].complete == 1
    assert (figures["judge"].done, figures["resume"].done, figures["find"].failed) == (4, 0, 0)


async def test_a_parent_goes_on_when_all_its_children_are_complete(
    database: Database, clock: FakeClock, bus: Bus
) -> None:
    gate = asyncio.Event()
    waiting = []

    async def split(ctx: StepContext, record: Record) -> Outcome:
        frames = [NewRecord("frames", NEW, f"{record.source}#{at}", f"frame {at}") for at in range(3)]
        return Outcome(children=frames)

    async def look(ctx: StepContext, record: Record) -> Outcome:
        await gate.wait()
        return Outcome({"seen": True})

    async def sum_up(ctx: StepContext, record: Record) -> Outcome:
        waiting.append(record.title)
        return Outcome({"summed": True})

    clips = Ladder(
        "clips",
        "Clips",
        "CL",
        (Step("split", split, (NEW,), FOUND), Step("sum", sum_up, (FOUND,), TOP, needs_children=True)),
        (NEW, FOUND, TOP),
        frozenset({TOP}),
    )
    frames = Ladder("frames", "Frames", "FR", (Step("look", look, (NEW,), TOP),), (NEW, TOP), frozenset({TOP}))
    keeper = RecordKeeper(keeper_tools(database, clock, bus=bus), {"clips": clips, "frames": frames})
    [clip] = await keeper.add([NewRecord("clips", NEW, "/clip", "clip")], by="test")
    running = asyncio.create_task(climber(Job(database), keeper).run(linger=0))
    await clock.idle()
    before = await keeper.get(clip.id)
    gate.set()
    async with asyncio.timeout(BOUND):
        await running

    assert (before.status, before.due_at, waiting) == (FOUND, None, ["clip"])
    assert (await keeper.get(clip.id)).is_complete
    children = (await keeper.list(RecordFilter(parent_id=clip.id))).items
    assert [child.code for child in children] == ["FR0003", "FR0002", "FR0001"]
