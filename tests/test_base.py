"""What a daemon's author may rely on: being seen never hurts, and nothing freezes the deck."""

import asyncio
import threading
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemons import BaseDaemon, Invalid, JobState, LogLevel, daemon, job
from daemons.base import NotRunning
from daemons.bus import Bus
from daemons.database import Database
from daemons.events import DaemonChanged
from daemons.handlers import JobContext
from daemons.models import STATUS_CHARACTERS
from daemons.states import DaemonState
from daemons.values import Job
from tests.engine_deck import Deck, open_deck
from tests.fake_clock import FakeClock


class JobType:
    """The enumeration that the example names."""

    class PROCESS:
        value = "process"


class Item:
    def __init__(self, name: str) -> None:
        self.name = name


@job("process")
async def process(ctx: JobContext) -> None:
    await ctx.progress(1, 1)


@daemon("example")
class Example(BaseDaemon):
    """The loop that status reporting was specified with, as it was printed, and the four helpers it needs."""

    batches: ClassVar[list[list[Item]]] = []
    fails_at_once: ClassVar[bool] = False
    turns: ClassVar[int] = 0

    def _load_config(self) -> dict[str, int]:
        return {"interval": 300}

    async def _get_pending_items(self) -> list[Item]:
        type(self).turns += 1
        if self.fails_at_once:
            raise RuntimeError("no such table")
        return self.batches.pop() if self.batches else []

    async def _create_job(self, item: Item) -> Job:
        return await self.create_job("process")

    async def _monitor_job(self, job_id: str) -> None:
        await self.wait_for(job_id)

    async def run(self) -> None:
        config = self._load_config()

        while self.is_running:
            try:
                # Report checking status
                await self.update_status("Checking for pending items")

                items = await self._get_pending_items()

                if not items:
                    # Report idle status
                    await self.update_status(f"No items found, sleeping for {config['interval']} seconds")
                    await asyncio.sleep(config["interval"])
                    continue

                # Report processing status
                await self.update_status(f"Found {len(items)} items to process")

                for i, item in enumerate(items, 1):
                    # Report item-specific status
                    await self.update_status(f"Processing item {i} of {len(items)}: {item.name}")

                    # If creating a job, include job details
                    job = await self._create_job(item)
                    await self.update_status(
                        f"Monitoring job for {item.name}", job_id=str(job.id), job_type=JobType.PROCESS.value
                    )

                    # Monitor the job
                    await self._monitor_job(job.id)

                # Report completion
                await self.update_status(f"Completed processing {len(items)} items")

            except Exception as e:  # noqa: BLE001 - the example catches everything
                await self.log(LogLevel.ERROR, f"Error: {e!s}")
                await self.update_status("Error occurred, retrying...")


@daemon("speaker")
class Speaker(BaseDaemon):
    """Stays where a test can make it speak."""

    present: ClassVar["Speaker"]

    async def run(self) -> None:
        type(self).present = self
        await asyncio.Event().wait()


@pytest.fixture(autouse=True)
def begin_anew() -> None:
    Example.batches, Example.fails_at_once, Example.turns = [], False, 0


async def a_speaker(deck: Deck) -> Speaker:
    await deck.roster.start("speaker")
    await deck.until("speaker", DaemonState.RUNNING)
    return Speaker.present


async def test_the_example_loop_runs_unchanged(database: Database, clock: FakeClock, bus: Bus) -> None:
    Example.batches = [[Item("a.jpg"), Item("b.jpg")]]

    async with open_deck(database, clock, bus, Example, process) as deck:
        await deck.roster.start("example")
        await deck.until("example", DaemonState.RUNNING)
        await clock.advance(5)
        told = deck.events.seen(DaemonChanged, lambda event: event.daemon.live.current_status is not None)
        jobs = (await deck.jobs.list()).items

    assert list(dict.fromkeys(event.daemon.live.current_status for event in told)) == [
        "Checking for pending items",
        "Found 2 items to process",
        "Processing item 1 of 2: a.jpg",
        "Monitoring job for a.jpg",
        "Processing item 2 of 2: b.jpg",
        "Monitoring job for b.jpg",
        "Completed processing 2 items",
        "No items found, sleeping for 300 seconds",
    ]
    watched = [event.daemon.live for event in told if event.daemon.live.current_job_id]
    assert {live.current_job_type for live in watched} == {"process"}
    assert {live.current_job_id for live in watched} == {job.id for job in jobs}
    assert {job.state for job in jobs} == {JobState.COMPLETED}


async def test_an_example_loop_that_fails_at_once_leaves_the_deck_responsive(
    database: Database, clock: FakeClock, bus: Bus
) -> None:
    Example.fails_at_once = True

    async with open_deck(database, clock, bus, Example, Speaker) as deck:
        await deck.roster.start("example")
        await deck.until("example", DaemonState.RUNNING)
        assert await a_speaker(deck)
        await clock.advance(1)

        await deck.roster.stop("example")
        await deck.until("example", DaemonState.STOPPED)
        log = await deck.log_of("example")

    assert 100 < Example.turns < 300
    assert log.count("Error: no such table") == 100
    assert any("came faster than 100 a second" in message for message in log)


@pytest.mark.parametrize(
    "message",
    [None, 7, 1.5, b"caf\xe9", bytearray(b"x"), object(), ["a"], "", "x" * 10_000_000, b"y" * 10_000_000],
    ids=lambda value: type(value).__name__ + str(len(value) if isinstance(value, str | bytes) else ""),
)
async def test_update_status_takes_anything(message: Any, database: Database, clock: FakeClock, bus: Bus) -> None:
    async with open_deck(database, clock, bus, Speaker) as deck:
        speaker = await a_speaker(deck)

        await speaker.update_status(message, job_id=message, job_type=message)
        await speaker.log(message, message)
        await speaker.progress(message, message, message)
        await speaker.metric(message, message, message)
        await speaker.report_error(message, message, message)
        await clock.advance(1)

        shown = deck.daemon("speaker").live
        assert shown.current_status is not None
        assert len(shown.current_status) <= STATUS_CHARACTERS
        assert len(shown.current_job_id or "") <= 36
        assert len(shown.current_job_type or "") <= 100
        assert not deck.board.is_behind


async def test_an_object_that_cannot_be_shown_does_not_break_the_daemon(
    database: Database, clock: FakeClock, bus: Bus
) -> None:
    class Shy:
        def __str__(self) -> str:
            raise ValueError("do not look at me")

    async with open_deck(database, clock, bus, Speaker) as deck:
        speaker = await a_speaker(deck)

        await speaker.update_status(Shy())  # type: ignore[arg-type]

        assert deck.daemon("speaker").live.current_status == "<Shy that cannot be shown>"


@pytest.mark.databases("sqlite")
async def test_any_text_is_shown_clean_and_stored_as_shown(database: Database, clock: FakeClock, bus: Bus) -> None:
    async with open_deck(database, clock, bus, Speaker) as deck:
        speaker = await a_speaker(deck)
        anything = st.text(st.characters(codec=None), max_size=600)

        for text in _examples(anything, 100):
            await speaker.update_status(text)
            shown = deck.daemon("speaker").live.current_status
            assert shown is not None
            assert len(shown) <= STATUS_CHARACTERS
            assert not set(shown) & set("\x00\x1b\n\u202e\ud800")
        await deck.board.flush()


def _examples(strategy: st.SearchStrategy[str], number: int) -> list[str]:
    found: list[str] = ["\x00", "\x1b[31m", "\u202etxt.exe", "\ud800", "<script>", "x" * 501]

    @settings(max_examples=number, database=None)
    @given(strategy)
    def collect(text: str) -> None:
        found.append(text)

    collect()
    return found


async def test_calls_after_the_end_are_ignored_and_told_once(database: Database, clock: FakeClock, bus: Bus) -> None:
    async with open_deck(database, clock, bus, Speaker) as deck:
        speaker = await a_speaker(deck)
        await deck.roster.stop("speaker")
        await deck.until("speaker", DaemonState.STOPPED)

        for _ in range(3):
            await speaker.update_status("I am not dead")
            await speaker.log(LogLevel.INFO, "really")

        assert deck.daemon("speaker").live.current_status is None
        assert speaker.is_running is False
        assert await deck.log_of("speaker") == [
            "update_status was called after the run had ended; this and later calls are ignored."
        ]


async def test_calls_from_another_thread_and_loop_arrive(database: Database, clock: FakeClock, bus: Bus) -> None:
    async with open_deck(database, clock, bus, Speaker, process) as deck:
        speaker = await a_speaker(deck)
        made: list[Job] = []

        async def elsewhere() -> None:
            await speaker.log(LogLevel.INFO, "from a thread")
            made.append(await speaker.create_job("process"))
            await speaker.update_status("from a thread", job_id=made[0].id)

        await asyncio.to_thread(asyncio.run, elsewhere())
        await clock.idle()

        assert deck.daemon("speaker").live.current_status == "from a thread"
        assert deck.daemon("speaker").live.current_job_id == made[0].id
        assert await deck.log_of("speaker") == ["from a thread"]


async def test_calls_of_a_thread_that_outlives_the_loop_are_ignored(database_url: str, clock: FakeClock) -> None:
    kept: list[Speaker] = []

    def another_world() -> None:
        async def live() -> None:
            bus = Bus()
            async with Database(database_url, clock, bus) as database, open_deck(database, clock, bus, Speaker) as deck:
                kept.append(await a_speaker(deck))

        asyncio.run(live())

    thread = threading.Thread(target=another_world)
    thread.start()
    await asyncio.to_thread(thread.join)

    await kept[0].update_status("too late")
    await kept[0].heartbeat()


async def test_a_daemon_that_never_speaks_works(database: Database, clock: FakeClock, bus: Bus) -> None:
    @daemon("quiet")
    class Quiet(BaseDaemon):
        def __init__(self) -> None:
            self.count = 0

        async def run(self) -> None:
            while True:
                self.count += 1
                await asyncio.sleep(60)

    async with open_deck(database, clock, bus, Quiet) as deck:
        await deck.roster.start("quiet")
        assert await deck.until("quiet", DaemonState.RUNNING)
        await deck.roster.stop("quiet")
        assert await deck.until("quiet", DaemonState.STOPPED)


async def test_a_daemon_outside_a_deck_can_be_tried_but_orders_nothing() -> None:
    speaker = Speaker()

    await speaker.update_status("hello")
    await speaker.log(LogLevel.INFO, "hello")

    assert speaker.name == "speaker"
    assert speaker.options.silent_after == 90
    with pytest.raises(NotRunning):
        await speaker.create_job("process")


@pytest.mark.parametrize("name", ["", "9lives", "Upper", "with space", "ümlaut", "a" * 64, "a\n"])
def test_a_name_that_no_address_can_hold_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match="cannot name a daemon"):
        daemon(name)


def test_a_class_of_the_wrong_shape_is_refused() -> None:
    class NoRun(BaseDaemon):
        pass

    class Plain(BaseDaemon):
        def run(self) -> None:  # type: ignore[override]
            return

    class Foreign:
        pass

    for cls, complaint in ((NoRun, "has no `run`"), (Plain, "async def"), (Foreign, "does not extend BaseDaemon")):
        with pytest.raises(Invalid, match=complaint):
            daemon("shapeless")(cls)  # type: ignore[type-var]
