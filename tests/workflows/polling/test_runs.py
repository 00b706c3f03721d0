"""Steps run as many at a time as there is room for, and none holds its place longer than it may."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from daemons.errors import Invalid
from daemons.workflows.polling.ladder import Outcome, Step
from daemons.workflows.polling.records import Record
from daemons.workflows.polling.runs import Run, Runs, StepTimedOut
from tests.fake_clock import FakeClock
from tests.workflows.polling.step_context import record

STATUS, TOP = "0 - Pending File Info", "1 - File Info Complete"


class Heard:
    """What came of each step, by the name of its record."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.over: list[tuple[str, object]] = []

    def __call__(self, run: Run, outcome: Outcome | None, error: BaseException | None) -> None:
        self.over.append((run.record.title, type(error) if error else outcome and outcome.note))


@pytest.fixture
def heard() -> Heard:
    return Heard()


@asynccontextmanager
async def runs(clock: FakeClock, heard: Heard, *, slots: int = 1, **lanes: int) -> AsyncIterator[Runs]:
    running = Runs(clock, slots, lanes or {"io": 10}, heard)
    watching = asyncio.create_task(running.watch())
    try:
        yield running
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


def a_run(
    heard: Heard, title: str, waits: Callable[[], Any], *, timeout: float = 10, lane: str = "io", chained: int = 0
) -> Run:
    async def run(_ctx: Any, mine: Record) -> Outcome:
        heard.began.append(mine.title)
        await waits()
        return Outcome(note="done")

    step = Step("look", run, (STATUS,), TOP, timeout=timeout, lane=lane)
    context: Any = None
    return Run(record(b"/a.jpg", STATUS)._replace(title=title), step, chained, context)


def deaf(until: asyncio.Event) -> Callable[[], Any]:
    """Return a wait that goes on although it is cancelled."""

    async def wait() -> None:
        while not until.is_set():
            try:
                await until.wait()
            except asyncio.CancelledError:
                continue

    return wait


async def at_once() -> None:
    """Wait for nothing."""


async def test_a_step_that_does_not_heed_its_end_gives_its_slot_up_and_comes_to_nothing(
    clock: FakeClock, heard: Heard
) -> None:
    ends = asyncio.Event()
    async with runs(clock, heard) as running:
        late = a_run(heard, "deaf", deaf(ends))
        running.add(late)
        running.add(a_run(heard, "next", at_once))
        await clock.idle()
        await clock.advance(10)
        before = list(heard.over)
        await clock.advance(1)
        await clock.idle()
        after = list(heard.over)
        ends.set()
        await late.task

    assert before == []
    assert after == [("deaf", StepTimedOut), ("next", "done")]
    assert heard.over == after
    assert late.seconds == pytest.approx(11)


async def test_a_step_that_heeds_its_end_late_has_timed_out_whatever_it_comes_to(
    clock: FakeClock, heard: Heard
) -> None:
    async def answers_late() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    async with runs(clock, heard) as running:
        running.add(a_run(heard, "late", answers_late))
        await clock.idle()
        await clock.advance(10)
        await clock.idle()

    assert heard.over == [("late", StepTimedOut)]


async def test_the_step_after_one_that_was_cancelled_knows_nothing_of_it(clock: FakeClock, heard: Heard) -> None:
    asked_to_end: list[int] = []

    async def notes() -> None:
        task = asyncio.current_task()
        assert task is not None
        asked_to_end.append(task.cancelling())

    async with runs(clock, heard) as running:
        running.add(a_run(heard, "late", asyncio.Event().wait))
        running.add(a_run(heard, "next", notes))
        await clock.idle()
        await clock.advance(10)
        await clock.idle()

    assert heard.over == [("late", StepTimedOut), ("next", "done")]
    assert asked_to_end == [0]


async def test_a_slot_that_is_free_again_goes_on_and_is_known_by_what_it_does(clock: FakeClock, heard: Heard) -> None:
    free = asyncio.Event()
    async with runs(clock, heard) as running:
        running.add(a_run(heard, "first", at_once))
        second = a_run(heard, "second", free.wait)
        running.add(second)
        await clock.idle()
        name = second.task.get_name()
        free.set()
        await second.task

    assert heard.over == [("first", "done"), ("second", "done")]
    assert name == f"record {second.record.code}"


async def test_what_begins_a_climb_goes_before_what_goes_on_with_one(clock: FakeClock, heard: Heard) -> None:
    free = asyncio.Event()
    async with runs(clock, heard) as running:
        running.add(a_run(heard, "runs", free.wait))
        for name, chained in (("on", 1), ("further", 2), ("new", 0), ("newer", 0)):
            running.add(a_run(heard, name, at_once, chained=chained))
        await clock.idle()
        free.set()
        await clock.idle()

    assert heard.began == ["runs", "new", "newer", "on", "further"]


async def test_what_cannot_be_stored_as_it_is_has_failed(clock: FakeClock, heard: Heard) -> None:
    run = a_run(heard, "numbered", at_once)
    fields: Any = {1: "by a number"}

    async def numbers(_ctx: Any, _record: Record) -> Outcome:
        return Outcome(fields)

    async with runs(clock, heard) as running:
        running.add(replace(run, step=replace(run.step, run=numbers)))
        await clock.idle()

    assert heard.over == [("numbered", Invalid)]


async def test_a_shorter_time_that_begins_later_ends_sooner(clock: FakeClock, heard: Heard) -> None:
    async with runs(clock, heard, slots=2) as running:
        running.add(a_run(heard, "long", asyncio.Event().wait, timeout=100))
        await clock.idle()
        running.add(a_run(heard, "short", asyncio.Event().wait, timeout=1))
        await clock.idle()
        await clock.advance(1)
        await clock.idle()
        first = list(heard.over)
        await clock.advance(99)
        await clock.idle()

    assert first == [("short", StepTimedOut)]
    assert heard.over == [*first, ("long", StepTimedOut)]


async def test_a_full_lane_holds_up_nobody_of_another_and_within_one_the_first_is_first(
    clock: FakeClock, heard: Heard
) -> None:
    free = asyncio.Event()
    async with runs(clock, heard, slots=3, model=1, io=10) as running:
        for name, lane in (("m1", "model"), ("m2", "model"), ("i1", "io"), ("m3", "model"), ("i2", "io")):
            running.add(a_run(heard, name, free.wait, lane=lane))
        await clock.idle()
        begun, waiting = list(heard.began), (running.stuck, running.are_waiting)
        free.set()
        await clock.idle()

    assert (begun, waiting) == (["m1", "i1", "i2"], (2, False))
    assert heard.began == ["m1", "i1", "i2", "m2", "m3"]
    assert running.stuck == 0


async def test_breaking_off_waits_no_longer_than_the_grace_of_a_step(clock: FakeClock, heard: Heard) -> None:
    ends = asyncio.Event()
    async with runs(clock, heard, slots=2) as running:
        stubborn = a_run(heard, "deaf", deaf(ends))
        for one in (stubborn, a_run(heard, "polite", asyncio.Event().wait), a_run(heard, "waits", at_once)):
            running.add(one)
        await clock.idle()
        breaking = asyncio.create_task(running.break_off())
        await clock.idle()
        was_over = breaking.done()
        await clock.advance(1)
        await breaking
        ends.set()
        await stubborn.task

    assert not was_over
    assert heard.over == [("polite", asyncio.CancelledError)]
    assert "waits" not in heard.began
