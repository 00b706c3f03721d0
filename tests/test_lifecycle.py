"""Any order of commands, crashes, clock moves and kills: one run at most, only legal moves, and in the end what was
asked for last is true.
"""

import asyncio
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pydantic import Field

from daemons.base import BaseDaemon, daemon
from daemons.bus import Bus
from daemons.database import Database, normalise_url, sqlite_engine
from daemons.errors import Conflict, NotFound
from daemons.models import Base
from daemons.options import DaemonOptions
from daemons.registry import Registry
from daemons.states import DAEMON_TRANSITIONS, DaemonState, Desired, StopMode
from daemons.values import DaemonRow
from tests.engine_deck import Deck, DeckSettings
from tests.fake_clock import FakeClock

NAMES = ("toy", "second", "third")
names = st.sampled_from(NAMES)
modes = st.sampled_from(StopMode)
seconds = st.sampled_from([0.1, 1.0, 3.0, 11.0, 30.0])
ENOUGH = 130.0
"""Seconds after which every back-off, grace and lease of a dead manager is over."""


@daemon("toy")
class Toy(BaseDaemon):
    """Sleeps, crashes when told to, and sometimes does not want to end."""

    live: ClassVar[Counter[tuple[int, str]]] = Counter()
    generation: ClassVar[int] = 0
    crashing: ClassVar[set[str]] = set()
    stubborn: ClassVar[set[str]] = set()
    let_go: ClassVar[asyncio.Event]

    class Options(DaemonOptions):
        interval: float = Field(5.0, gt=0, description="Seconds between two looks.")

    async def run(self) -> None:
        key = (self.generation, self.name)
        self.live[key] += 1
        try:
            while self.is_running:
                try:
                    await self.turn()
                except asyncio.CancelledError:
                    if self.name not in self.stubborn:
                        raise
            while self.name in self.stubborn:
                with suppress(asyncio.CancelledError):
                    await self.let_go.wait()
        finally:
            self.live[key] -= 1

    async def turn(self) -> None:
        await self.update_status("Looking")
        await self.sleep(self.options.interval)
        if self.name in self.crashing:
            self.crashing.discard(self.name)
            raise RuntimeError("told to crash")


class Process:
    """A manager in an event loop of its own: never run again, it is as dead as a killed process."""

    def __init__(self, path: Path, start: datetime) -> None:
        self.runner = asyncio.Runner()
        self.clock = FakeClock(start)
        self.stack = AsyncExitStack()
        self.let_go = Toy.let_go = asyncio.Event()
        self.run(self._open(path))

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    async def _open(self, path: Path) -> None:
        bus, registry = Bus(), Registry()
        registry.take("tests", lambda: Toy)
        self.database = Database(f"sqlite:///{path}", self.clock, bus)
        await self.stack.enter_async_context(self.database)
        self.deck = Deck(self.database, self.clock, bus, registry, DeckSettings())
        await self.deck.open(self.stack)

    def close(self) -> None:
        """End in good order."""
        self.run(self.stack.aclose())
        self.runner.close()

    def bury(self) -> None:
        """Remove what a kill left in memory."""
        self.run(self._bury())
        self.runner.close()

    async def _bury(self) -> None:
        self.stack.pop_all()
        self.let_go.set()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=2.0)
        await self.database.__aexit__(None, None, None)


class Lifecycles(RuleBasedStateMachine):
    """Three instances of one type, and whatever people and fate do to them."""

    directory: Path
    template: ClassVar[Path | None] = None

    @initialize()
    def open(self) -> None:
        self.directory = Path(tempfile.mkdtemp())
        self.path = self.directory / "deck.db"
        shutil.copyfile(_template(), self.path)
        self.killed: list[Process] = []
        for shared in (Toy.live, Toy.crashing, Toy.stubborn):
            shared.clear()
        self.process = Process(self.path, datetime(2030, 1, 1, tzinfo=UTC))
        for name in NAMES[1:]:
            self.do(self.deck.roster.add("toy", name, {}))

    @property
    def deck(self) -> Deck:
        return self.process.deck

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Carry out a command and everything that follows from it without time passing."""

        async def act() -> Any:
            try:
                return await work
            except (Conflict, NotFound) as refusal:
                return refusal
            finally:
                await self.settle()

        return self.process.run(act())

    async def settle(self) -> None:
        await self.process.clock.idle()
        await self.deck.supervisor.settled()
        await self.process.clock.idle()

    # What people do.

    @rule(name=names)
    def start(self, name: str) -> None:
        self.do(self.deck.roster.start(name))

    @rule(name=names, mode=modes)
    def stop(self, name: str, mode: StopMode) -> None:
        self.do(self.deck.roster.stop(name, mode))

    @rule(name=names, mode=modes)
    def restart(self, name: str, mode: StopMode) -> None:
        self.do(self.deck.roster.restart(name, mode))

    @rule(name=names, time=st.none() | seconds)
    def pause(self, name: str, time: float | None) -> None:
        until = None if time is None else self.process.clock.now() + timedelta(seconds=time)
        self.do(self.deck.roster.pause(name, until))

    @rule(name=names)
    def resume(self, name: str) -> None:
        self.do(self.deck.roster.resume(name))

    @rule(name=names)
    def wake(self, name: str) -> None:
        self.do(self.deck.roster.wake(name))

    @rule(name=names, enabled=st.booleans())
    def enable(self, name: str, enabled: bool) -> None:
        self.do(self.deck.roster.edit(name, enabled=enabled))

    @rule(name=names, interval=st.sampled_from([2, 5, -1, "often"]))
    def reconfigure(self, name: str, interval: object) -> None:
        self.do(self.deck.roster.edit(name, configuration={"interval": interval}))

    @rule(name=st.sampled_from(NAMES[1:]))
    def delete_or_add(self, name: str) -> None:
        if isinstance(self.do(self.deck.roster.remove(name)), NotFound):
            self.do(self.deck.roster.add("toy", name, {}))

    @rule(commands=st.lists(st.sampled_from(["start", "stop", "restart", "reset"]), min_size=2, max_size=5), name=names)
    def storm(self, commands: list[str], name: str) -> None:
        async def all_at_once() -> None:
            await asyncio.gather(*(getattr(self.deck.roster, each)(name) for each in commands), return_exceptions=True)

        self.do(all_at_once())

    # What fate does.

    @rule(name=names)
    def crash(self, name: str) -> None:
        Toy.crashing.add(name)
        self.do(self.deck.roster.wake(name))

    @rule(name=names)
    def swallow_the_end(self, name: str) -> None:
        Toy.stubborn.add(name)
        self.do(self.deck.roster.stop(name))
        self.advance(11.0)

    @rule(name=names)
    def crash_and_come_back(self, name: str) -> None:
        self.start(name)
        self.crash(name)
        self.advance(11.0)

    @precondition(lambda self: Toy.stubborn)
    @rule()
    def give_in(self) -> None:
        _let_go()
        self.advance(2.0)

    @rule(by=seconds)
    def advance(self, by: float) -> None:
        self.do(self.process.clock.advance(by))

    @rule()
    def reopen(self) -> None:
        """Stop the service in good order and start it again."""
        _let_go()
        now = self.process.clock.now()
        self.process.close()
        self._open_again(now)

    @precondition(lambda self: len(self.killed) < 2)
    @rule(noticed=st.booleans())
    def kill_manager(self, noticed: bool) -> None:
        """Let the process be gone from one moment to the next; its follower sees that at once, or by its silence."""
        now = self.process.clock.now()
        self.process.let_go = Toy.let_go
        self.killed.append(self.process)
        if noticed:
            with sqlite3.connect(self.path, timeout=10) as connection:
                connection.execute("UPDATE managers SET process_started = 0")
            connection.close()
        self._open_again(now)

    def _open_again(self, now: datetime) -> None:
        Toy.generation += 1
        Toy.crashing.clear()
        self.process = Process(self.path, now)
        self.process.run(self.settle())

    # What must hold.

    @invariant()
    def at_most_one_live_run(self) -> None:
        assert all(count in (0, 1) for count in Toy.live.values()), Toy.live

    @invariant()
    def only_legal_moves(self) -> None:
        for row in self._rows():
            history = self.process.run(self.deck.journal.history(row.id, limit=500))
            moves = [(entry.old, entry.new) for entry in history if entry.kind == "state"]
            for (_, reached), (left, _) in pairwise(moves):
                assert reached == left
            for old, new in moves:
                assert DaemonState(new) in DAEMON_TRANSITIONS[DaemonState(old)]

    @invariant()
    def no_status_without_a_run(self) -> None:
        for shown in self.deck.board.all():
            if not shown.state.is_live:
                assert shown.live.current_status is None
                assert shown.live.next_wake_at is None

    @invariant()
    def what_is_shown_as_running_runs(self) -> None:
        for shown in self.deck.board.all():
            count = Toy.live[(Toy.generation, shown.name)]
            if shown.state is DaemonState.RUNNING and self.deck.supervisor.stack(shown.name).running:
                assert count == 1
            if shown.state in (DaemonState.STOPPED, DaemonState.PAUSED, DaemonState.BACKOFF, DaemonState.FAILED):
                assert count == 0

    def _rows(self) -> list[DaemonRow]:
        rows: list[DaemonRow] = self.process.run(self.deck.roster.rows())
        return rows

    def teardown(self) -> None:
        if not hasattr(self, "process"):
            return
        try:
            _let_go()
            Toy.crashing.clear()
            self.do(self.process.clock.advance(ENOUGH))
            for row in self._rows():
                assert row.state in _acceptable(row), (row.name, row.desired, row.state, row.state_reason)
        finally:
            self.process.close()
            for process in self.killed:
                process.bury()
            shutil.rmtree(self.directory)


def _let_go() -> None:
    Toy.stubborn.clear()
    Toy.let_go.set()
    Toy.let_go = asyncio.Event()


def _acceptable(row: DaemonRow) -> set[DaemonState]:
    if not row.enabled or row.desired is Desired.OFF:
        return {DaemonState.STOPPED}
    if row.desired is Desired.PAUSED:
        return {DaemonState.PAUSED}
    bad_options = row.configuration.get("interval") in (-1, "often")
    return {DaemonState.RUNNING, DaemonState.FAILED} if bad_options or row.last_error else {DaemonState.RUNNING}


def _template() -> Path:
    if Lifecycles.template is None:
        Lifecycles.template = Path(tempfile.mkdtemp()) / "template.db"
        engine = sqlite_engine(normalise_url(f"sqlite:///{Lifecycles.template}"))
        Base.metadata.create_all(engine)
        engine.dispose()
    return Lifecycles.template


# Every example opens a deck; on a busy machine they take their time.
TestLifecycles = pytest.mark.timeout(180)(Lifecycles.TestCase)
TestLifecycles.settings = settings(
    max_examples=25,
    stateful_step_count=20,
    deadline=None,
    database=None,
    derandomize=False,
    suppress_health_check=list(HealthCheck),
)
