"""Worker processes: what they do, and every way in which they end."""

import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import psutil
import pytest

from daemons.clock import SystemClock
from daemons.errors import Conflict, ErrorInfo, Invalid
from daemons.subprocess_work import Worker
from daemons.subprocess_work.errors import (
    WorkerExited,
    WorkerGarbled,
    WorkerHung,
    WorkerKilled,
    WorkerNotStarted,
    WorkerOutOfMemory,
    WorkerTaskFailed,
)
from daemons.subprocess_work.pipes import ResultLines
from daemons.subprocess_work.pool import WorkerPool
from daemons.subprocess_work.spec import MEBIBYTE, WorkerSpec
from daemons.worker_process import EXIT_ORPHANED, PARENT_VARIABLE

TOY = Path(__file__).with_name("toy_worker.py")

linux_only = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="watches foreign processes by pidfd")


def spec(**limits: Any) -> WorkerSpec:
    limits.setdefault("grace", 2.0)
    return WorkerSpec((sys.executable, "-P", str(TOY)), **limits)


def toy(**limits: Any) -> Worker:
    return Worker(spec(**limits), SystemClock())


async def answers(worker: Worker, do: str, **request: Any) -> list[Any]:
    return [result async for result in worker.run({"do": do, **request})]


def ends(pid: int, within: float = 2.0) -> Callable[[], bool]:
    """Return a question to put to a thread: has the process `pid` ended within that time?"""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return lambda: True

    def wait() -> bool:
        try:
            return bool(select.select([watched], [], [], within)[0])
        finally:
            os.close(watched)

    return wait


def gate(folder: Path, name: str) -> Path:
    path = folder / name
    os.mkfifo(path)
    return path


# Requests and results.


async def test_results_arrive_one_by_one_while_the_rest_is_still_being_worked_on(tmp_path: Path) -> None:
    gates = [gate(tmp_path, "a"), gate(tmp_path, "b")]

    async with toy() as worker:
        stream = worker.run({"do": "items", "items": [["a", str(gates[0])], ["b", str(gates[1])]]})
        reading = asyncio.create_task(anext(stream))
        await asyncio.to_thread(gates[0].write_bytes, b"")
        first = await reading
        await asyncio.to_thread(gates[1].write_bytes, b"")
        rest = [result async for result in stream]

    assert (first, rest) == ("a", ["b"])


async def test_one_process_answers_several_requests() -> None:
    async with toy() as worker:
        pids = [(await answers(worker, "tell"))[0]["pid"] for _ in range(3)]

    assert set(pids) == {worker.pid}


async def test_values_survive_the_way_there_and_back() -> None:
    values = [None, 1.5, {"name": "caf\u00e9 \udcff\n"}, "\u202e\x00", []]

    async with toy() as worker:
        assert await answers(worker, "echo", values=values) == values


async def test_a_failed_request_leaves_the_worker_ready_for_the_next() -> None:
    async with toy() as worker:
        with pytest.raises(WorkerTaskFailed, match="no such thing") as caught:
            await answers(worker, "fail", message="no such thing")

        assert await answers(worker, "echo", values=[1]) == [1]
    assert (caught.value.error_code, caught.value.in_hand) == ("ERR_LOOKUP", "task")
    assert "LookupError" in (caught.value.info.detail or "")


async def test_a_second_request_is_refused_while_the_first_is_not_read_to_its_end() -> None:
    async with toy() as worker:
        async with aclosing(worker.run({"do": "echo", "values": [1, 2]})) as stream:
            assert await anext(stream) == 1

        with pytest.raises(Conflict):
            await answers(worker, "echo", values=[3])


async def test_a_request_that_is_too_long_is_refused_before_it_is_sent() -> None:
    async with toy() as worker:
        with pytest.raises(Invalid, match="longer than"):
            await answers(worker, "echo", values=["x" * (17 * MEBIBYTE)])

        assert await answers(worker, "echo", values=[1]) == [1]


async def items_until_stopped(worker: Worker, folder: Path, stop: Callable[[], None]) -> list[str]:
    """Call `stop` while the first of 5,000 items is in hand. The word may take a few quick items to get through."""
    first = gate(folder, "first")
    stream = worker.run({"do": "items", "items": [["0", str(first)], *([str(n), os.devnull] for n in range(1, 5000))]})
    reading = asyncio.create_task(anext(stream))
    opened = await asyncio.to_thread(os.open, first, os.O_WRONLY)  # returns once the worker holds the first item
    stop()
    os.close(opened)
    return [await reading, *[result async for result in stream]]


async def test_asked_to_finish_it_finishes_the_item_in_hand_and_takes_no_more(tmp_path: Path) -> None:
    async with toy() as worker:
        results = await items_until_stopped(worker, tmp_path, worker.finish_current)

        assert results == [str(n) for n in range(len(results))]
        assert 1 <= len(results) < 5000
        assert await answers(worker, "echo", values=["next"]) == ["next"]


async def test_sigterm_from_outside_still_delivers_the_item_in_hand(tmp_path: Path) -> None:
    async with toy() as worker:
        results = await items_until_stopped(worker, tmp_path, lambda: os.kill(worker.pid, signal.SIGTERM))

    assert results == [str(n) for n in range(len(results))]
    assert 1 <= len(results) < 5000


# Output: drained, cut, kept apart.


async def test_ten_megabytes_of_stderr_block_nobody_and_only_the_end_is_kept() -> None:
    async with toy() as worker:
        assert await answers(worker, "chatter", bytes=10 * MEBIBYTE) == ["done"]

        with pytest.raises(WorkerExited) as caught:
            await answers(worker, "leave", code=3)
    assert caught.value.stderr[-1] == "the very last words"
    assert sum(map(len, caught.value.stderr)) < 20_000


async def test_what_a_library_prints_does_not_mix_with_the_results() -> None:
    async with toy() as worker:
        assert await answers(worker, "print_aloud") == ["quiet"]

        with pytest.raises(WorkerExited) as caught:
            await answers(worker, "leave", code=3)
    assert caught.value.stderr == ("a library says hello",)


async def test_a_line_of_200_kilobytes_arrives_whole() -> None:
    async with toy() as worker:
        assert await answers(worker, "echo", values=["x" * 200_000]) == ["x" * 200_000]


async def test_a_result_of_five_megabytes_is_refused_by_the_worker_itself() -> None:
    async with toy() as worker:
        with pytest.raises(WorkerTaskFailed, match="longer than") as caught:
            await answers(worker, "echo", values=["x" * 5_000_000])

    assert caught.value.error_code == "ERR_INVALID"


@linux_only
async def test_a_line_of_five_megabytes_past_the_protocol_ends_in_a_clear_error() -> None:
    async with toy() as worker:
        with pytest.raises(WorkerGarbled, match="longer than a result"):
            await answers(worker, "write_raw", text="x", times=5_000_000)


@linux_only
@pytest.mark.parametrize("text", ["Segmentation fault", "[" * 100_000, '{"surprise": 1}', '{"done": true}', "5", ""])
async def test_a_line_that_is_no_result_ends_in_a_clear_error(text: str) -> None:
    async with toy() as worker:
        with pytest.raises(WorkerGarbled, match="The worker wrote"):
            await answers(worker, "write_raw", text=text)


async def test_a_fast_writer_waits_for_a_slow_reader() -> None:
    changed = asyncio.Event()
    lines = ResultLines(changed)
    readable, writable = os.pipe()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: lines, os.fdopen(readable, "rb", 0))

    def write() -> None:
        with os.fdopen(writable, "wb", 0) as output:
            for _ in range(8 * 1024):
                output.write(b"x" * 1023 + b"\n")

    writing = asyncio.create_task(asyncio.to_thread(write))
    taken = held = 0
    while not lines.has_ended:
        changed.clear()
        await changed.wait()
        held = max(held, lines._waiting_bytes)
        while lines.take() is not None:
            taken += 1
    await writing
    transport.close()

    assert taken == 8 * 1024
    assert held <= 2 * MEBIBYTE


# How it ends.


async def test_the_signal_that_killed_it_is_named_with_the_item_in_hand() -> None:
    async with toy() as worker:
        with pytest.raises(WorkerKilled, match=r"signal 9.*memory") as caught:
            await answers(worker, "die", signal=signal.SIGKILL)

    assert caught.value.in_hand == "poison"


async def test_a_crash_in_native_code_leaves_its_stack() -> None:
    async with toy() as worker:
        with pytest.raises(WorkerKilled, match="signal 11") as caught:
            await answers(worker, "die", signal=signal.SIGSEGV)

    assert any("toy_worker.py" in line and "in die" in line for line in caught.value.stderr)
    assert "in die" in (ErrorInfo.of(caught.value).detail or "")


async def test_reaching_the_memory_limit_is_told_apart_from_being_killed() -> None:
    async with toy(memory=150 * MEBIBYTE) as worker:
        with pytest.raises(WorkerOutOfMemory, match="150 MiB") as caught:
            await answers(worker, "eat", bytes=400 * MEBIBYTE)

    assert caught.value.in_hand == "cake"


async def test_results_sent_before_the_end_are_not_lost() -> None:
    seen = []

    async with toy() as worker:
        with pytest.raises(WorkerExited, match="exit code 3"):
            async for result in worker.run({"do": "leave", "code": 3}):
                seen.append(result)

    assert seen == ["before"]


async def test_ending_politely_in_the_middle_of_a_request_is_an_error_too() -> None:
    async with toy() as worker:
        with pytest.raises(WorkerExited, match="by itself"):
            await answers(worker, "leave", code=0)


async def test_a_worker_that_falls_silent_is_killed_and_says_where_it_stood() -> None:
    async with toy(silence=0.3) as worker:
        with pytest.raises(WorkerHung) as caught:
            await answers(worker, "hang")

    assert caught.value.in_hand == "tar pit"
    assert any("stand_still_forever" in line for line in caught.value.stderr)


async def test_a_program_that_does_not_exist_is_a_clear_error() -> None:
    with pytest.raises(WorkerNotStarted, match="No such file"):
        async with Worker(WorkerSpec(("/nowhere/at-all",)), SystemClock()):
            pass


async def test_a_module_that_does_not_import_shows_its_last_words() -> None:
    async with Worker(WorkerSpec.module("daemons.no_such_worker"), SystemClock()) as worker:
        with pytest.raises(WorkerExited, match="exit code 1") as caught:
            await answers(worker, "echo")

    assert "No module named" in caught.value.stderr[-1]


@linux_only
@pytest.mark.parametrize("own_session", [False, True])
async def test_a_grandchild_that_holds_the_pipes_holds_nobody_up(own_session: bool) -> None:
    clock = SystemClock()
    seen = []

    async with toy() as worker:
        started = clock.monotonic()
        with pytest.raises(WorkerExited, match="exit code 5"):
            async for pid in worker.run({"do": "leave_child", "own_session": own_session}):
                seen.append(pid)
        took = clock.monotonic() - started

    if own_session:
        os.kill(seen[0], signal.SIGKILL)  # it left the group, so ending it is nobody's business but ours
    assert await asyncio.to_thread(ends(seen[0]))
    assert took < 5


@linux_only
async def test_ignoring_sigterm_and_the_end_of_stdin_helps_only_until_the_grace_is_over() -> None:
    async with toy(grace=0.2) as worker:
        ended = ends(await anext(worker.run({"do": "defy"})))

    assert await asyncio.to_thread(ended)


@linux_only
async def test_cancelling_the_caller_ends_the_process() -> None:
    pids: asyncio.Queue[int] = asyncio.Queue()

    async def use() -> None:
        async with toy() as worker:
            async for pid in worker.run({"do": "survive"}):
                pids.put_nowait(pid)

    task = asyncio.create_task(use())
    ended = ends(await pids.get())
    task.cancel()

    assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)
    assert await asyncio.to_thread(ended)


async def test_a_hundred_workers_leave_no_zombie_and_no_open_file() -> None:
    async def use() -> int:
        async with Worker(WorkerSpec((sys.executable, "-S", "-c", "input()")), SystemClock()) as worker:
            return worker.pid

    await use()
    files = len(list(Path("/proc/self/fd").iterdir()))
    pids = [pid for _ in range(20) for pid in await asyncio.gather(*(use() for _ in range(5)))]

    assert not [pid for pid in pids if psutil.pid_exists(pid)]
    assert len(list(Path("/proc/self/fd").iterdir())) <= files


# Never outlive the manager.

_MANAGER = """
import asyncio, sys
from daemons.clock import SystemClock
from daemons.subprocess_work import Worker
from daemons.subprocess_work.spec import WorkerSpec

async def main():
    async with Worker(WorkerSpec((sys.executable, "-P", sys.argv[1])), SystemClock()) as worker:
        async for pid in worker.run({"do": sys.argv[2]}):
            print(pid, flush=True)

asyncio.run(main())
"""


@linux_only
@pytest.mark.parametrize("request_", ["defy", "survive"], ids=["deaf to the pipe", "deaf to the kernel"])
async def test_kill_9_of_the_manager_takes_the_worker_along(request_: str) -> None:
    manager = subprocess.Popen(
        [sys.executable, "-c", _MANAGER, str(TOY), request_],
        stdout=subprocess.PIPE,
        env=spec().child_environment(),
        text=True,
    )
    with manager:
        assert manager.stdout is not None
        ended = ends(int(await asyncio.to_thread(manager.stdout.readline)))
        manager.kill()

    assert await asyncio.to_thread(ended)


async def test_a_worker_whose_manager_died_before_it_could_look_ends_at_once() -> None:
    environment = {**spec().child_environment(), PARENT_VARIABLE: "1"}

    ended = await asyncio.to_thread(
        subprocess.run, [sys.executable, str(TOY)], env=environment, stdin=subprocess.DEVNULL, timeout=10
    )

    assert ended.returncode == EXIT_ORPHANED


async def test_it_sees_little_of_the_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAEMONDECK_TOKEN", "canary")

    async with toy(memory=300 * MEBIBYTE, environment=(("HF_HUB_OFFLINE", "1"),)) as worker:
        told = (await answers(worker, "tell"))[0]

    assert "canary" not in str(told)
    assert told["environment"]["HF_HUB_OFFLINE"] == "1"
    assert (told["folder"], told["session"], told["memory"]) == ("/", worker.pid, 300 * MEBIBYTE)


# The pool.


async def test_the_pool_lends_the_same_process_until_it_is_worn_out() -> None:
    pids = []

    async with WorkerPool(SystemClock()) as pool:
        for _ in range(6):
            async with pool.borrow(spec(recycle_requests=3)) as worker:
                pids.append((await answers(worker, "tell"))[0]["pid"])

    assert len(set(pids[:3])) == len(set(pids[3:])) == 1
    assert len(set(pids)) == 2


async def test_the_pool_replaces_a_worker_that_grew_too_large() -> None:
    async with WorkerPool(SystemClock()) as pool:
        pids = []
        for _ in range(2):
            async with pool.borrow(spec(recycle_memory=1)) as worker:
                pids.append((await answers(worker, "tell"))[0]["pid"])

    assert len(set(pids)) == 2


async def test_the_pool_replaces_a_worker_that_asks_for_it() -> None:
    async with WorkerPool(SystemClock()) as pool:
        async with pool.borrow(spec()) as worker:
            first, values = worker.pid, await answers(worker, "tire", values=[1, 2])
        async with pool.borrow(spec()) as worker:
            second, rest = worker.pid, await answers(worker, "echo", values=[2])

    assert (values, rest) == ([1], [2])
    assert first != second


async def test_a_worker_that_only_warms_up_stops_at_once_when_asked() -> None:
    async with Worker(spec(), SystemClock()) as worker:
        results = worker.run({"do": "warm_up"})
        await anext(results)
        worker.finish_current()

        assert [result async for result in results] == []
        assert await answers(worker, "echo", values=[1]) == [1]


@linux_only
async def test_the_pool_never_lends_a_worker_that_died_or_was_left_half_read() -> None:
    async with WorkerPool(SystemClock()) as pool:
        async with pool.borrow(spec()) as first:
            ended = ends(first.pid)
        os.kill(first.pid, signal.SIGKILL)
        assert await asyncio.to_thread(ended)
        async with pool.borrow(spec()) as second:
            await anext(second.run({"do": "echo", "values": [1, 2]}))
        async with pool.borrow(spec()) as third:
            assert await answers(third, "echo", values=[1]) == [1]

    assert len({first.pid, second.pid, third.pid}) == 3


@linux_only
async def test_the_pool_ends_a_worker_that_nobody_wants_for_a_while() -> None:
    for pool_seconds, own_seconds in ((0.05, None), (60, 0.05)):
        async with WorkerPool(SystemClock(), idle_seconds=pool_seconds) as pool:
            async with pool.borrow(spec(idle_seconds=own_seconds)) as worker:
                ended = ends(worker.pid)

            assert await asyncio.to_thread(ended)


@linux_only
async def test_closing_the_pool_ends_what_waits_in_it() -> None:
    async with WorkerPool(SystemClock()) as pool, pool.borrow(spec()) as worker:
        ended = ends(worker.pid)

    assert await asyncio.to_thread(ended)
