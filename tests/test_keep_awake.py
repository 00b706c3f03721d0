"""The machine is kept awake by the platform's tool: played by a script of its name that notes what it was told."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from daemons import keep_awake
from daemons.bus import Bus
from daemons.clock import SystemClock
from daemons.database import Database
from daemons.events import JobChanged
from daemons.handlers import JobContext, job
from daemons.keep_awake import TOOLS, KeepAwake
from daemons.states import JobState
from tests.engine_deck import open_deck
from tests.fake_clock import FakeClock
from tests.wakeful_tool import DEAF, REFUSES, Tool, until


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("DAEMONDECK_PASSWORD", "canary")


@asynccontextmanager
async def keeper(linger: float = 0.01, **options: object) -> AsyncIterator[KeepAwake]:
    async with asyncio.timeout(30), KeepAwake(SystemClock(), linger=linger, **options) as keeper:  # type: ignore[arg-type]
        yield keeper


@pytest.mark.parametrize(
    ("platform", "name", "options"),
    [
        ("linux", "systemd-inhibit", "--what=sleep:idle --mode=block --who=Daemondeck --why=Work is running cat"),
        ("darwin", "caffeinate", "-i cat"),
    ],
)
async def test_the_tool_holds_from_the_first_that_needs_it_to_the_last(
    platform: str, name: str, options: str, tmp_path: Path
) -> None:
    tool = Tool(tmp_path, name)
    async with keeper(platform=platform) as awake:
        assert str(awake.state) == "no, nothing needs it"
        assert tool.calls == []

        with awake.during("describe_batch"):
            assert await until(awake, lambda says: says.startswith("yes")) == f"yes, by {name}, for describe_batch"
            with awake.during("describe_batch"), awake.during("copy"):
                assert str(awake.state) == f"yes, by {name}, for copy, describe_batch"
            assert tool.lock.exists()
            assert str(awake.state) == f"yes, by {name}, for describe_batch"

        assert await until(awake, lambda says: says.startswith("no")) == "no, nothing needs it"
        await tool.ended()

    assert [told for _, told in tool.calls] == [options]
    assert not tool.lock.exists()


async def test_a_rest_between_two_jobs_does_not_let_go(tmp_path: Path) -> None:
    tool = Tool(tmp_path)
    async with keeper(linger=600, platform="linux") as awake:
        for _ in range(3):
            with awake.during("describe_batch"):
                await until(awake, lambda says: says.startswith("yes"))
        assert str(awake.state) == "yes, by systemd-inhibit, for what may go on soon"
    await tool.ended()

    assert len(tool.calls) == 1
    assert not tool.lock.exists()


async def test_what_the_tool_complains_of_is_said_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keep_awake, "AGAIN_SECONDS", 0.05)
    Tool(tmp_path, does=REFUSES)
    async with keeper(platform="linux") as awake:
        with awake.during("describe_batch"):
            said = await until(awake, lambda says: says.startswith("cannot"))
            assert said == "cannot: systemd-inhibit: Failed to inhibit: Access denied"

            Tool(tmp_path)
            await until(awake, lambda says: says.startswith("yes"))


async def test_a_tool_that_is_killed_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep_awake, "AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(keep_awake, "_END_SECONDS", 0.1)
    tool = Tool(tmp_path)
    async with keeper(platform="linux") as awake:
        with awake.during("describe_batch"):
            await until(awake, lambda says: says.startswith("yes"))
            os.kill(tool.calls[0][0], signal.SIGKILL)
            await until(awake, lambda says: says.startswith("cannot"))
            await until(awake, lambda says: says.startswith("yes"))

    assert len(tool.calls) == 2


async def test_a_tool_that_does_not_answer_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep_awake, "_ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(keep_awake, "_END_SECONDS", 0.1)
    tool = Tool(tmp_path, does="exec " + DEAF)
    async with keeper(platform="linux") as awake:
        with awake.during("describe_batch"):
            assert (
                await until(awake, lambda says: says.startswith("cannot")) == "cannot: systemd-inhibit does not answer"
            )
        await tool.ended()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({}, "systemd-inhibit is not installed"),
        ({"platform": "sunos5"}, "no tool for it is known on sunos5"),
        ({"is_allowed": False}, "the setting keep_awake is off"),
    ],
)
async def test_where_it_cannot_be_it_says_why(
    options: dict[str, object], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    async with keeper(**({"platform": "linux"} | options)) as awake:
        with awake.during("describe_batch"):
            await asyncio.sleep(0)
            assert str(awake.state) == f"cannot: {why}"


OWNER = """
import asyncio, sys
from daemons.clock import SystemClock
from daemons.keep_awake import KeepAwake
async def main():
    async with KeepAwake(SystemClock(), platform="linux") as awake:
        with awake.during("work"):
            while not awake.state.holds:
                await asyncio.sleep(0)
            print("holds", flush=True)
            await asyncio.Event().wait()
asyncio.run(main())
"""


async def test_kill_9_lets_the_machine_sleep_again(tmp_path: Path) -> None:
    tool = Tool(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", OWNER], stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(Path.cwd())}
    ) as owner:
        assert owner.stdout is not None
        assert await asyncio.to_thread(owner.stdout.readline) == b"holds\n"
        assert tool.lock.exists()
        owner.kill()

    await tool.ended()

    assert not tool.lock.exists()


@job("slumber", keeps_awake=True)
async def slumber(ctx: JobContext) -> None:
    await asyncio.Event().wait()


@job("nap")
async def nap(ctx: JobContext) -> None:
    return


@pytest.mark.databases("sqlite")
async def test_jobs_that_say_so_keep_the_machine_awake_while_they_run(
    database: Database, clock: FakeClock, bus: Bus, tmp_path: Path
) -> None:
    name = TOOLS[sys.platform][0]
    Tool(tmp_path, name)
    async with open_deck(database, clock, bus, slumber, nap) as deck, deck.keep_awake:
        await deck.orders.create("nap")
        await deck.events.next(JobChanged, lambda event: event.job.state is JobState.COMPLETED)
        assert str(deck.keep_awake.state) == "no, nothing needs it"

        created = await deck.orders.create("slumber")
        await until(deck.keep_awake, lambda says: says == f"yes, by {name}, for slumber")
        await deck.orders.cancel(created.job.id)
        await deck.events.next(JobChanged, lambda event: event.job.state is JobState.CANCELLED)

        assert deck.keep_awake.state.needed_for == ()
